"""One window of rows for the kernel: terms walked through it, and terms looked up in it.

Compiled with explicit signatures.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from searchkit.retrieve.bm25_posting_kernel import (
    F8,
    I8,
    TUPLE,
    WIDE,
    count_in,
    gain,
    gallop,
    place_of,
)
from searchkit.retrieve.kernels import kernel

BLOCK = 32  # sums compared together
PLACES = nb.uint16[::1]
PAIR = nb.types.UniTuple(I8, 2)
MARKS = nb.uint8[::1]
ALLOWED = nb.boolean[::1]
PICKED = nb.uint32[::1]
_ADD = nb.types.Tuple((I8, I8, nb.boolean))(I8, I8, I8, I8, F8, TUPLE, F8[::1], MARKS, PLACES, I8)


@kernel(_ADD)
def _add_known(at, last, start, stop, weight, part, sums, marks, met, n_met):
    """What `add` does, by the table of shares."""
    rows, counts, codes, shares, wide = part[0], part[1], part[7], part[8], False
    # unsigned places: numba then leaves out its check for places counted from the end
    n, end, n_places = np.uint64(at), np.uint64(last), np.uint64(n_met)
    origin, beyond = np.uint32(start), np.uint32(stop)
    while n < end:
        row = rows[n]
        if row >= beyond:
            break
        place, count = row - origin, min(counts[n], WIDE)
        before = sums[place]
        met[n_places] = place
        n_places += np.uint64(before == 0.0)
        sums[place] = before + weight * shares[place_of(count, codes[row])]
        if count == WIDE:
            marks[place], wide = 1, True
        n += np.uint64(1)
    return np.int64(n), np.int64(n_places), wide


@kernel(_ADD)
def _add_computed(at, last, start, stop, weight, part, sums, marks, met, n_met):
    """What `add` does, posting by posting."""
    rows = part[0]
    while at < last and rows[at] < stop:
        place = np.int64(rows[at]) - start
        given = gain(at, np.int64(rows[at]), weight, *part[1:7])
        met[n_met] = place
        n_met += np.int64(given > 0.0 and sums[place] == 0.0)
        sums[place] += given
        at += 1
    return at, n_met, False


@kernel(_ADD)
def add(at, last, start, stop, weight, part, sums, marks, met, n_met):
    """Walk one term through the window [start, stop).

    met: the places whose sum is not 0 any more, n_met of them.
    marks: (WINDOW,) set where a posting gave its bound for its gain.
    Where the term stands then, n_met, and whether a mark was set.
    """
    at = gallop(part[0], at, last, np.uint32(start))
    if len(part[7]):
        return _add_known(at, last, start, stop, weight, part, sums, marks, met, n_met)
    return _add_computed(at, last, start, stop, weight, part, sums, marks, met, n_met)


@kernel(I8(F8[::1], I8, F8, PLACES))
def above(sums, size, least, places):
    """Write the places in [0, size) whose sum is above `least`; how many. Most blocks hold none."""
    n = 0
    for start in range(np.uint64(0), np.uint64(size), np.uint64(BLOCK)):
        stop, held = min(start + np.uint64(BLOCK), np.uint64(size)), 0
        for at in range(start, stop):  # no way out of this loop, so it is vectorised
            held += np.int64(sums[at] > least)
        if held:
            for at in range(start, stop):
                places[n] = at
                n += np.int64(sums[at] > least)
    return n


_LOOK = nb.types.Tuple((I8, nb.boolean))(
    PLACES, I8, nb.types.UniTuple(I8, 3), F8, F8, TUPLE, nb.uint8[::1], F8[::1], MARKS, PLACES
)


@kernel(_LOOK)
def _look_known(held, n_held, where, weight, least, part, grid, sums, marks, places):
    """What `look` does, by the table of shares."""
    codes, shares, wide = part[7], part[8], False
    start, n = np.uint64(where[2]), np.uint64(0)
    for i in range(np.uint64(n_held)):
        place = held[i]
        row = start + np.uint64(place)
        count = count_in(grid, row)
        total = sums[place] + weight * shares[place_of(count, codes[row])]  # 0 for a count of 0
        sums[place] = total
        places[n] = place
        n += np.uint64(total > least)
        if count == WIDE:
            marks[place], wide = 1, True
    return np.int64(n), wide


@kernel(_LOOK)
def _look_computed(held, n_held, where, weight, least, part, grid, sums, marks, places):
    """What `look` does, posting by posting."""
    first, last, start = where
    rows, n = part[0], 0
    for i in range(n_held):
        place = held[i]
        row = start + np.int64(place)
        if count_in(grid, np.uint64(row)):
            at = first + np.searchsorted(rows[first:last], np.uint32(row))
            sums[place] += gain(at, row, weight, *part[1:7])
        places[n] = place
        n += np.int64(sums[place] > least)
    return n, False


@kernel(_LOOK)
def look(held, n_held, where, weight, least, part, grid, sums, marks, places):
    """Add one term, of a grid, to the documents held, and write the places of those above `least`.

    where: first posting of the term, one past its last, the window's first row.
    How many are above, and whether a mark was set.
    """
    if len(part[7]):
        return _look_known(held, n_held, where, weight, least, part, grid, sums, marks, places)
    return _look_computed(held, n_held, where, weight, least, part, grid, sums, marks, places)


@kernel(I8(PLACES, I8, nb.types.UniTuple(I8, 3), F8, F8, TUPLE, F8[::1], PLACES))
def seek(held, n_held, where, weight, least, part, sums, places):
    """What `look` does for a term without a grid; the places held ascend.

    where: where the term stands, one past its last posting, the window's first row.
    """
    at, last, start = where
    rows, n = part[0], 0
    for i in range(n_held):
        place = held[i]
        row = start + np.int64(place)
        at = gallop(rows, at, last, np.uint32(row))
        if at < last and rows[at] == row:
            sums[place] += gain(at, row, weight, *part[1:7])
        places[n] = place
        n += np.int64(sums[place] > least)
    return n


@kernel(I8(PLACES, I8, I8, ALLOWED, F8, F8[::1], PLACES))
def keep(held, n_held, start, allowed, least, sums, places):
    """Write those of the places held whose sum is above `least` and whose row no mask hides.

    start: the window's first row; allowed: (n_docs,), or empty where all are. How many are left.
    """
    n = 0
    if len(allowed):
        for i in range(n_held):
            place = held[i]
            places[n] = place
            # both are asked: a branch here is foreseen half of the time
            n += np.int64(allowed[start + np.int64(place)]) & np.int64(sums[place] > least)
        return n
    for i in range(n_held):
        places[n] = held[i]
        n += np.int64(sums[held[i]] > least)
    return n


@kernel(I8(PICKED, I8, PLACES))
def put(few, start, places):
    """Write the places of rows; how many."""
    for i in range(len(few)):
        places[i] = np.int64(few[i]) - start
    return len(few)
