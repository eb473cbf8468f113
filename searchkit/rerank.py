"""First-stage rankings -> better order of their heads, by a pair scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple, get_args

import numpy as np

from searchkit.errors import ConfigError
from searchkit.fuse import convex, identity, min_max
from searchkit.models.serving import Scale
from searchkit.protocols import DocLookup, PairScorer, Progress, TokenScorer, TokenStore
from searchkit.types import Ranking, Scores

MAX_DEPTH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankOptions:
    """How far a reranker reads, and how much it is believed."""

    depth: int = 100  # documents of the first stage that are read; the rest is dropped
    interpolation: float | None = None  # weight of the first stage, 0..1; None: the reranker alone
    # What an interpolation makes of the reranker's scores. "raw" is for one that was trained as a
    # correction of the first stage: min-max would blow up differences that mean nothing.
    scale: Scale = "min-max"

    def __post_init__(self) -> None:
        weight = self.interpolation
        if not 1 <= self.depth <= MAX_DEPTH:
            raise ConfigError(f"the rerank depth must be 1 to {MAX_DEPTH}, not {self.depth}.")
        if weight is not None and not 0 <= weight <= 1:
            raise ConfigError(f"the interpolation must be a weight from 0 to 1, not {weight}.")
        if self.scale not in get_args(Scale):
            near = get_close_matches(str(self.scale), get_args(Scale), 1, cutoff=0.0)[0]
            raise ConfigError(f"there is no rerank scale {self.scale!r}. Did you mean {near!r}?")


class Reranked(NamedTuple):
    """One reranked head, and what the scorer itself said of it."""

    ranking: Ranking
    raw: Scores  # (n,) in the order of `ranking`; its scores, unless they were interpolated


def rerank(
    queries: Sequence[str],
    rankings: Sequence[Ranking],
    scorer: PairScorer,
    docs: DocLookup,
    *,
    options: RerankOptions | None = None,
    progress: Progress | None = None,
) -> list[Ranking]:
    """The head of each ranking in the scorer's order; what lies below the depth is dropped.

    It is dropped because its scores are on another scale. With an interpolation the scores are
    the convex combination of both, each brought to [0, 1] by its least and best over the head;
    with the scale "raw" the scorer's own enter as they are.
    """
    found = rerank_scored(queries, rankings, scorer, docs, options=options, progress=progress)
    return [reranked.ranking for reranked in found]


def rerank_scored(
    queries: Sequence[str],
    rankings: Sequence[Ranking],
    scorer: PairScorer,
    docs: DocLookup,
    *,
    options: RerankOptions | None = None,
    progress: Progress | None = None,
) -> list[Reranked]:
    """`rerank`, with the scorer's own scores beside each ranking, as a trace shows them."""
    if len(queries) != len(rankings):
        raise ValueError(f"{len(queries)} queries but {len(rankings)} rankings")
    options, found = options or RerankOptions(), []
    for query, ranking in zip(queries, rankings, strict=True):
        head = ranking.head(options.depth)
        found.append(combine(head, raw_scores(query, head, scorer, docs), options))
        if progress:
            progress(len(found), len(queries))
    return found


def raw_scores(query: str, head: Ranking, scorer: PairScorer, docs: DocLookup) -> Scores:
    """The scorer's own score of each document of the head: (n,) float32, in its order.

    Tokens that the documents bring along for this scorer are read instead of their texts.
    """
    if not len(head):
        return np.empty(0, np.float32)
    if isinstance(scorer, TokenScorer) and isinstance(docs, TokenStore) and scorer.reading:
        held = docs.tokens(scorer.reading)
        found = [(row, held(row)) for row, _ in head]
        passages = [scorer.passage(query, docs[row]) if ids is None else ids for row, ids in found]
        return scorer.score_stored(query, passages)
    return scorer.score(query, [scorer.passage(query, docs[row]) for row, _ in head])


def combine(head: Ranking, raw: Scores, options: RerankOptions) -> Reranked:
    """The head in its new order. raw: (n,), the scorer's score of each document of the head."""
    ranking, weight = Ranking.top(head.rows, raw, MAX_DEPTH), options.interpolation
    if weight is not None:
        own = identity if options.scale == "raw" else min_max
        ranking = convex(
            [head, ranking], MAX_DEPTH, weights=[weight, 1 - weight], normalisers=[min_max, own]
        )
    by_row = np.argsort(head.rows)
    return Reranked(ranking, raw[by_row[np.searchsorted(head.rows, ranking.rows, sorter=by_row)]])
