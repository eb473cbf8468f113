"""Segments as the kernel takes them: their terms, and what their postings give."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from searchkit.index.postings import Postings
from searchkit.index.terms import prefixes_of
from searchkit.index.tombstones import Tombstones
from searchkit.retrieve.bm25_formula import BM25Params, curve
from searchkit.retrieve.bm25_posting_kernel import CODE_BITS, WIDE
from searchkit.retrieve.bm25_segments_kernel import (
    ALIVE,
    ALLOWED,
    BASE,
    BYTES,
    CODES,
    COMMON,
    COUNTS,
    FIRSTS,
    GONE,
    GONE_DFS,
    GRIDS,
    LOOKED,
    OFFSETS,
    OVERFLOW,
    PICKED,
    PREFIXES,
    ROWS,
    SHARES,
    STARTS,
    TITLE_COUNTS,
    TOPS,
    WALKED,
    Q,
    learn,
    look_up,
    walk_queries,
)
from searchkit.types import Mask

# so that the ranks of many segments together come near to any k; 8 fill half of a cache line
_TOP_RANKS = np.array([1, 5, 10, 20, 50, 100, 300, 1000])
_COMMON = 9  # terms in one of so many documents or more have a grid of their counts
_SELECTIVE = 4  # a mask that lets one of so many documents through, or fewer, is told by its rows
_SLACK = 5e-6  # more than float32 rounds, and more than what is known of terms was rounded


class Weighted(Protocol):
    """One query: weights of its terms, and their ids in each segment."""

    @property
    def weights(self) -> NDArray[np.float64]: ...  # (n,)

    @property
    def ids(self) -> NDArray[np.int64]: ...  # (n_segments, n), -1 where a segment has none


class Part(Protocol):
    """One segment: its postings, the row of its first document, and what was deleted."""

    @property
    def base(self) -> int: ...
    @property
    def postings(self) -> Postings: ...
    @property
    def gone(self) -> Tombstones | None: ...
    @property
    def alive(self) -> Mask | None: ...


class TermTables:
    """The terms of all segments, to be looked up in one call; threads may share them."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._held: list[NDArray[Any]] = []  # whose addresses the kernel gets
        rows = [
            _row(self._held, _terms_of(part.postings)) | _row(self._held, _gone_of(part.gone))
            for part in parts
        ]
        self._table = _table(rows, LOOKED)

    def find(self, terms: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of the terms, (n_segments, n), -1 where there is none; their dfs in all, (n,)."""
        ids = np.empty((len(self._table), len(terms)), np.int64)
        dfs = np.empty(len(terms), np.int64)
        spelled = [term.encode() for term in terms]
        offsets = np.cumsum([0, *map(len, spelled)])
        joined = np.frombuffer(bytearray(b"".join(spelled) or b"\0"), np.uint8)
        look_up(self._table, prefixes_of(terms), offsets, joined, ids, dfs)
        return ids, dfs


class KernelTables:
    """The postings of all segments for one choice of parameters; threads may share them."""

    def __init__(
        self,
        parts: Sequence[Part],
        qs: Sequence[NDArray[np.float64]],
        params: BM25Params,
        mean: float,
    ) -> None:
        """qs: (n_docs,) length norms, by segment; mean: the mean length they were made with."""
        shape = curve(params)
        self._curve = np.array([shape.floor, shape.gain, shape.p_by_q])
        self._fields = np.array([params.title_weight, params.text_weight])
        self._held: list[NDArray[Any]] = []  # whose addresses the kernel gets
        rows, known = [], _Shares(params, mean)
        for part, q in zip(parts, qs, strict=True):
            of = _row(self._held, _postings_of(part, q, known))
            masked = {ALLOWED: of[ALIVE], ALLOWED + 1: of[ALIVE + 1], PICKED + 1: -1}
            rows.append(of | masked | {BASE: part.base})
        self._table, self._learning = _table(rows, WALKED), Lock()

    def walk(
        self, queries: Sequence[Weighted], k: int, allowed: Sequence[Mask] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Scores and rows of the k best of each query, (n, k), and how many there are, (n,).

        allowed: for each segment the rows that a filter lets through and that are alive.
        """
        ids = np.ascontiguousarray(np.concatenate([query.ids for query in queries], axis=1))
        weights = np.concatenate([query.weights for query in queries])
        ends = np.cumsum([0, *(len(query.weights) for query in queries)])
        table, held = self._table, list[NDArray[Any]]()
        if allowed is not None:
            table = table.copy()
            for n, mask in enumerate(allowed):
                masked = _row(held, _allowed_by(mask))
                table[n, [*masked]] = [*masked.values()]
        shape = (len(queries), k)
        best, rows = np.empty(shape, np.float32), np.empty(shape, np.int64)
        found = np.zeros(len(queries), np.int64)
        with self._learning:
            learn(self._table, self._curve, self._fields, _TOP_RANKS, ids)
        walk_queries(
            table, self._curve, self._fields, _TOP_RANKS, ids, weights, ends,
            1 - _SLACK, allowed is None, k, best, rows, found,
        )  # fmt: skip
        return best, rows, found


def _allowed_by(mask: Mask) -> dict[int, NDArray[Any]]:
    """The rows that a mask lets through, where they are few as ascending numbers as well."""
    few = np.count_nonzero(mask) * _SELECTIVE <= len(mask)
    picked = {PICKED: np.flatnonzero(mask).astype(np.uint32)} if few else {}
    return {ALLOWED: mask, **picked}


def _terms_of(postings: Postings) -> dict[int, NDArray[Any]]:
    texts = postings.terms.texts
    _, offsets, spelled = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset :] if offsets else np.zeros(1, np.int64)
    letters = np.frombuffer(spelled, np.uint8) if spelled else np.empty(0, np.uint8)
    return {
        PREFIXES: postings.terms.prefixes,
        OFFSETS: places,
        BYTES: letters,
        FIRSTS: postings.starts,
    }


