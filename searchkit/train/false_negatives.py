"""Candidates -> those that are a positive in disguise: the same text again, or judged as good."""

from __future__ import annotations

import re
from collections.abc import Sequence

from searchkit.models.names import PLAIN, render
from searchkit.protocols import DocLookup, PairScorer
from searchkit.types import Doc, Row

_WORD = re.compile(r"\w+")
_WIDTH = 3  # words of a shingle


class Twins:
    """Documents that resemble one of a few: the same title, or a share of all shingles in common.

    Source: Broder, On the resemblance and containment of documents, SEQUENCES 1997,
    doi 10.1109/SEQUEN.1997.666900; shingles of 3 words, exact instead of sampled.
    """

    def __init__(self, docs: DocLookup, rows: Sequence[Row], share: float) -> None:
        self._docs, self._share = docs, share
        self._known = [_shingles(docs[row]) for row in rows]
        self._titles = {title for row in rows if (title := _plain(docs[row].title))}
        self._said: dict[Row, bool] = {}

    def holds(self, row: Row) -> bool:
        if row not in self._said:
            self._said[row] = self._resembles(self._docs[row])
        return self._said[row]

    def _resembles(self, doc: Doc) -> bool:
        if _plain(doc.title) in self._titles:
            return True
        mine = _shingles(doc)
        return any(resemblance(mine, known) >= self._share for known in self._known)


def resemblance(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """Shared shingles among all of both, in [0, 1]; 0 where there are none."""
    together = len(one | other)
    return len(one & other) / together if together else 0.0


class Judged:
    """Scores of one query's documents by a cross-encoder; each document is read once."""

    def __init__(self, docs: DocLookup, query: str, judge: PairScorer) -> None:
        self._docs, self._query, self._judge = docs, query, judge
        self._scores: dict[Row, float] = {}

    def gaps(self, positive: Row, rows: Sequence[Row]) -> list[float]:
        """How far each document scores below the positive; negative where it scores above."""
        unread = [row for row in dict.fromkeys([positive, *rows]) if row not in self._scores]
        if unread:
            passages = [self._judge.passage(self._query, self._docs[row]) for row in unread]
            scores = self._judge.score(self._query, passages).tolist()
            self._scores.update(zip(unread, scores, strict=True))
        return [self._scores[positive] - self._scores[row] for row in rows]


def _shingles(doc: Doc) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(render(PLAIN, doc).casefold())
    return frozenset(
        tuple(words[at : at + _WIDTH]) for at in range(max(len(words) - _WIDTH + 1, 1))
    )


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
