"""Queries with documents -> what a teacher thinks of them: a cross-encoder, or a first stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np

from searchkit.errors import CorpusError
from searchkit.index.index import Index
from searchkit.models.pair_scorer import CrossEncoderScorer
from searchkit.types import Ranking, Row, Rows, Scores

ScoreRows: TypeAlias = Callable[[str, Rows], Scores]  # a query's score of each row
RankEach: TypeAlias = Callable[[Sequence[str]], list[Ranking]]
_SEEN = 40  # characters by which a document is recognised


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and its documents, each once."""

    query: str
    documents: Sequence[str]
    ids: Sequence[str] = ()  # of the documents; empty where the examples have none

    def __len__(self) -> int:
        return len(self.documents)


class Teacher(Protocol):
    @property
    def identity(self) -> Mapping[str, Any]:
        """Who it is, as JSON; another score is another identity."""
        ...

    @property
    def remarks(self) -> Mapping[str, int]:
        """What it noticed so far, and how often."""
        ...

    def score(self, asked: Sequence[Asked]) -> Scores:
        """Every document of every query, one after another: (sum of lengths,) float32."""
        ...


@dataclass(frozen=True, slots=True)
class ModelTeacher:
    """A cross-encoder: its logits for the texts as the examples have them."""

    scorer: CrossEncoderScorer

    @property
    def identity(self) -> Mapping[str, Any]:
        scorer = self.scorer
        settings = {"max_tokens": scorer.max_tokens, "fingerprint": scorer.fingerprint}
        return {"kind": "cross-encoder", "name": scorer.name, **settings}

    @property
    def remarks(self) -> Mapping[str, int]:
        return {}

    def score(self, asked: Sequence[Asked]) -> Scores:
        """Pairs of all queries share batches of like length."""
        pairs = [pair for one in asked for pair in self.scorer.pairs(one.query, one.documents)]
        return self.scorer.score_pairs(pairs)


@dataclass(frozen=True, slots=True)
class StageTeacher:
    """A first stage of an index: its scores of the indexed documents with these ids.

    Exactly one of the two: score_rows where one retriever decides, whose score of any row is
    exact; rank where several are fused. A fused score exists in a ranking only, so a document
    beyond the depth of the pipeline has 0, less than any within it.
    """

    index: Index
    source: str  # of the examples, for messages
    identity: Mapping[str, Any]
    score_rows: ScoreRows | None = None
    rank: RankEach | None = None
    remarks: dict[str, int] = field(default_factory=dict)

    def score(self, asked: Sequence[Asked]) -> Scores:
        rows = self._rows(asked)
        of_each = [np.array([rows[id_] for id_ in one.ids], np.int64) for one in asked]
        if self.score_rows is not None:
            found = [self.score_rows(one.query, at) for one, at in zip(asked, of_each, strict=True)]
        elif self.rank is not None:
            rankings = self.rank([one.query for one in asked])
            found = [_of(ranking, at) for ranking, at in zip(rankings, of_each, strict=True)]
        else:
            raise ValueError("a stage needs score_rows or rank")
        return np.concatenate([np.empty(0, np.float32), *found])

    def _rows(self, asked: Sequence[Asked]) -> dict[str, Row]:
        rows = self.index.rows_of({id_ for one in asked for id_ in one.ids})
        for one in asked:
            for id_, text in zip(one.ids, one.documents, strict=True):
                if id_ not in rows:
                    why = f"document {id_!r} is not in {self.index.path}. Name the index that "
                    raise CorpusError(self.source, None, f"{why}the examples were made from")
                doc = self.index[rows[id_]]
                parts = [part.strip()[:_SEEN] for part in (doc.title, doc.text)]
                if not any(part and part in text for part in parts):
                    what = "documents that read otherwise in the index, which was believed"
                    self.remarks[what] = self.remarks.get(what, 0) + 1
        return rows


def _of(ranking: Ranking, rows: Rows) -> Scores:
    """The ranking's score of each row, 0 where it has none."""
    by_row = np.argsort(ranking.rows)
    at = np.searchsorted(ranking.rows, rows, sorter=by_row)
    scores = np.zeros(len(rows), np.float32)
    inside = at < len(by_row)
    place = by_row[at[inside]]
    scores[inside] = np.where(ranking.rows[place] == rows[inside], ranking.scores[place], 0)
    return scores
