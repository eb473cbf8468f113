"""Single postings for the kernel: what one gives, where it stands, bit maps of frequent terms.

Compiled with explicit signatures, cached, without the GIL.
"""

from __future__ import annotations

import numba as nb
import numpy as np

CODE_BITS = 12  # of the length of a document
MOST_PACKED = 15  # the largest count that fits beside it

# arrays mapped from the disk may only be read; numba takes writable ones for them too
ROWS = nb.types.Array(nb.uint32, 1, "C", readonly=True)
COUNTS = nb.types.Array(nb.uint8, 1, "C", readonly=True)
OVERFLOW = nb.types.Array(nb.int64, 2, "C", readonly=True)
I8, F8, F4 = nb.int64, nb.float64, nb.float32


# one segment: rows, counts, title counts, overflow; q by row; floor, gain, p_by_q; field weights;
# count and length of each posting in 16 bits; what a posting of weight 1 gives, by these bits;
# bit maps of the frequent terms, and how many bits are set before each word of theirs
SHAPE = (F8[::1], F8[::1], F8[::1], nb.uint16[::1], F8[::1])
MAPS = (nb.uint64[:, ::1], nb.uint32[:, ::1])
PART = (ROWS, COUNTS, COUNTS, OVERFLOW, *SHAPE, *MAPS)
TUPLE = nb.types.Tuple(PART)


@nb.njit(F8(I8, TUPLE), cache=True, nogil=True)
def _frequency(at, part):
    counts, title_counts, overflow, fields = part[1], part[2], part[3], part[6]
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


@nb.njit(F8(I8, I8, F8, TUPLE), cache=True, nogil=True)
def gain(at, row, weight, part):
    """What the posting `at`, of document `row`, adds; 0 where its fields weigh nothing."""
    tf = _frequency(at, part)
    if tf == 0.0:
        return 0.0
    q, curve = part[4][row], part[5]
    return weight * (curve[0] + curve[1] * ((tf + curve[2] * q) / (tf + q)))


@nb.njit(F8[::1](I8, I8, *PART), cache=True, nogil=True)
def gains(first, last, rows, counts, title_counts, overflow, q, curve, fields, packed, shares,
          bits, ranks):  # fmt: skip
    """What each posting in [first, last) gives with weight 1."""
    part = (rows, counts, title_counts, overflow, q, curve, fields, packed, shares, bits, ranks)
    given = np.empty(last - first)
    for at in range(first, last):
        given[at - first] = gain(at, np.int64(rows[at]), 1.0, part)
    return given


@nb.njit(I8(ROWS, I8, I8, nb.uint32), cache=True, nogil=True)
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


@nb.njit("u8(u8)", cache=True, nogil=True)
def n_set(word):
    """Bits set in a word, side by side (Knuth, TAOCP 7.1.3)."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@nb.njit(
    nb.void(I8[::1], I8[::1], ROWS, nb.uint64[:, ::1], nb.uint32[:, ::1]), cache=True, nogil=True
)
def map_terms(firsts, lasts, rows, bits, ranks):
    """Fill the bit maps, all zeros before, of the terms whose postings are given."""
    one, low = np.uint64(1), np.uint64(63)
    for slot in range(len(firsts)):
        for at in range(firsts[slot], lasts[slot]):
            row = np.uint64(rows[at])
            bits[slot, row >> np.uint64(6)] |= one << (row & low)
        before = np.uint64(0)
        for word in range(bits.shape[1]):
            ranks[slot, word] = before
            before += n_set(bits[slot, word])


@nb.njit(nb.void(ROWS, COUNTS, nb.uint16[::1], nb.uint16[::1]), cache=True, nogil=True)
def pack(rows, counts, codes, packed):
    """Join count and code of the length of each posting; a count that does not fit becomes 0."""
    for at in range(len(rows)):
        count = np.uint16(counts[at]) if counts[at] <= MOST_PACKED else np.uint16(0)
        packed[at] = (count << np.uint16(CODE_BITS)) | codes[rows[at]]
