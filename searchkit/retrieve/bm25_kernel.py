"""Many queries over the postings of one segment -> the k best rows of each, exactly.

Rows are taken in windows that stay in the cache. Once k documents are known, terms whose bounds
together cannot reach the k-th score are no longer walked, only looked up (MaxScore: Turtle and
Flood, IPM 1995); what might get in is scored again in the query's order, so that the sums are
those of the numpy twin, bit for bit. Compiled with explicit signatures, cached, without the GIL.
"""

from __future__ import annotations

import numba as nb
import numpy as np

WINDOW = 8192
SLACK = 1.0 - 1e-9  # bounds are sums in another order than the scores


# arrays mapped from the disk may only be read; numba takes writable ones for them too
_ROWS = nb.types.Array(nb.uint32, 1, "C", readonly=True)
_COUNTS = nb.types.Array(nb.uint8, 1, "C", readonly=True)
_OVERFLOW = nb.types.Array(nb.int64, 2, "C", readonly=True)
_I8, _F8, _F4 = nb.int64, nb.float64, nb.float32


# one segment: rows, counts, title counts, overflow; q by row; floor, gain, p_by_q; field weights
_PART = (_ROWS, _COUNTS, _COUNTS, _OVERFLOW, _F8[::1], _F8[::1], _F8[::1])
_TUPLE = nb.types.Tuple(_PART)


@nb.njit(_F8(_I8, _TUPLE), cache=True, nogil=True)
def _frequency(at, part):
    _, counts, title_counts, overflow, _, _, fields = part
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


@nb.njit(_I8(_ROWS, _I8, _I8, nb.uint32), cache=True, nogil=True)
def _gallop(rows, at, stop, row):
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


@nb.njit("void(f4[::1], i8[::1], i8, f4, i8)", cache=True, nogil=True)
def _sift(scores, rows, size, score, row):
    """Replace the worst of a full heap: the lowest score and, among equals, the last row."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            scores[right] < scores[child]
            or (scores[right] == scores[child] and rows[right] > rows[child])
        ):
            child = right
        if scores[child] > score or (scores[child] == score and rows[child] < row):
            break
        scores[place], rows[place] = scores[child], rows[child]
        place = child
    scores[place], rows[place] = score, row


@nb.njit("i8(f4[::1], i8[::1], i8, i8, f4, i8)", cache=True, nogil=True)
def _offer(scores, rows, found, k, score, row):
    """Add to the heap of the k best; how many it holds now."""
    if found == k:
        _sift(scores, rows, k, score, row)
        return found
    place = found
    while place > 0:
        parent = (place - 1) // 2
        if scores[parent] < score or (scores[parent] == score and rows[parent] > row):
            break
        scores[place], rows[place] = scores[parent], rows[parent]
        place = parent
    scores[place], rows[place] = score, row
    return found + 1


@nb.njit(_F8(_I8, _I8, _F8, _TUPLE), cache=True, nogil=True)
def _gain(at, row, weight, part):
    """What the posting `at`, of document `row`, adds; 0 where its fields weigh nothing."""
    tf = _frequency(at, part)
    if tf == 0.0:
        return 0.0
    q, curve = part[4][row], part[5]
    return weight * (curve[0] + curve[1] * ((tf + curve[2] * q) / (tf + q)))


@nb.njit(_I8(_I8, _I8, _I8, _I8, _F8, _TUPLE, _F8[::1]), cache=True, nogil=True)
def _add(at, last, start, stop, weight, part, sums):
    """Walk one term through the window [start, stop); where it stands then."""
    rows = part[0]
    while at < last and rows[at] < stop:
        row = np.int64(rows[at])
        sums[row - start] += _gain(at, row, weight, part)
        at += 1
    return at


@nb.njit(_F8(_I8, _I8[::1], _I8[::1], _I8[::1], _F8[::1], _TUPLE), cache=True, nogil=True)
def _exact(row, firsts, at, lasts, weights, part):
    """The score of one document, summed in the query's order."""
    total, rows = 0.0, part[0]
    for t in range(len(firsts)):
        place = at[t]
        if place > firsts[t] and rows[place - 1] >= row:  # walked past it, in this window
            place = firsts[t] + np.searchsorted(rows[firsts[t] : at[t]], np.uint32(row))
        else:
            place = _gallop(rows, place, lasts[t], np.uint32(row))
        if place < lasts[t] and rows[place] == row:
            total += _gain(place, row, weights[t], part)
    return total


_WALK = _I8(
    *(_I8[::1], _I8[::1], _F8[::1], _F8[::1]),
    *_PART,
    *(nb.boolean[::1], _I8, _I8, _F4[::1], _I8[::1], _I8, _F8[::1]),
)


@nb.njit(_WALK, cache=True, nogil=True)
def walk(
    firsts,  # (n_terms,) first posting of each query term, in query order
    lasts,  # (n_terms,) one past its last posting
    weights,  # (n_terms,) > 0
    bounds,  # (n_terms,) no posting of the term gives more
    rows,
    counts,
    title_counts,
    overflow,
    q,
    curve,
    fields,
    allowed,  # (n_docs,) or empty
    base,  # global row of the segment's first
    k,
    best,  # (k,) in and out: scores, a heap whose root is the worst
    best_rows,  # (k,) in and out: their global rows
    found,  # how many the heap holds already, of rows before this segment
    sums,  # (WINDOW,) zeros, and zeros again on return
):
    part = (rows, counts, title_counts, overflow, q, curve, fields)
    order, at, cheap = np.argsort(bounds), firsts.copy(), 0  # cheap terms come first
    reach = np.zeros(len(firsts) + 1)  # what the i cheapest terms can give together
    reach[1:] = np.cumsum(bounds[order])
    for start in range(0, len(q), WINDOW):
        stop = min(start + WINDOW, len(q))
        while found == k and cheap < len(firsts) and reach[cheap + 1] < best[0] * SLACK:
            cheap += 1
        for i in range(cheap, len(firsts)):
            t = order[i] if cheap else i  # all of them: in the query's order, so exactly
            at[t] = _add(at[t], lasts[t], start, stop, weights[t], part, sums)
        for row in range(start, stop) if cheap < len(firsts) else range(0):
            total, sums[row - start] = sums[row - start], 0.0
            if total == 0.0 or (len(allowed) and not allowed[row]):
                continue
            i = cheap  # cheap terms, dearest first, as long as the document may still get in
            while i > 0 and total + reach[i] >= best[0] * SLACK:
                i -= 1
                t = order[i]
                at[t] = _gallop(rows, at[t], lasts[t], np.uint32(row))
                if at[t] < lasts[t] and rows[at[t]] == row:
                    total += _gain(at[t], row, weights[t], part)
            if cheap and (i > 0 or total < best[0] * SLACK):
                continue
            if cheap:
                total = _exact(row, firsts, at, lasts, weights, part)
            if found < k or np.float32(total) > best[0]:
                found = _offer(best, best_rows, found, k, np.float32(total), base + row)
    return found
