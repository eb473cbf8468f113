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
EPSILON = 2.3e-16  # float64's rounding, relative, of one addition
LOOK_COST = 400  # a posting looked up, by postings walked; it also lets more candidates through
SLACK = 1.0 - 1e-9  # bounds are sums in another order than the scores


# arrays mapped from the disk may only be read; numba takes writable ones for them too
_ROWS = nb.types.Array(nb.uint32, 1, "C", readonly=True)
_COUNTS = nb.types.Array(nb.uint8, 1, "C", readonly=True)
_OVERFLOW = nb.types.Array(nb.int64, 2, "C", readonly=True)
_I8, _F8, _F4 = nb.int64, nb.float64, nb.float32


# one segment: rows, counts, title counts, overflow; q by row; floor, gain, p_by_q; field weights;
# norm of each row as a code; what a posting of weight 1 gives, by count and code
_SHAPE = (_F8[::1], _F8[::1], _F8[::1], nb.uint16[::1], _F8[:, ::1])
_PART = (_ROWS, _COUNTS, _COUNTS, _OVERFLOW, *_SHAPE)
_TUPLE = nb.types.Tuple(_PART)


@nb.njit(_F8(_I8, _TUPLE), cache=True, nogil=True)
def _frequency(at, part):
    _, counts, title_counts, overflow, _, _, fields, _, _ = part
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


@nb.njit(_F8(_I8, _I8, *_PART), cache=True, nogil=True)
def largest(first, last, rows, counts, title_counts, overflow, q, curve, fields, codes, shares):
    """The most that a posting in [first, last) gives with weight 1."""
    part = (rows, counts, title_counts, overflow, q, curve, fields, codes, shares)
    most = 0.0
    for at in range(first, last):
        most = max(most, _gain(at, np.int64(rows[at]), 1.0, part))
    return most


@nb.njit(
    _I8(_I8, _I8, _I8, _F8, _ROWS, _COUNTS, nb.uint16[::1], _F8[:, ::1], _F8[::1]),
    cache=True,
    nogil=True,
)
def _add_tabled(first, last, start, weight, rows, counts, codes, shares, sums):
    """Add postings whose count is in the table, without a division; how many are not in it."""
    # unsigned places: numba then leaves out its check for places counted from the end
    wide, n_tabled, origin = 0, len(shares), np.uint32(start)
    for at in range(np.uint64(first), np.uint64(last)):
        row, count = rows[at], counts[at]
        if count < n_tabled:
            sums[row - origin] += weight * shares[count, codes[row]]
        else:
            wide += 1
    return wide


@nb.njit(_I8(_I8, _I8, _I8, _I8, _F8, _TUPLE, _F8[::1]), cache=True, nogil=True)
def _add(at, last, start, stop, weight, part, sums):
    """Walk one term through the window [start, stop); where it stands then."""
    rows, counts, codes, shares = part[0], part[1], part[7], part[8]
    at = _gallop(rows, at, last, np.uint32(start))  # it may have been looked up so far
    end = last if last == at or rows[last - 1] < stop else _gallop(rows, at, last, np.uint32(stop))
    if _add_tabled(at, end, start, weight, rows, counts, codes, shares, sums):
        for place in range(at, end):
            if counts[place] >= len(shares):
                row = np.int64(rows[place])
                sums[row - start] += _gain(place, row, weight, part)
    return end


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


@nb.njit(_I8(_F8[::1], _I8, _I8, _F8), cache=True, nogil=True)
def _next(sums, at, stop, least):
    """First place in [at, stop) whose sum is above `least`; most are not, so four at a time."""
    while at + 4 <= stop:
        if (
            (sums[at] > least)
            | (sums[at + 1] > least)
            | (sums[at + 2] > least)
            | (sums[at + 3] > least)
        ):
            break
        at += 4
    while at < stop and sums[at] <= least:
        at += 1
    return at


_QUERY = (_I8[::1], _I8[::1], _F8[::1], _F8[::1])  # firsts, lasts, weights, bounds
_WALK = _I8(
    *_QUERY,
    *_PART,
    *(nb.boolean[::1], _I8, _I8, _F4[::1], _I8[::1], _I8, _F8[::1]),
)


