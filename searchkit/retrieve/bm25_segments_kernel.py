"""All segments of an index in one call: their terms looked up, their postings walked.

A call for each segment costs more than the work in it where segments are small. Numba takes no
list of segments of unlike arrays in a compiled signature, so each segment is a row of addresses
and sizes; whoever makes the table keeps the arrays. Compiled with explicit signatures.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numba.core import cgutils
from numba.extending import intrinsic

from searchkit.retrieve.bm25_kernel import BUFFERED, WINDOW, shrink, walk
from searchkit.retrieve.bm25_posting_kernel import F4, F8, I8, fill, tops
from searchkit.retrieve.kernels import kernel

# columns of a segment that is walked: the address of an array, then its length
(ROWS, COUNTS, TITLE_COUNTS, OVERFLOW, Q, CODES, SHARES, STARTS, TOPS, COMMON, GRIDS, ALIVE,
 ALLOWED, PICKED, BASE) = range(0, 30, 2)  # fmt: skip
WALKED = 30
# and of one whose terms are looked up; the lengths of others follow from these
PREFIXES, OFFSETS, BYTES, FIRSTS, GONE, GONE_DFS = range(0, 12, 2)
LOOKED = 12
SAMPLED = 16  # one of so many rows is asked first
N_TOPS = 8  # ranks whose shares are known of a term


@intrinsic
def _pointer(typingctx, address):
    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return nb.types.voidptr(address), build


@kernel(nb.int64(nb.uint8[::1], I8, I8, nb.uint8[::1], I8, I8))
def _order(one, a, b, other, c, d):
    """Below 0, 0 or above it as the bytes one[a:b] stand before, at or behind other[c:d]."""
    for n in range(min(b - a, d - c)):
        if one[a + n] != other[c + n]:
            return np.int64(one[a + n]) - np.int64(other[c + n])
    return (b - a) - (d - c)


@kernel(I8(nb.uint64[::1], I8[::1], nb.uint8[::1], nb.uint64, nb.uint8[::1], I8, I8))
def _find(prefixes, offsets, spelled, prefix, wanted, first, last):
    """The term wanted[first:last] in a sorted table, -1 where it is not there."""
    low, high = 0, len(prefixes)
    while low < high:
        middle = (low + high) // 2
        if prefixes[middle] < prefix or (
            prefixes[middle] == prefix
            and _order(spelled, offsets[middle], offsets[middle + 1], wanted, first, last) < 0
        ):
            low = middle + 1
        else:
            high = middle
    if low == len(prefixes) or prefixes[low] != prefix:
        return -1
    return low if not _order(spelled, offsets[low], offsets[low + 1], wanted, first, last) else -1


# tables: (n_segments, LOOKED); prefixes, offsets, wanted: of the terms that are looked up
# ids: (n_segments, n) written, -1 where a segment has no such term; dfs: (n,) written
@kernel(nb.void(I8[:, ::1], nb.uint64[::1], I8[::1], nb.uint8[::1], I8[:, ::1], I8[::1]))
def look_up(tables, prefixes, offsets, wanted, ids, dfs):
    dfs[:] = 0
    for s in range(len(tables)):
        of = tables[s]
        n_terms, n_gone = of[PREFIXES + 1], of[GONE + 1]
        held = nb.carray(_pointer(of[PREFIXES]), (n_terms,), np.uint64)
        places = nb.carray(_pointer(of[OFFSETS]), (n_terms + 1,), np.int64)
        spelled = nb.carray(_pointer(of[BYTES]), (of[BYTES + 1],), np.uint8)
        firsts = nb.carray(_pointer(of[FIRSTS]), (n_terms + 1,), np.int64)
        gone = nb.carray(_pointer(of[GONE]), (n_gone,), np.uint32)
        gone_dfs = nb.carray(_pointer(of[GONE_DFS]), (n_gone,), np.uint32)
        for t in range(len(prefixes)):
            id_ = _find(held, places, spelled, prefixes[t], wanted, offsets[t], offsets[t + 1])
            ids[s, t] = id_
            if id_ >= 0:
                dfs[t] += firsts[id_ + 1] - firsts[id_]
                at = np.searchsorted(gone, np.uint32(id_))
                if at < n_gone and gone[at] == id_:
                    dfs[t] -= np.int64(gone_dfs[at])


@kernel()
def _part(of, curve, fields):
    """The arrays of a segment, as `walk` takes them."""
    return (
        nb.carray(_pointer(of[ROWS]), (of[ROWS + 1],), np.uint32),
        nb.carray(_pointer(of[COUNTS]), (of[ROWS + 1],), np.uint8),
        nb.carray(_pointer(of[TITLE_COUNTS]), (of[ROWS + 1],), np.uint8),
        nb.carray(_pointer(of[OVERFLOW]), (of[OVERFLOW + 1], 3), np.int64),
        nb.carray(_pointer(of[Q]), (of[Q + 1],), np.float64),
        curve,
        fields,
        nb.carray(_pointer(of[CODES]), (of[CODES + 1],), np.uint16),
        nb.carray(_pointer(of[SHARES]), (of[SHARES + 1],), np.float64),
    )


@kernel(F8(F8[:, ::1], I8[::1], I8))
def _reached(shares, ranks, k):
    """What k documents or more give: ranks[i] of a segment give shares[s, i] or more, each."""
    at, held = np.zeros(len(shares), np.int64), 0
    while True:
        best, of = 0.0, -1
        for s in range(len(shares)):  # each falls, so the largest that is left stands in front
            if at[s] < len(ranks) and shares[s, at[s]] > best:
                best, of = shares[s, at[s]], s
        if of < 0:
            return 0.0
        held += ranks[at[of]] - (ranks[at[of] - 1] if at[of] else 0)
        if held >= k:
            return best
        at[of] += 1


@kernel()
def _grids(of):
    """Terms in many documents, ascending, and their counts by document: (n_common, bytes)."""
    common = nb.carray(_pointer(of[COMMON]), (of[COMMON + 1],), np.int64)
    shape = (of[COMMON + 1], (of[Q + 1] + 1) // 2)
    return common, nb.carray(_pointer(of[GRIDS]), shape, np.uint8)


@kernel(I8(I8[::1], I8))
def _slot(common, id_):
    """Where a term stands among those in many documents, -1 where it is in few."""
    at = np.searchsorted(common, id_)
    return at if at < len(common) and common[at] == id_ else -1


# tables: (n_segments, WALKED); curve, fields: of all segments; ranks: of `tops`
# ids: (n_segments, n_terms), -1 where a segment has no such term
# One thread at a time: what is known of the terms from then on is written into the tables.
@kernel(nb.void(I8[:, ::1], F8[::1], F8[::1], I8[::1], I8[:, ::1]))
def learn(tables, curve, fields, ranks, ids):
    for s in range(len(tables)):
        of = tables[s]
        firsts = nb.carray(_pointer(of[STARTS]), (of[STARTS + 1],), np.int64)
        known = nb.carray(_pointer(of[TOPS]), (of[STARTS + 1] - 1, N_TOPS), np.float32)
        alive = nb.carray(_pointer(of[ALIVE]), (of[ALIVE + 1],), np.bool_)
        common, grids = _grids(of)
        part = _part(of, curve, fields)
        for id_ in ids[s]:
            if id_ >= 0 and known[id_, 0] == 0.0:
                first, last, slot = firsts[id_], firsts[id_ + 1], _slot(common, id_)
                if slot >= 0:
                    fill(first, last, part[0], part[1], grids[slot])
                tops(first, last, alive, ranks, known[id_], *part)


@kernel(I8(I8[:, ::1], F8[::1], F8[::1], I8[:, ::1], F8[::1], F8[:, ::1], F4[::1],
            nb.types.UniTuple(I8, 2), I8, F4[::1], I8[::1], F8[::1], nb.uint8[::1]))  # fmt: skip
def _walk_all(tables, curve, fields, ids, weights, bounds, bars, grain, k, scores, rows, sums,
              marks):  # fmt: skip
    """The k best of one query into scores and rows, those of all segments; how many."""
    n_terms, size, spared = len(weights), 0, np.full(1, len(weights))
    starts, stops = np.empty(n_terms, np.int64), np.empty(n_terms, np.int64)
    weighed, most, slots = np.empty(n_terms), np.empty(n_terms), np.empty(n_terms, np.int64)
    for s in range(len(tables)):
        of, held = tables[s], 0
        firsts = nb.carray(_pointer(of[STARTS]), (of[STARTS + 1],), np.int64)
        common, grids = _grids(of)
        for t in range(n_terms):
            id_ = ids[s, t]
            if id_ >= 0:
                starts[held], stops[held] = firsts[id_], firsts[id_ + 1]
                weighed[held], most[held] = weights[t], bounds[s, t]
                slots[held] = _slot(common, id_)
                held += 1
        if held:
            allowed = nb.carray(_pointer(of[ALLOWED]), (of[ALLOWED + 1],), np.bool_)
            n_picked = of[PICKED + 1]  # -1: not told
            picked = nb.carray(_pointer(of[PICKED]), (max(n_picked, 0),), np.uint32)
            size = walk(
                starts[:held], stops[:held], weighed[:held], most[:held], slots[:held],
                *_part(of, curve, fields), grids, allowed, picked, n_picked >= 0, of[BASE], grain,
                k, bars, spared, scores, rows, size, sums, marks,
            )  # fmt: skip
    return shrink(scores, rows, size, k)


@kernel(nb.types.UniTuple(I8, 3)(I8[:, ::1], I8))
def _sample(tables, k):
    """Of how many rows the first how many are asked first, and which of their ranks to bet on.

    In a sample that knows nothing of the order of rows, the document of that rank is below the
    k-th of all but once in some hundred queries. Rank 0: the sample is too large to be worth it.
    """
    n_docs = 0
    for s in range(len(tables)):
        n_docs += tables[s, Q + 1]
    size = min(max(n_docs // (16 * SAMPLED), 1024), WINDOW)
    stride = SAMPLED * size
    sampled = n_docs // stride * size + min(n_docs % stride, size)
    expected = k * sampled / max(n_docs, 1)
    rank = np.int64(expected + 3 * np.sqrt(expected) + 2) if 4 * sampled <= n_docs else 0
    return stride, size, rank


# tables, curve, fields, ranks: as `learn` takes them, which knows all of ids
# ids: (n_segments, n_terms) of the terms of all queries; weights: (n_terms,) > 0
# ends: (n_queries + 1,) where each query's terms begin; slack: a little below 1
# open: whether no document is masked but those that are deleted
# best, best_rows: (n_queries, k) written; found: (n_queries,) written, how many they hold
@kernel(nb.void(I8[:, ::1], F8[::1], F8[::1], I8[::1], I8[:, ::1], F8[::1], I8[::1], F8,
                 nb.boolean, I8, F4[:, ::1], I8[:, ::1], I8[::1]))  # fmt: skip
def walk_queries(tables, curve, fields, ranks, ids, weights, ends, slack, open, k, best,  # noqa: A002
                 best_rows, found):  # fmt: skip
    n_segments, bars = len(tables), np.zeros(1, np.float32)
    sums, marks = np.zeros(WINDOW), np.zeros(WINDOW, np.uint8)
    scores, rows = np.empty(k + BUFFERED, np.float32), np.empty(k + BUFFERED, np.int64)
    stride, window, rank = _sample(tables, k)
    for n in range(len(found)):
        a, n_terms = ends[n], ends[n + 1] - ends[n]
        of_query, weighed = np.ascontiguousarray(ids[:, a : ends[n + 1]]), weights[a : ends[n + 1]]
        shares, bounds = np.zeros((n_terms, n_segments, N_TOPS)), np.zeros((n_segments, n_terms))
        for s in range(n_segments):
            of = tables[s]
            known = nb.carray(_pointer(of[TOPS]), (of[STARTS + 1] - 1, N_TOPS), np.float32)
            for t in range(n_terms):
                if of_query[s, t] >= 0:
                    shares[t, s] = known[of_query[s, t]]
                    bounds[s, t] = weighed[t] * shares[t, s, 0]
        bar = 0.0
        if open:
            for t in range(n_terms):
                bar = max(bar, weighed[t] * _reached(shares[t], ranks, k) * slack)
        sure = bet = np.float32(bar)
        if rank:
            bars[0] = sure
            size = _walk_all(
                tables, curve, fields, of_query, weighed, bounds, bars, (stride, window), rank,
                scores, rows, sums, marks,
            )  # fmt: skip
            if size == rank:
                bet = max(sure, scores[:size].min() * np.float32(slack))
        bars[0] = bet
        size = _walk_all(
            tables, curve, fields, of_query, weighed, bounds, bars, (WINDOW, WINDOW), k,
            scores, rows, sums, marks,
        )  # fmt: skip
        if size < k and bet > sure:  # lost
            bars[0] = sure
            size = _walk_all(
                tables, curve, fields, of_query, weighed, bounds, bars, (WINDOW, WINDOW), k,
                scores, rows, sums, marks,
            )  # fmt: skip
        best[n, :size], best_rows[n, :size], found[n] = scores[:size], rows[:size], size
