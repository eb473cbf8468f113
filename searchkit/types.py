"""The values that flow between stages. Imports numpy and nothing of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Row: TypeAlias = int  # row of a document inside one generation, 0 <= row < n_docs
Rows: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]
Vectors: TypeAlias = NDArray[np.float32]  # (n, dim), C-contiguous, rows of unit length
Mask: TypeAlias = NDArray[np.bool_]  # (n_docs,), True where a row may be returned

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]  # query id -> doc id -> grade
Run: TypeAlias = Mapping[str, list[tuple[str, float]]]  # query id -> (doc id, score), best first


@dataclass(frozen=True, slots=True)
class Doc:
    """A paper as it was fed in: nothing in it is normalised."""

    id: str
    title: str
    text: str  # abstract, or full passage
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Documents for one query, best first.

    Sorted by score descending, then row ascending; no row twice; scores finite.
    May be shorter than the k asked for: nothing is padded.
    """

    rows: Rows  # (n,) int64
    scores: Scores  # (n,) float32

    def __post_init__(self) -> None:
        rows, scores = self.rows, self.scores
        if rows.ndim != 1 or rows.shape != scores.shape:
            raise ValueError(f"rows {rows.shape} and scores {scores.shape} must match")
        if rows.dtype != np.int64 or scores.dtype != np.float32:
            raise ValueError(f"need int64 and float32, got {rows.dtype} and {scores.dtype}")
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
        falling = scores[:-1] > scores[1:]
        tied_in_order = (scores[:-1] == scores[1:]) & (rows[:-1] < rows[1:])
        if not (falling | tied_in_order).all():
            raise ValueError("not in rank order; build it with Ranking.top")
        ordered = np.sort(rows)  # np.unique takes five times as long
        if (ordered[1:] == ordered[:-1]).any():
            raise ValueError("a row occurs twice")

    @classmethod
    def top(cls, rows: Rows, scores: Scores, k: int) -> Ranking:
        """The k best of n scored documents, ties broken by row. O(n + k log k) without ties."""
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if len(scores) > k:
            kth = np.partition(scores, len(scores) - k)[len(scores) - k]
            keep = scores >= kth  # every tie at the border stays in until the sort
            rows, scores = rows[keep], scores[keep]
        order = np.lexsort((rows, -scores))[:k]
        return cls(
            rows[order].astype(np.int64, copy=False), scores[order].astype(np.float32, copy=False)
        )

    @classmethod
    def top_each(
        cls, rows: NDArray[np.int64], scores: NDArray[np.float32], found: NDArray[np.int64]
    ) -> list[Ranking]:
        """A ranking of each query: (n, k) rows and scores, of which the first found[i] count."""
        held = np.arange(rows.shape[1]) < found[:, None]
        order = np.lexsort((rows, np.where(held, -scores, np.inf)))
        rows = np.take_along_axis(rows, order, 1)
        scores = np.take_along_axis(scores, order, 1)
        places = np.sort(np.where(held, rows, -1), axis=1)
        if ((places[:, 1:] == places[:, :-1]) & (places[:, 1:] >= 0)).any():
            raise ValueError("a row occurs twice")
        if not np.isfinite(scores[held]).all():
            raise ValueError("scores must be finite")
        return [
            cls._checked(rows[i, :size], scores[i, :size]) for i, size in enumerate(found.tolist())
        ]

    @classmethod
    def _checked(cls, rows: Rows, scores: Scores) -> Ranking:
        """A ranking of arrays in rank order, which many queries had checked together."""
        ranking = object.__new__(cls)
        object.__setattr__(ranking, "rows", rows)
        object.__setattr__(ranking, "scores", scores)
        return ranking

    @classmethod
    def empty(cls) -> Ranking:
        return cls(np.empty(0, np.int64), np.empty(0, np.float32))

    def head(self, n: int) -> Ranking:
        return Ranking._checked(self.rows[:n], self.scores[:n])

    def without(self, rows: Rows | Row) -> Ranking:
        """The ranking as if the rows were not in the index."""
        kept = ~np.isin(self.rows, rows)
        return Ranking._checked(self.rows[kept], self.scores[kept])

    def rank_of(self, row: Row) -> int | None:
        """Rank of the row, from 1, or None where it is not in the ranking."""
        found = np.flatnonzero(self.rows == row)
        return int(found[0]) + 1 if len(found) else None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Row, float]]:
        return zip(self.rows.tolist(), self.scores.tolist(), strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ranking):
            return NotImplemented
        return np.array_equal(self.rows, other.rows) and np.array_equal(self.scores, other.scores)

    __hash__ = None  # type: ignore[assignment]


class TermRuns(NamedTuple):
    """Texts as runs of ids: text i owns ids[starts[i] : starts[i + 1]], in order, repeats kept."""

    starts: NDArray[np.int64]  # (n_texts + 1,)
    ids: NDArray[np.int32]  # (n_terms,), indexes into the vocabulary
    vocabulary: list[str]  # in order of first occurrence, no term twice


class Place(NamedTuple):
    """Where one stage put a document."""

    rank: int  # from 1
    score: float


class Match(NamedTuple):
    """What one query term gave to a document's BM25 score."""

    term: str
    score: float


@dataclass(frozen=True, slots=True)
class Trace:
    """How a hit came to its rank."""

    stages: Mapping[str, Place] = field(default_factory=dict)  # in the order they ran
    matches: tuple[Match, ...] = ()  # in query order
    truncated: Mapping[str, int] = field(default_factory=dict)  # model -> tokens beyond its limit
    unread: tuple[str, ...] = ()  # stages whose reranker had no time for it, under a budget


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of a result page: what the user sees."""

    rank: int  # from 1
    doc: Doc
    score: float  # of the last stage that ran
    trace: Trace = field(default_factory=Trace, compare=False)
    versions: tuple[Doc, ...] = ()  # others of the same work, where they were merged, best first
