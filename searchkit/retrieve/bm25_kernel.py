"""One query over the postings of one segment -> the k best rows, exactly.

Rows are taken in windows that stay in the cache. Terms in many documents are no longer walked
once their bounds together cannot reach the k-th score: they are only looked up, in grids of their
counts, for the documents that the other terms leave (MaxScore: Turtle and Flood, IPM 1995). What
might get in is scored again in the query's order where rounding could tell, so that the sums are
those of the numpy twin, bit for bit. Compiled with explicit signatures, cached, without the GIL.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from searchkit.retrieve.bm25_posting_kernel import F4, F8, GRIDS, I8, PART, TUPLE, gain, gallop
from searchkit.retrieve.bm25_window_kernel import PAIR, above, add, look

WINDOW = 16384
BUFFERED = 256  # candidates held beside the k best before the worst are dropped
EPSILON = 2.3e-16  # float64's rounding, relative, of one addition
SLACK = 1.0 - 1e-9  # bounds are sums in another order than the scores


@nb.njit("i8(f4[::1], i8[::1], i8, i8)", cache=True, nogil=True)
def shrink(scores, rows, found, k):
    """Leave the k best, in their order, of which the first are better among equals."""
    if found <= k:
        return found
    border = np.partition(scores[:found], found - k)[found - k]
    ties, n = k, 0
    for at in range(found):
        ties -= np.int64(scores[at] > border)
    for at in range(found):
        if scores[at] > border or (scores[at] == border and ties > 0):
            ties -= np.int64(scores[at] == border)
            scores[n], rows[n] = scores[at], rows[at]
            n += 1
    return n


@nb.njit(F8(I8, I8[::1], I8[::1], I8[::1], F8[::1], TUPLE), cache=True, nogil=True)
def _exact(row, firsts, at, lasts, weights, part):
    """The score of one document, summed in the query's order."""
    total, rows = 0.0, part[0]
    for t in range(len(firsts)):
        place = at[t]
        if place > firsts[t] and rows[place - 1] >= row:  # walked past it, in this window
            place = firsts[t] + np.searchsorted(rows[firsts[t] : at[t]], np.uint32(row))
        else:
            place = gallop(rows, place, lasts[t], np.uint32(row))
        if place < lasts[t] and rows[place] == row:
            total += gain(place, row, weights[t], *part[1:7])
    return total


@nb.njit(nb.types.Tuple((I8, nb.boolean))(
    I8[::1], I8[::1], I8[::1], F8[::1], I8[::1], F8[::1], I8, F8, TUPLE, GRIDS, nb.uint16[::1], I8,
    F8[::1], nb.uint16[::1]), cache=True, nogil=True)  # fmt: skip
def _look_up(order, firsts, lasts, weights, slots, reach, start, least, part, grids, held, n_held,
             sums, places):  # fmt: skip
    """Add the terms of `order`, of which those that give least come first, to the places held.

    Which of them can still reach `least` is written to `places`; how many, and whether a posting
    gave its bound for its gain.
    """
    wide = False
    for i in range(len(order) - 1, -1, -1):  # the dearest first
        t = order[i]
        where, left = (firsts[t], lasts[t], start), least - reach[i]
        n_held, bounded = look(
            held, n_held, where, weights[t], left, part, grids[slots[t]], sums, places
        )
        held, wide = places, wide or bounded
    return n_held, wide


_QUERY = (I8[::1], I8[::1], F8[::1], F8[::1], I8[::1])
_WALK = I8(
    *_QUERY,
    *PART,
    GRIDS,
    *(nb.boolean[::1], I8, PAIR, I8, F4[::1], F4[::1], I8[::1], I8, F8[::1]),
)


# firsts, lasts: (n_terms,) first posting of each query term, in query order, and one past its last
# weights: (n_terms,) > 0; bounds: (n_terms,) no posting of the term gives more
# slots: (n_terms,) where the counts of the term stand in `grids`, (n_slots, bytes), or -1
# allowed: (n_docs,) or empty; base: global row of the segment's first
# grain: of how many global rows the first how many are looked at
# bars: (1,) in and out: what the k-th score is above, whatever is found
# best, best_rows: (k + BUFFERED,) in and out: scores and global rows, those before by row
# found: how many they hold, fewer than k + BUFFERED; the result is how many they hold then
# sums: (WINDOW,) zeros, and zeros again on return
@nb.njit(_WALK, cache=True, nogil=True)
def walk(firsts, lasts, weights, bounds, slots, rows, counts, title_counts, overflow, q, curve,
         fields, codes, shares, grids, allowed, base, grain, k, bars, best, best_rows, found,
         sums):  # fmt: skip
    part = (rows, counts, title_counts, overflow, q, curve, fields, codes, shares)
    n_grids = np.int64((slots >= 0).sum())
    # those of a grid come first, and of them those that give least
    order, at = np.argsort(bounds + (slots < 0) * bounds.sum()), firsts.copy()
    reach = np.zeros(len(firsts) + 1)  # what the i first terms can give together
    reach[1:] = np.cumsum(bounds[order])
    places, met = np.empty(WINDOW + 1, np.uint16), np.empty(WINDOW + 1, np.uint16)
    slip, bar = (len(firsts) + 1) * EPSILON, bars[0]
    stride, size = grain
    for start in range(-base % stride if size < stride else 0, len(q), stride):
        stop, least, n_met, cheap, wide = min(start + size, len(q)), bar * SLACK, 0, 0, False
        if reach[len(firsts)] < least:
            break  # no document can get in any more
        while cheap < n_grids and reach[cheap + 1] < least:
            cheap += 1
        for i in range(cheap, len(firsts)):
            t = order[i] if cheap else i  # all of them: in the query's order, so exactly
            at[t], n_met, bounded = add(
                at[t], lasts[t], start, stop, weights[t], part, sums, met, n_met
            )
            wide |= bounded
        if cheap:
            n_places, bounded = _look_up(
                order[:cheap], firsts, lasts, weights, slots, reach, start, least, part, grids,
                met, n_met, sums, places,
            )  # fmt: skip
            wide |= bounded
        else:
            n_places = above(met, n_met, least, sums, places)
        places[:n_places].sort()
        for place in places[:n_places]:
            row, total = start + np.int64(place), sums[place]
            if len(allowed) and not allowed[row]:
                continue
            # summed in another order: the same float32 but where it lies on an edge
            if wide or (cheap and np.float32(total * (1 - slip)) != np.float32(total * (1 + slip))):
                total = _exact(row, firsts, at, lasts, weights, part)
            if np.float32(total) > bar:
                best[found], best_rows[found] = np.float32(total), base + row
                found += 1
                if found == len(best):
                    found = shrink(best, best_rows, found, k)
                    bar = max(bar, best[:found].min())
        for place in met[:n_met]:
            sums[place] = 0.0
    bars[0] = bar
    return found