@nb.njit(_I8(_I8, _I8, _I8, _F8), cache=True, nogil=True)
def _settle(most_cheap, cheap, looked, saved):
    """How many terms to look up in the next window, by what it cost and saved in this one."""
    if cheap and looked * LOOK_COST > saved:
        return max(1, cheap - 1)  # walking its dearest costs less
    if cheap == most_cheap and looked * LOOK_COST * 2 < saved:
        return most_cheap + 1
    return most_cheap


# firsts, lasts: (n_terms,) first posting of each query term, in query order, and one past its last
# weights: (n_terms,) > 0; bounds: (n_terms,) no posting of the term gives more
# allowed: (n_docs,) or empty; base: global row of the segment's first
# best, best_rows: (k,) in and out: scores and global rows, a heap whose root is the worst
# found: how many it holds already, of rows before this segment; the result is how many it holds now
# sums: (WINDOW,) zeros, and zeros again on return
@nb.njit(_WALK, cache=True, nogil=True)
def walk(firsts, lasts, weights, bounds, rows, counts, title_counts, overflow, q, curve, fields,
         codes, shares, allowed, base, k, best, best_rows, found, sums):  # fmt: skip
    part = (rows, counts, title_counts, overflow, q, curve, fields, codes, shares)
    order, at = np.argsort(bounds), firsts.copy()  # cheap terms come first
    reach = np.zeros(len(firsts) + 1)  # what the i cheapest terms can give together
    reach[1:] = np.cumsum(bounds[order])
    spread = np.cumsum((lasts - firsts)[order] * (WINDOW / max(len(q), 1)))  # postings a window
    cheap, most_cheap, slip = 0, 1, (len(firsts) + 1) * EPSILON
    for start in range(0, len(q), WINDOW):
        size = min(WINDOW, len(q) - start)
        least, looked, cheap = best[0] * SLACK if found == k else 0.0, 0, min(cheap, most_cheap)
        while cheap < min(most_cheap, len(firsts)) and reach[cheap + 1] < least:
            cheap += 1
        if cheap == len(firsts):
            break  # no document can get in any more
        for i in range(cheap, len(firsts)):
            t = order[i] if cheap else i  # all of them: in the query's order, so exactly
            at[t] = _add(at[t], lasts[t], start, start + size, weights[t], part, sums)
        offset = _next(sums, 0, size, max(0.0, least - reach[cheap]))
        while offset < size:
            row, total, i = start + offset, sums[offset], cheap
            if len(allowed) and not allowed[row]:
                i, total = 0, -1.0
            # cheap terms, dearest first, as long as the document may still get in
            while i > 0 and total + reach[i] >= least:
                i -= 1
                looked += 1
                t = order[i]
                at[t] = _gallop(rows, at[t], lasts[t], np.uint32(row))
                if at[t] < lasts[t] and rows[at[t]] == row:
                    total += _gain(at[t], row, weights[t], part)
            if i == 0 and total >= least:
                # summed in another order: the same float32 but where it lies on an edge
                if cheap and np.float32(total * (1 - slip)) != np.float32(total * (1 + slip)):
                    total = _exact(row, firsts, at, lasts, weights, part)
                if found < k or np.float32(total) > best[0]:
                    found = _offer(best, best_rows, found, k, np.float32(total), base + row)
                    least = best[0] * SLACK if found == k else 0.0
            offset = _next(sums, offset + 1, size, max(0.0, least - reach[cheap]))
        sums[:size] = 0.0
        most_cheap = _settle(most_cheap, cheap, looked, spread[cheap - 1] if cheap else 0.0)
    return found


# starts: (n_queries + 1,) where each query's terms begin in firsts, lasts, weights and bounds
# best, best_rows: (n_queries, k); found: (n_queries,)
_WALK_ALL = nb.void(
    *(_I8[::1], *_QUERY, *_PART),
    *(nb.boolean[::1], _I8, _I8, _F4[:, ::1], _I8[:, ::1], _I8[::1], _F8[::1]),
)


@nb.njit(_WALK_ALL, cache=True, nogil=True)
def walk_all(starts, firsts, lasts, weights, bounds, rows, counts, title_counts, overflow, q, curve,
             fields, codes, shares, allowed, base, k, best, best_rows, found, sums):  # fmt: skip
    for n in range(len(found)):
        a, b = starts[n], starts[n + 1]
        found[n] = walk(
            firsts[a:b], lasts[a:b], weights[a:b], bounds[a:b],
            rows, counts, title_counts, overflow, q, curve, fields, codes, shares,
            allowed, base, k, best[n], best_rows[n], found[n], sums,
        )  # fmt: skip
