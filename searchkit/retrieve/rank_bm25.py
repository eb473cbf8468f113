"""Queries -> rankings by the rank-bm25 package, for small corpora and for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import ConfigError
from searchkit.retrieve.bm25 import LexicalPart
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.types import Mask, Ranking, Rows

LARGEST = 100_000  # documents; it scans them all for each query, in Python


class RankBM25Retriever:
    """BM25Okapi of rank-bm25 over the terms that the index holds.

    Its k1 and b are those of the pipeline; its formula is its own (`okapi`), without fields.
    """

    def __init__(
        self, parts: Sequence[LexicalPart], *, analyzer: TextAnalyzer, params: BM25Params
    ) -> None:
        n_docs = sum(part.counted().n_docs for part in parts)
        if n_docs > LARGEST:
            raise ConfigError(
                f"rank-bm25 scans every document for every query, and {n_docs} are more than "
                f"{LARGEST}. Leave --lexical away: searchkit's own BM25 has variant okapi."
            )
        self.parts, self.analyzer, self.params = parts, analyzer, params

    def retrieve(
        self, queries: Sequence[str], k: int, allowed: Mask | None = None
    ) -> list[Ranking]:
        """Only documents with a term of the query are returned."""
        return [self._best(query, k, allowed) for query in queries]

    def _best(self, query: str, k: int, allowed: Mask | None) -> Ranking:
        terms = self.analyzer.terms(query)
        matched = np.zeros(len(self._rows), np.bool_)
        for term in set(terms):
            matched |= np.array([term in bag for bag in self._model.doc_freqs], np.bool_)
        if allowed is not None:
            matched &= allowed[self._rows]
        scores = np.asarray(self._model.get_scores(terms), np.float32)
        return Ranking.top(self._rows[matched], scores[matched], k)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - rank-bm25 has no types
        from rank_bm25 import BM25Okapi

        bags = [bag for part in self.parts for bag in _bags(part)]
        return BM25Okapi(bags, k1=self.params.k1, b=self.params.b)

    @cached_property
    def _rows(self) -> Rows:
        """Rows of the documents, as the package numbers them."""
        return np.concatenate([part.base + _living(part) for part in self.parts])


def _living(part: LexicalPart) -> Rows:
    rows = np.arange(part.postings.n_docs)
    return rows if part.alive is None else rows[part.alive]


def _bags(part: LexicalPart) -> list[list[str]]:
    """The terms of every document that may be found, each as often as it occurs."""
    postings = part.postings
    bags: list[list[str]] = [[] for _ in range(postings.n_docs)]
    for term, name in enumerate(postings.terms.texts.to_pylist()):
        place = slice(int(postings.starts[term]), int(postings.starts[term + 1]))
        counts, _ = postings.exact_counts(place)
        for row, count in zip(postings.rows[place].tolist(), counts.tolist(), strict=True):
            bags[row] += [name] * count
    return [bags[row] for row in _living(part).tolist()]
