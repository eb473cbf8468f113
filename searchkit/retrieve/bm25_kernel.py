"""Many queries over the postings of one segment -> the k best rows of each, exactly.

Rows are taken in windows that stay in the cache. Once k documents are known, terms whose bounds
together cannot reach the k-th score are no longer walked, only looked up for the documents that
the other terms leave (MaxScore: Turtle and Flood, IPM 1995). What might get in is scored again in
the query's order where rounding could tell, so that the sums are those of the numpy twin, bit for
bit. Compiled with explicit signatures, cached, without the GIL.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from searchkit.retrieve.bm25_posting_kernel import (
    COUNTS,
    F4,
    F8,
    I8,
    MOST_KNOWN,
    PART,
    ROWS,
    TUPLE,
    gain,
    gallop,
    place_of,
)

WINDOW = 16384
BLOCK = 32  # sums compared together
BUFFERED = 256  # candidates held beside the k best before the worst are dropped
EPSILON = 2.3e-16  # float64's rounding, relative, of one addition
LOOK_COST = 150  # a document looked up, by postings walked; what it lets through included
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


@nb.njit(I8(I8, I8, I8, F8, ROWS, COUNTS, nb.uint16[::1], F8[::1], F8[::1]),
         cache=True, nogil=True)  # fmt: skip
def _add_known(first, last, start, weight, rows, counts, codes, shares, sums):
    """Add postings without a division; how many had a count that is not in the table."""
    # unsigned places: numba then leaves out its check for places counted from the end
    wide, origin = 0, np.uint32(start)
    for at in range(np.uint64(first), np.uint64(last)):
        row, count = rows[at], counts[at]
        if count <= MOST_KNOWN:
            sums[row - origin] += weight * shares[place_of(count, codes[row])]
        else:
            wide += 1
    return wide


@nb.njit(nb.void(I8, I8, I8, F8, *PART, F8[::1]), cache=True, nogil=True)
def _add_computed(first, last, start, weight, rows, counts, title_counts, overflow, q, curve,
                  fields, codes, shares, sums):  # fmt: skip
    """Add the postings whose share is in no table."""
    for at in range(first, last):
        if not len(codes) or counts[at] > MOST_KNOWN:
            row = np.int64(rows[at])
            given = gain(at, row, weight, counts, title_counts, overflow, q, curve, fields)
            sums[row - start] += given


@nb.njit(I8(I8, I8, I8, I8, F8, TUPLE, F8[::1]), cache=True, nogil=True)
def _add(at, last, start, stop, weight, part, sums):
    """Walk one term through the window [start, stop); where it stands then."""
    rows, codes = part[0], part[7]
    at = gallop(rows, at, last, np.uint32(start))  # it may have been looked up so far
    end = last if last == at or rows[last - 1] < stop else gallop(rows, at, last, np.uint32(stop))
    if not len(codes) or _add_known(at, end, start, weight, rows, part[1], codes, part[8], sums):
        _add_computed(at, end, start, weight, *part, sums)
    return end


@nb.njit(
    I8(nb.uint16[::1], I8, nb.types.UniTuple(I8, 3), F8, F8, TUPLE, F8[::1]), cache=True, nogil=True
)
def _look(places, n_places, where, weight, least, part, sums):
    """Add one term to the documents at `places` alone; how many reach `least` then.

    where: where the term stands, one past its last posting, the window's first row.
    """
    at, last, start = where
    rows, n = part[0], 0
    for place in places[:n_places]:
        row = start + np.int64(place)
        at = gallop(rows, at, last, np.uint32(row))
        if at < last and rows[at] == row:
            sums[place] += gain(at, row, weight, *part[1:7])
        places[n] = place
        n += np.int64(sums[place] >= least)
    return n


@nb.njit("i8(f8[::1], u2[::1], i8, f8)", cache=True, nogil=True)
def _keep(sums, places, n_places, least):
    """Leave only the places whose sum is `least` or more; how many."""
    n = 0
    for place in places[:n_places]:
        places[n] = place
        n += np.int64(sums[place] >= least)
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


@nb.njit("i8(f8[::1], i8, f8, u2[::1])", cache=True, nogil=True)
def _above(sums, size, least, places):
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


_QUERY = (I8[::1], I8[::1], F8[::1], F8[::1])
_WALK = I8(
    *_QUERY,
    *PART,
    *(nb.boolean[::1], I8, I8, F4[::1], I8[::1], F4[::1], I8[::1], I8, F8[::1]),
)


# firsts, lasts: (n_terms,) first posting of each query term, in query order, and one past its last
# weights: (n_terms,) > 0; bounds: (n_terms,) no posting of the term gives more
# allowed: (n_docs,) or empty; base: global row of the segment's first
# bars: (1,) in and out: what the k-th score is above, whatever is found
# most: (1,) in and out: how many terms may be looked up instead of walked, by what it cost so far
# best, best_rows: (k + BUFFERED,) in and out: scores and global rows, those before by row
# found: how many they hold, fewer than k + BUFFERED; the result is how many they hold then
# sums: (WINDOW,) zeros, and zeros again on return
@nb.njit(_WALK, cache=True, nogil=True)
def walk(firsts, lasts, weights, bounds, rows, counts, title_counts, overflow, q, curve,
         fields, codes, shares, allowed, base, k, bars, most, best, best_rows, found,
         sums):  # fmt: skip
    part = (rows, counts, title_counts, overflow, q, curve, fields, codes, shares)
    order, at = np.argsort(bounds), firsts.copy()  # cheap terms come first
    reach = np.zeros(len(firsts) + 1)  # what the i cheapest terms can give together
    reach[1:] = np.cumsum(bounds[order])
    spread = (lasts - firsts) * (WINDOW / max(len(q), 1))  # postings a window
    places = np.empty(min(WINDOW, len(q)), np.uint16)
    most_cheap, slip, bar = min(most[0], len(firsts)), (len(firsts) + 1) * EPSILON, bars[0]
    for start in range(0, len(q), WINDOW):
        size, least, cheap = min(WINDOW, len(q) - start), bar * SLACK, 0
        if reach[len(firsts)] < least:
            break  # no document can get in any more
        while cheap < most_cheap and reach[cheap + 1] < least:
            cheap += 1
        for i in range(cheap, len(firsts)):
            t = order[i] if cheap else i  # all of them: in the query's order, so exactly
            at[t] = _add(at[t], lasts[t], start, start + size, weights[t], part, sums)
        n_places = _above(sums, size, max(0.0, least - reach[cheap]), places)
        most_cheap = min(cheap + 1, len(firsts))  # of the next window
        for i in range(cheap - 1, -1, -1):  # the dearest first
            t, left = order[i], least - reach[i]
            if n_places * LOOK_COST >= spread[t]:
                at[t] = _add(at[t], lasts[t], start, start + size, weights[t], part, sums)
                n_places, most_cheap = _keep(sums, places, n_places, left), max(0, cheap - 1)
            else:
                where = (at[t], lasts[t], start)
                n_places = _look(places, n_places, where, weights[t], left, part, sums)
        for place in places[:n_places]:
            row, total = start + np.int64(place), sums[place]
            if len(allowed) and not allowed[row]:
                continue
            # summed in another order: the same float32 but where it lies on an edge
            if cheap and np.float32(total * (1 - slip)) != np.float32(total * (1 + slip)):
                total = _exact(row, firsts, at, lasts, weights, part)
            if np.float32(total) > bar:
                best[found], best_rows[found] = np.float32(total), base + row
                found += 1
                if found == len(best):
                    found = shrink(best, best_rows, found, k)
                    bar = max(bar, best[:found].min())
        sums[:size] = 0.0
    bars[0], most[0] = bar, most_cheap
    return found