def _gone_of(gone: Tombstones | None) -> dict[int, NDArray[Any]]:
    none = np.empty(0, np.uint32)
    return {GONE: gone.terms if gone else none, GONE_DFS: gone.dfs if gone else none}


def _postings_of(part: Part, q: NDArray[np.float64], known: _Shares) -> dict[int, NDArray[Any]]:
    p = part.postings
    codes, shares = known.of(p, q)
    common = np.flatnonzero(np.diff(p.starts) * _COMMON >= max(p.n_docs, 1))
    return {
        ROWS: p.rows,
        COUNTS: p.counts,
        TITLE_COUNTS: p.title_counts,
        OVERFLOW: p.overflow,
        Q: q,
        CODES: codes,
        SHARES: shares,
        STARTS: p.starts,
        # zeros, which cost nothing until a query asks for their term
        TOPS: np.zeros((len(p.terms), len(_TOP_RANKS)), np.float32),
        COMMON: common,
        GRIDS: np.zeros((len(common), (p.n_docs + 1) // 2), np.uint8),
        ALIVE: np.empty(0, np.bool_) if part.alive is None else part.alive,
    }


def _row(held: list[NDArray[Any]], arrays: dict[int, NDArray[Any]]) -> dict[int, int]:
    """Address and length of each array by column; the arrays are held from now on."""
    found: dict[int, int] = {}
    for column, array in arrays.items():
        dense = np.ascontiguousarray(array)
        held.append(dense)
        found |= {column: dense.ctypes.data, column + 1: len(dense)}
    return found


def _table(rows: Sequence[dict[int, int]], width: int) -> NDArray[np.int64]:
    table = np.zeros((len(rows), width), np.int64)
    for n, row in enumerate(rows):
        table[n, [*row]] = [*row.values()]
    return table


class _Shares:
    """What a posting gives with weight 1, by its count and a code of the length of its document.

    That spares a division, and 2 bytes a document spare 2 a posting. All segments share one table,
    so that it stays in the cache, but for one with documents too long for it.
    """

    def __init__(self, params: BM25Params, mean: float) -> None:
        self._params = params
        lengths = np.arange(1 << CODE_BITS)
        norms = curve(params).q(np.stack([np.zeros_like(lengths), lengths]), params, mean)
        self._shares = self._given(norms)

    def of(
        self, postings: Postings, q: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
        """Empty where fields are weighed or lengths are too many; the kernel then computes."""
        coded = None if self._params.weighs_fields else _codes(postings)
        if coded is None:
            return np.empty(0, np.uint16), np.empty(0)
        codes, examples = coded
        return codes, self._shares if examples is None else self._given(q[examples])

    def _given(self, norms: NDArray[np.float64]) -> NDArray[np.float64]:
        shape, shares = curve(self._params), np.zeros((WIDE + 1, 1 << CODE_BITS))
        for count in range(1, WIDE):
            shares[count, : len(norms)] = shape.share(np.full(len(norms), float(count)), norms)
        shares[WIDE] = shape.floor + shape.gain  # which no count reaches
        return shares.ravel()


def _codes(p: Postings) -> tuple[NDArray[np.uint16], NDArray[np.int64] | None] | None:
    """(n_docs,) the length, or the code of a length and a row of each code; None: too many."""
    lengths = p.lengths.sum(axis=0, dtype=np.int64)
    if not len(lengths) or lengths.max() < 1 << CODE_BITS:
        return lengths.astype(np.uint16), None
    distinct, examples, codes = np.unique(lengths, return_index=True, return_inverse=True)
    if len(distinct) > 1 << CODE_BITS:
        return None
    return codes.astype(np.uint16), examples
