"""One query over the postings of one segment -> the k best rows, exactly.

Rows are taken in windows that stay in the cache. Terms whose bounds together cannot reach the
k-th score are no longer walked, only looked up for the documents that the other terms leave: those
in many documents first, in grids of their counts (MaxScore: Turtle and Flood, IPM 1995). Where a
mask lets few rows through, those are looked up in all grids instead. What might get in is scored
again in the query's order where rounding could tell, so that the sums are those of the numpy twin,
bit for bit. Compiled with explicit signatures.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from searchkit.retrieve.bm25_posting_kernel import F4, F8, GRIDS, I8, PART, TUPLE, gain, gallop
from searchkit.retrieve.bm25_window_kernel import (
    ALLOWED,
    MARKS,
    PAIR,
    PICKED,
    PLACES,
    above,
    add,
    keep,
    look,
    put,
    seek,
)
from searchkit.retrieve.kernels import kernel

WINDOW = 16384
BUFFERED = 256  # candidates held beside the k best before the worst are dropped
SEEK_COST = 150  # a document sought among postings, by postings walked
SORTED = 128  # places that are sorted sooner than all sums of a window are looked through
EPSILON = 2.3e-16  # float64's rounding, relative, of one addition
SLACK = 1.0 - 1e-9  # bounds are sums in another order than the scores


@kernel("i8(f4[::1], i8[::1], i8, i8)")
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


@kernel(F8(I8, I8[::1], I8[::1], I8[::1], F8[::1], TUPLE))
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


_PRUNE = nb.types.Tuple((I8, I8, I8, nb.boolean))(
    I8[::1], I8[::1], I8[::1], I8[::1], F8[::1], I8[::1], F8[::1], F8[::1], PAIR, F8, TUPLE, GRIDS,
    ALLOWED, I8, PLACES, I8, F8[::1], MARKS, PLACES,
)  # fmt: skip


@kernel(_PRUNE)
def _prune(order, firsts, at, lasts, weights, slots, reach, spread, window, least, part, grids,
           allowed, n_few, met, n_met, sums, marks, places):  # fmt: skip
    """Add the terms of `order`, of which those that give least come first, to the places met.

    n_few: if not 0, only to met[:n_few], which ascend and are all that is allowed in the window;
    every term of `order` has a grid then.
    Which places can still reach `least` is written to `places`, ascending. How many they are,
    n_met, how many terms were walked all the same, and whether a mark was set.
    """
    held, n_held, n_walked, wide, (start, stop) = met, n_few or n_met, 0, False, window
    n_grids, rest = np.int64((slots[order] >= 0).sum()), reach[len(order)]
    if not n_few:  # most are met by one term alone, and not worth a look
        held, n_held = places, keep(met, n_met, start, allowed, least - rest, sums, places)
    for i in range(n_grids - 1, -1, -1):  # the dearest first
        t = order[i]
        rest -= reach[i + 1] - reach[i]
        n_held, bounded = look(
            held, n_held, (firsts[t], lasts[t], start), weights[t], least - rest, part,
            grids[slots[t]], sums, marks, places,
        )  # fmt: skip
        held, wide = places, wide or bounded
    if n_held < SORTED:
        places[:n_held].sort()
    elif not n_few:  # the same places, for what was left out has not gained since
        n_held = above(sums, stop - start, least - rest, places)
        n_held = keep(places, n_held, start, allowed, least - rest, sums, places)
    for i in range(len(order) - 1, n_grids - 1, -1):
        t = order[i]
        rest -= reach[i + 1] - reach[i]
        if n_held * SEEK_COST < spread[t]:
            where = (at[t], lasts[t], start)
            n_held = seek(places, n_held, where, weights[t], least - rest, part, sums, places)
        else:
            n_walked += 1
            at[t], n_met, bounded = add(
                at[t], lasts[t], start, stop, weights[t], part, sums, marks, met, n_met
            )
            n_held = keep(places, n_held, start, allowed, least - rest, sums, places)
            wide |= bounded
    return n_held, n_met, n_walked, wide


_TAKE = nb.types.Tuple((I8, F4))(
    PLACES, I8, nb.boolean, nb.boolean, I8[::1], I8[::1], I8[::1], F8[::1], TUPLE, F8[::1], MARKS,
    nb.boolean[::1], I8, I8, F4, F4[::1], I8[::1], I8,
)  # fmt: skip


@kernel(_TAKE)
def _take(places, start, pruned, wide, firsts, at, lasts, weights, part, sums, marks, allowed,
          base, k, bar, best, best_rows, found):  # fmt: skip
    """Put the documents at `places` that beat the bar among the best; how many, and the bar then.

    pruned: the sums were made in another order than the query's; wide: some are only bounds.
    """
    slip = (len(firsts) + 1) * EPSILON
    for place in places:
        row, total = start + np.int64(place), sums[place]
        if len(allowed) and not allowed[row]:
            continue
        # in another order it is the same float32 but where it lies on an edge
        edge = pruned and np.float32(total * (1 - slip)) != np.float32(total * (1 + slip))
        if edge or (wide and marks[place]):
            total = _exact(row, firsts, at, lasts, weights, part)
        if np.float32(total) > bar:
            best[found], best_rows[found] = np.float32(total), base + row
            found += 1
            if found == len(best):
                found = shrink(best, best_rows, found, k)
                bar = max(bar, best[:found].min())
    return found, bar


_QUERY = (I8[::1], I8[::1], F8[::1], F8[::1], I8[::1])
_WALK = I8(
    *_QUERY,
    *PART,
    GRIDS,
    *(ALLOWED, PICKED, nb.boolean, I8, PAIR, I8),
    *(F4[::1], I8[::1], F4[::1], I8[::1], I8, F8[::1], MARKS),
)


# firsts, lasts: (n_terms,) first posting of each query term, in query order, and one past its last
# weights: (n_terms,) > 0; bounds: (n_terms,) no posting of the term gives more
# slots: (n_terms,) where the counts of the term stand in `grids`, (n_slots, bytes), or -1
# allowed: (n_docs,) or empty; told: whether picked holds all rows that it lets through
# picked: (n,) ascending rows of the segment, or empty
# base: global row of the segment's first
# grain: of how many global rows the first how many are looked at
# bars: (1,) in and out: what the k-th score is above, whatever is found
# most: (1,) in and out: how many terms may be spared, by what it cost so far; grids always may
# best, best_rows: (k + BUFFERED,) in and out: scores and global rows, those before by row
# found: how many they hold, fewer than k + BUFFERED; the result is how many they hold then
# sums, marks: (WINDOW,) zeros, and zeros again on return
@kernel(_WALK)
def walk(firsts, lasts, weights, bounds, slots, rows, counts, title_counts, overflow, q, curve,
         fields, codes, shares, grids, allowed, picked, told, base, grain, k, bars, most, best,
         best_rows, found, sums, marks):  # fmt: skip
    part = (rows, counts, title_counts, overflow, q, curve, fields, codes, shares)
    n_terms, n_grids = len(firsts), np.int64((slots >= 0).sum())
    # those of a grid come first, always (a bound may be 0), and of them those that give least
    order, at = np.argsort(bounds + (slots < 0) * (bounds.sum() + 1.0)), firsts.copy()
    reach = np.append(0.0, np.cumsum(bounds[order]))  # what the i first terms can give together
    places, met = np.empty(2 * WINDOW + 1, np.uint16), np.empty(2 * WINDOW + 1, np.uint16)
    spread = (lasts - firsts) * (WINDOW / max(len(q), 1))  # postings a window
    bar, (stride, size) = bars[0], grain
    for start in range(-base % stride if size < stride else 0, len(q), stride):
        stop, least, n_met, cheap, wide = min(start + size, len(q)), bar * SLACK, 0, 0, False
        if reach[n_terms] < least:
            break  # no document can get in any more
        while cheap < max(n_grids, most[0]) and reach[cheap + 1] < least:
            cheap += 1
        few = picked[np.searchsorted(picked, start) : np.searchsorted(picked, stop)]
        if told and len(few) == 0:
            continue
        n_few = 0
        share = (stop - start) / WINDOW
        if told and len(few) * n_grids < spread[order[cheap:n_grids]].sum() * share:
            # sooner looked up in all grids than met by walking
            cheap, n_met, n_few = n_grids, put(few, start, met), len(few)
        for i in range(cheap, n_terms):
            t = order[i] if cheap else i  # all of them: in the query's order, so exactly
            at[t], n_met, bounded = add(
                at[t], lasts[t], start, stop, weights[t], part, sums, marks, met, n_met
            )
            wide |= bounded
        if cheap:
            n_places, n_met, n_walked, bounded = _prune(
                order[:cheap], firsts, at, lasts, weights, slots, reach, spread, (start, stop),
                least, part, grids, allowed, n_few, met, n_met, sums, marks, places,
            )  # fmt: skip
            wide |= bounded
            most[0] = min(most[0], cheap - n_walked) if n_walked else most[0]
        else:
            n_places = above(sums, stop - start, least, places)
        found, bar = _take(
            places[:n_places], start, cheap > 0, wide, firsts, at, lasts, weights, part, sums,
            marks, allowed, base, k, bar, best, best_rows, found,
        )  # fmt: skip
        for place in met[:n_met]:
            sums[place] = 0.0
        if wide:
            marks[:] = 0
    bars[0] = bar
    return found
