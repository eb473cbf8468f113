"""A vector part -> candidates by an exact scan, on the CPU.

By numpy, not by FAISS's exact search, which takes several times as long for the same scores
(benchmarks/vector_search.py) and would be the only need of it in a small index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.index.vectors import VectorPart
from searchkit.retrieve.exact import margin
from searchkit.types import Mask, Vectors

BLOCK = 16_384  # vectors scanned at once
_QUERIES = 256  # queries scanned at once
_FEW = 4  # fewer than one allowed vector in so many: gather them instead of scanning all
LOWEST = float(np.finfo(np.float32).min)  # above what is hidden

Ids: TypeAlias = NDArray[np.int64]
Found: TypeAlias = list[tuple[Ids, NDArray[np.float32]]]  # ids and fast scores, piece by piece


class Proposer(Protocol):
    """Finds candidates in one part; the stored vectors score them afterwards."""

    def propose(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Ids]:
        """Ids of vectors, ascending, that may be the best of the k best documents."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Vectors to scan, whole documents."""

    vectors: Vectors
    ids: Ids  # (n,) ascending
    first: Ids | None  # where each document begins; None: one vector a document
    hidden: NDArray[np.bool_] | None  # (n,) vectors that may not be found


class FlatScan:
    """Proposes, for each query, vectors among which are the best of its k best documents."""

    def __init__(self, part: VectorPart, *, resident: bool = True) -> None:
        """Resident: keep float16 vectors as float32 in memory from the first search on."""
        self._part, self._resident = part, resident
        self._floats: Vectors | None = None

    def propose(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Ids]:
        """Ids of vectors, ascending, of allowed documents only; none of the k best is missed."""
        return propose_together([self], [allowed], queries, k)[0]

    @property
    def n_vectors(self) -> int:
        return self._part.n_vectors

    def blocks(self, allowed: Mask | None) -> Iterator[Block]:
        """The allowed vectors, in order, in blocks of whole documents."""
        return blocks(self._part, self._vectors(), allowed)

    def _vectors(self) -> NDArray[Any]:
        if not self._resident or self._part.vectors.dtype == np.float32:
            return self._part.vectors
        if self._floats is None:
            self._floats = self._part.vectors.astype(np.float32)
        return self._floats


def propose_together(
    scans: Sequence[FlatScan], allowed: Sequence[Mask | None], queries: Vectors, k: int
) -> list[list[Ids]]:
    """What each of the parts proposes for each query, where the k best of all are wanted."""
    bases = np.cumsum([0, *(one.n_vectors for one in scans)])
    found: list[Ids] = []
    for start in range(0, len(queries), _QUERIES):
        pieces = (
            replace(piece, ids=piece.ids + base) if base else piece
            for one, mask, base in zip(scans, allowed, bases.tolist(), strict=False)
            for piece in one.blocks(mask)
        )
        found += scan(pieces, queries[start : start + _QUERIES], k)
    cuts = [np.searchsorted(ids, bases) for ids in found]
    return [
        [ids[cut[n] : cut[n + 1]] - base for ids, cut in zip(found, cuts, strict=True)]
        for n, base in enumerate(bases[:-1].tolist())
    ]


def blocks(
    part: VectorPart, vectors: NDArray[Any], allowed: Mask | None, *, size: int = BLOCK
) -> Iterator[Block]:
    """The allowed vectors of a part, in order, in blocks of whole documents."""
    docs = np.arange(part.n_docs)
    visible = None
    if allowed is not None:
        visible = spread(part, allowed)
        if np.count_nonzero(visible) * _FEW < part.n_vectors:
            docs, visible = np.flatnonzero(allowed), None
    ends = np.cumsum(_counts(part, docs))
    start = 0
    while start < len(docs):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + size, side="right")))
        ids = part.ids_of(docs[start:stop])
        first = None if part.starts is None else ends[start:stop] - before
        yield Block(
            _rows(vectors, ids),
            ids,
            None if first is None else np.concatenate([[0], first[:-1]]),
            None if visible is None else ~visible[ids],
        )
        start = stop


def scan(pieces: Iterable[Block], queries: Vectors, k: int) -> list[Ids]:
    """For each query the vectors that may be the best of its k best documents."""
    best = [np.empty(0, np.float32)] * len(queries)  # scores of the k best documents so far
    found: list[Found] = [[] for _ in queries]
    slack = [margin(query) for query in queries]
    for piece in pieces:
        scores = _dot(queries, piece.vectors)
        if piece.hidden is not None:
            scores += np.where(piece.hidden, -np.inf, 0).astype(np.float32)  # faster than to assign
        of_docs = scores
        if piece.first is not None:
            of_docs = np.maximum.reduceat(scores, piece.first, axis=1)
        for n, row in enumerate(scores):
            best[n] = _largest(np.concatenate([best[n], of_docs[n]]), k)
            near = np.flatnonzero(row >= _floor(best[n], k, slack[n]))
            found[n].append((piece.ids[near], row[near]))
    return [
        above(pieces_found, _floor(top, k, gap))
        for pieces_found, top, gap in zip(found, best, slack, strict=True)
    ]


def spread(part: VectorPart, allowed: Mask) -> NDArray[np.bool_]:
    """A mask over documents as one over vectors."""
    if part.starts is None:
        return allowed
    return np.repeat(allowed, np.diff(part.starts))


def above(found: Found, least: float) -> Ids:
    """The ids whose fast score reaches the least."""
    kept = [ids[scores >= least] for ids, scores in found]
    return np.concatenate(kept) if kept else np.empty(0, np.int64)


def _floor(best: NDArray[np.float32], k: int, slack: float) -> float:
    """The least fast score that can still belong to one of the k best documents."""
    return max(float(best.min()) - slack, LOWEST) if len(best) == k else LOWEST


def _dot(queries: Vectors, vectors: Vectors) -> NDArray[np.float32]:
    """(n_queries, n) fast scores.

    A single query goes without BLAS: its threads win nothing on so little work, and wait for the
    encoder's to leave the cores. On a busy machine 0.15 ms instead of up to 16 for 5,183 vectors.
    """
    if len(queries) > 1:
        return queries @ vectors.T
    scores: NDArray[np.float32] = np.vecdot(vectors, queries[0])
    return scores[None]


def _largest(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    if len(scores) <= k:
        return scores
    return np.partition(scores, len(scores) - k)[len(scores) - k :]


def _rows(vectors: NDArray[Any], ids: Ids) -> Vectors:
    if len(ids) == ids[-1] - ids[0] + 1:  # without a gap: a view
        return np.ascontiguousarray(vectors[ids[0] : ids[-1] + 1], np.float32)
    return np.ascontiguousarray(vectors[ids], np.float32)


def _counts(part: VectorPart, docs: Ids) -> Ids:
    if part.starts is None:
        return np.ones(len(docs), np.int64)
    return part.starts[docs + 1] - part.starts[docs]
