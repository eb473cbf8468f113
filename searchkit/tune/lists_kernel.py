"""Candidates of many queries and many weights -> the first rows of each.

The numpy twin is `searchkit.tune.lists.Alike.lists`: the same documents dropped beforehand, the
same sums in the same order, ties by row. Compiled with explicit signatures, cached, without the
GIL.
"""

from __future__ import annotations

import numba as nb
import numpy as np

I8, I4, F8, F4 = nb.int64, nb.int32, nb.float64, nb.float32
LEAST_SHARE = 1.0 - 1e-6  # of the k-th best, that a document has to reach: float32 rounds less
_BLOCK = (I8[::1], I8[::1], F8[::1])


@nb.njit(I8(I8, I8, *_BLOCK, I8, I8, I4[::1], I8[::1], F8[:, ::1]), cache=True, nogil=True)
def _align(query, n_lists, starts, rows, gains, line, n, slots, union, table):
    """Write what each list of one query gives to each document; how many documents there are."""
    for i in range(n_lists):
        for at in range(starts[query * n_lists + i], starts[query * n_lists + i + 1]):
            slot = slots[rows[at]]
            if slot < 0:
                slots[rows[at]] = slot = n
                union[n] = rows[at]
                table[:, n] = 0.0
                n += 1
            table[line + i, slot] = gains[at]
    return n


@nb.njit(nb.void(I8, I8, *_BLOCK, I8, I8, F8[::1]), cache=True, nogil=True)
def _least(query, n_lists, starts, rows, gains, line, k, least):
    """Write the k-th best gain of each list, 0 where it is shorter."""
    for i in range(n_lists):
        first, last = starts[query * n_lists + i], starts[query * n_lists + i + 1]
        least[line + i] = gains[first + k - 1] if last - first >= k else 0.0


@nb.njit("i8(i8, i8, f8[:,::1], f8[::1], i8[::1])", cache=True, nogil=True)
def _contenders(n, k, table, least, kept):
    """Write the places of the documents that some weights could bring among the first k."""
    bounded, n_kept = n > k and least.max() > 0.0, 0
    for place in range(n):
        share = 0.0 if bounded else np.inf
        for i in range(len(least)):
            if least[i] > 0.0:
                share += table[i, place] / least[i]
            elif table[i, place] > 0.0:
                share = np.inf
        if share >= LEAST_SHARE:
            kept[n_kept] = place
            n_kept += 1
    return n_kept


@nb.njit("f4(f8[::1], i8, f8[:,::1], f8[::1])", cache=True, nogil=True)
def _sum(weights, place, table, parts):
    """The weighted sum, smallest part first, rounded once."""
    for i in range(len(weights)):
        part, at = weights[i] * table[i, place], i
        while at > 0 and parts[at - 1] > part:
            parts[at] = parts[at - 1]
            at -= 1
        parts[at] = part
    total = parts[0]
    for i in range(1, len(weights)):
        total += parts[i]
    return np.float32(total)


# one: starts (n_queries * n_one + 1,), rows and gains of n_one lists a query; two: the same, whose
# queries begin at `first`; weights: (n_settings, n_one + n_two); slots: (n_docs,) of -1, and so on
# return; lists: (n_queries, n_settings, k) of -1, written
@nb.njit(
    nb.void(I8, *_BLOCK, I8, *_BLOCK, I8, F8[:, ::1], I4[::1], I8[:, :, ::1]),
    cache=True,
    nogil=True,
)
def top_all(n_one, starts1, rows1, gains1, n_two, starts2, rows2, gains2, first, weights, slots,
            lists):  # fmt: skip
    n_queries, n_settings, k = lists.shape
    widest = 1
    for query in range(n_queries):
        size = starts1[(query + 1) * n_one] - starts1[query * n_one]
        size += starts2[(first + query + 1) * n_two] - starts2[(first + query) * n_two]
        widest = max(widest, size)
    union, kept = np.empty(widest, np.int64), np.empty(widest, np.int64)
    table, parts = np.empty((n_one + n_two, widest)), np.empty(n_one + n_two)
    least, best = np.empty(n_one + n_two), np.empty(k, np.float32)
    for query in range(n_queries):
        other = first + query
        n = _align(query, n_one, starts1, rows1, gains1, 0, 0, slots, union, table)
        n = _align(other, n_two, starts2, rows2, gains2, n_one, n, slots, union, table)
        _least(query, n_one, starts1, rows1, gains1, 0, k, least)
        _least(other, n_two, starts2, rows2, gains2, n_one, k, least)
        for place in range(n):
            slots[union[place]] = -1
        n_kept = _contenders(n, k, table, least, kept)
        order = kept[:n_kept][np.argsort(union[kept[:n_kept]])]
        for setting in range(n_settings):
            held = 0
            for place in order:  # by row, so that an equal score never comes before
                score = _sum(weights[setting], place, table, parts)
                if held == k and not score > best[k - 1]:
                    continue
                at = held if held < k else k - 1
                while at > 0 and best[at - 1] < score:
                    best[at] = best[at - 1]
                    lists[query, setting, at] = lists[query, setting, at - 1]
                    at -= 1
                best[at], lists[query, setting, at] = score, union[place]
                held = min(held + 1, k)
