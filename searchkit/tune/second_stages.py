"""Heads of first stages and a reranker -> what each way to rerank them is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from searchkit.index.build import Watch
from searchkit.protocols import DocLookup, PairScorer
from searchkit.rerank import RerankOptions, raw_scores
from searchkit.search.pipeline import Pipeline
from searchkit.tune.first_stages import FirstStages
from searchkit.tune.lists import reranked
from searchkit.tune.worth import Worth
from searchkit.types import Ranking, Row, Scores


class SecondStages:
    """A reranker after first stages that others chose; it reads a document once for a query."""

    def __init__(
        self, firsts: FirstStages, scorer: PairScorer, docs: DocLookup, *, watch: Watch
    ) -> None:
        self._firsts, self._scorer, self._docs, self._watch = firsts, scorer, docs, watch
        self._raw: list[dict[Row, float]] = [{} for _ in firsts.texts]

    def values(
        self, first: Pipeline, options: Sequence[RerankOptions | None], worth: Worth, k: int
    ) -> NDArray[np.float64]:
        """What each way to rerank is worth for every query: (n_queries, n_options).

        None is not at all. worth: of these queries, by a measure that looks at k documents.
        """
        depth = max([k, *(one.depth for one in options if one)])
        read = max([0, *(one.depth for one in options if one)])
        heads = self._firsts.heads(first, depth)
        self._read([head.head(read) for head in heads])
        values = np.empty((len(heads), len(options)))
        with self._firsts.clock.timed("settings"):
            for n, head in enumerate(heads):
                lists = reranked(head, self._of(n, head.head(read)), options, k)
                values[n] = worth.values(n, lists[None])[0]
        return values

    def _read(self, heads: Sequence[Ranking]) -> None:
        """Score what no first stage before had in its head."""
        unread = [
            np.array([row not in known for row in head.rows.tolist()], bool)
            for head, known in zip(heads, self._raw, strict=True)
        ]
        if not any(some.any() for some in unread):
            return
        progress = self._watch(f"read by {self._scorer.name}")
        for n, (head, some) in enumerate(zip(heads, unread, strict=True)):
            missing = Ranking(head.rows[some], head.scores[some])
            with self._firsts.clock.timed(self._scorer.name):
                raw = raw_scores(self._firsts.texts[n], missing, self._scorer, self._docs)
            self._raw[n].update(zip(missing.rows.tolist(), raw.tolist(), strict=True))
            progress(n + 1, len(heads))

    def _of(self, n: int, head: Ranking) -> Scores:
        return np.array([self._raw[n][row] for row in head.rows.tolist()], np.float32)
