"""Single postings for the kernel: what one gives and where it stands.

Compiled with explicit signatures.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from searchkit.retrieve.kernels import kernel

CODE_BITS = 12  # of the length of a document
WIDE = 15  # counts from here on are alike in grids and in the table of shares, which bounds them
ROUNDED = 1e-6  # relative, more than float32 rounds
STEPS = 1024  # into which what postings give is sorted

# arrays mapped from the disk may only be read; numba takes writable ones for them too
ROWS = nb.types.Array(nb.uint32, 1, "C", readonly=True)
COUNTS = nb.types.Array(nb.uint8, 1, "C", readonly=True)
OVERFLOW = nb.types.Array(nb.int64, 2, "C", readonly=True)
GRIDS = nb.uint8[:, ::1]
I8, F8, F4 = nb.int64, nb.float64, nb.float32


# one segment: rows, counts, title counts, overflow; q by row; floor, gain, p_by_q; field weights;
# the code of the length by row; what a posting of weight 1 gives, by `place_of` count and code
GAIN = (COUNTS, COUNTS, OVERFLOW, F8[::1], F8[::1], F8[::1])  # all that one gain is made of
PART = (ROWS, *GAIN, nb.uint16[::1], F8[::1])
TUPLE = nb.types.Tuple(PART)


@kernel(nb.uint64(nb.uint8, nb.uint16), inline="always")
def place_of(count, code):
    """Where a share stands: those of a count together, for most counts are 1."""
    return (np.uint64(count) << np.uint64(CODE_BITS)) | np.uint64(code)


@kernel(nb.uint8(nb.uint8[::1], nb.uint64), inline="always")
def count_in(grid, row):
    """How often a term stands in a document, by its grid; WIDE: that often or more."""
    return (grid[row >> np.uint64(1)] >> np.uint8((row & np.uint64(1)) << np.uint64(2))) & np.uint8(
        15
    )


@kernel(nb.void(I8, I8, ROWS, COUNTS, nb.uint8[::1]))
def fill(first, last, rows, counts, grid):
    """Write the counts of the postings [first, last), two documents a byte."""
    for at in range(first, last):
        row = np.int64(rows[at])
        grid[row >> 1] |= np.uint8(min(counts[at], WIDE)) << np.uint8((row & 1) << 2)


@kernel(F8(I8, COUNTS, COUNTS, OVERFLOW, F8[::1]))
def _frequency(at, counts, title_counts, overflow, fields):
    count = np.int64(counts[at])
    if fields[0] == 1.0 and fields[1] == 1.0:
        if count < 255:
            return np.float64(count)
        return np.float64(overflow[np.searchsorted(overflow[:, 0], at), 1])
    title = np.int64(title_counts[at])
    if count == 255:
        place = np.searchsorted(overflow[:, 0], at)
        count, title = overflow[place, 1], overflow[place, 2]
    return fields[0] * title + fields[1] * (count - title)


@kernel(F8(I8, I8, F8, *GAIN))
def gain(at, row, weight, counts, title_counts, overflow, q, curve, fields):
    """What the posting `at`, of document `row`, adds; 0 where its fields weigh nothing."""
    tf = _frequency(at, counts, title_counts, overflow, fields)
    if tf == 0.0:
        return 0.0
    return weight * (curve[0] + curve[1] * ((tf + curve[2] * q[row]) / (tf + q[row])))


@kernel(nb.void(I8, I8, nb.boolean[::1], I8[::1], F4[::1], *PART))
def tops(first, last, alive, ranks, best, rows, counts, title_counts, overflow, q, curve, fields,
         codes, shares):  # fmt: skip
    """What the best postings in [first, last) give with weight 1, of documents that are alive.

    alive: (n_docs,), or empty where all are.
    ranks: (n,) ascending from 1; best: (n,) written: the most that one gives, a little more than
    the truth, then what ranks[i] of them give or more, a little less, 0 where there are not so
    many.
    """
    most, steps, given = 0.0, np.zeros(STEPS + 1, np.int64), np.empty(last - first)
    for at in range(first, last):
        if len(alive) and not alive[rows[at]]:
            given[at - first] = 0.0
            continue
        if len(codes) and counts[at] < WIDE:
            share = shares[place_of(counts[at], codes[rows[at]])]
        else:
            row = np.int64(rows[at])
            share = gain(at, row, 1.0, counts, title_counts, overflow, q, curve, fields)
        given[at - first], most = share, max(most, share)
    best[:] = 0.0
    if most > 0.0:
        for share in given:
            steps[np.int64(share * (STEPS / most))] += 1
        best[0], held, i = np.float32(most * (1 + ROUNDED)), 0, 1
        for step in range(STEPS, -1, -1):
            held += steps[step]
            while i < len(ranks) and held >= ranks[i]:
                best[i] = np.float32(most * (step / STEPS) * (1 - ROUNDED))
                i += 1


@kernel(I8(ROWS, I8, I8, nb.uint32))
def gallop(rows, at, stop, row):
    """First posting in [at, stop) whose row is `row` or more."""
    step = 1
    low = at
    while at < stop and rows[at] < row:
        low = at + 1
        at += step
        step *= 2
    high = min(at, stop)
    while low < high:
        middle = (low + high) // 2
        if rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low
