"""First-stage rankings -> better order of their heads, by a pair scorer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple, get_args

import numpy as np

from searchkit.errors import ConfigError
from searchkit.fuse import Gains, min_max, weighted_sums
from searchkit.models.serving import Scale
from searchkit.protocols import DocLookup, PairScorer, Progress, Tokens, TokenScorer, TokenStore
from searchkit.types import Mask, Ranking, Rows, Scores

MAX_DEPTH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankOptions:
    """How far a reranker reads, and how much it is believed."""

    depth: int = 100  # documents of the first stage that are read; the rest is dropped
    interpolation: float | None = None  # weight of the first stage, 0..1; None: the reranker alone
    # What an interpolation makes of the reranker's scores. "raw" is for one that was trained as a
    # correction of the first stage: min-max would blow up differences that mean nothing.
    scale: Scale = "min-max"
    # Scores of the reranker count as at most this far from 0. What lies far below in the first
    # stage then cannot overtake, so that the first k are final before all are read; None reads all.
    bound: float | None = None

    def __post_init__(self) -> None:
        weight, bound = self.interpolation, self.bound
        if not 1 <= self.depth <= MAX_DEPTH:
            raise ConfigError(f"the rerank depth must be 1 to {MAX_DEPTH}, not {self.depth}.")
        if weight is not None and not 0 <= weight <= 1:
            raise ConfigError(f"the interpolation must be a weight from 0 to 1, not {weight}.")
        if bound is not None and not 0 < bound < math.inf:
            raise ConfigError(f"the rerank bound must be a number above 0, not {bound}.")
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
    return score(query, passages(query, head, scorer, docs), scorer)


def passages(
    query: str, head: Ranking, scorer: PairScorer, docs: DocLookup
) -> Sequence[str | Tokens]:
    """What the scorer reads of each document: its stored tokens where there are some, or text."""
    if isinstance(scorer, TokenScorer) and isinstance(docs, TokenStore) and scorer.reading:
        held = docs.tokens(scorer.reading)
        found = [(row, held(row)) for row, _ in head]
        return [scorer.passage(query, docs[row]) if ids is None else ids for row, ids in found]
    return [scorer.passage(query, docs[row]) for row, _ in head]


def score(query: str, read: Sequence[str | Tokens], scorer: PairScorer) -> Scores:
    """The scorer's own score of each of its `passages`: (n,) float32."""
    if isinstance(scorer, TokenScorer):
        return scorer.score_stored(query, read)
    return scorer.score(query, [str(text) for text in read])


def combine(head: Ranking, raw: Scores, options: RerankOptions) -> Reranked:
    """The head in its new order. raw: (n,), the scorer's score of each document of the head."""
    ranking = Ranking.top(head.rows, _sums(head, raw, options), MAX_DEPTH)
    return Reranked(ranking, raw[_places(head, ranking)])


def combine_read(head: Ranking, raw: Scores, read: Mask, options: RerankOptions) -> Ranking:
    """The head in its new order where only some of it was read.

    raw, read: (n,); the score of what was not read does not matter. With an interpolation the
    unread count as the mean of the read, which keeps them in the first stage's order and lets
    them stand between the read. Where the first stage has no weight they follow behind. Where
    nothing was read the head stays as it is.
    """
    if read.all():
        return combine(head, raw, options).ranking
    if not read.any():
        return head
    if not options.interpolation:
        best = combine(Ranking(head.rows[read], head.scores[read]), raw[read], options).ranking
        return behind(best, Ranking(head.rows[~read], head.scores[~read]))
    own = np.empty(len(raw))
    own[read] = _gains(raw[read], options)
    own[~read] = own[read].mean()
    return Ranking.top(head.rows, _mixed(head, own, options.interpolation), MAX_DEPTH)


def behind(best: Ranking, rest: Ranking) -> Ranking:
    """The best, then the rest in its order, with scores below theirs: each the next float."""
    if not len(best):
        return rest
    scores, least = np.empty(len(rest), np.float32), best.scores[-1]
    for n in range(len(rest)):
        least = scores[n] = np.nextafter(least, np.float32(-np.inf))
    rows = np.concatenate([best.rows, rest.rows])
    return Ranking(rows, np.concatenate([best.scores, scores]))


def can_settle(options: RerankOptions, n_head: int, k: int) -> bool:
    """Whether the first k of a head can be final before all of it is read.

    That takes a bound, and an interpolation on the raw scale: else any document can be the best.
    """
    is_mixed = options.interpolation is not None and options.scale == "raw"
    return options.bound is not None and is_mixed and k < n_head


def n_contenders(head: Ranking, raw: Scores, n_read: int, options: RerankOptions, *, k: int) -> int:
    """How many documents, from the first of the head on, may still be among the first k.

    raw: (n,), of which the first n_read are known. n_read itself: the first k are final, in order
    and score. All where nothing bounds the others.
    """
    if not can_settle(options, len(head), k) or n_read < k:
        return len(head)
    most = raw.copy()
    most[n_read:] = options.bound
    sums = _sums(head, most, options)
    # A tie would be decided by row, so that only what lies truly below is out.
    kth = np.partition(sums[:n_read], n_read - k)[n_read - k]
    return n_read + int((sums[n_read:] >= kth).sum())


def _sums(head: Ranking, raw: Scores, options: RerankOptions) -> Scores:
    """The new score of each document of the head: (n,) float32."""
    if options.interpolation is None:
        return clipped(raw, options.bound)
    return _mixed(head, _gains(raw, options), options.interpolation)


def _mixed(head: Ranking, own: Gains, weight: float) -> Scores:
    gains = np.stack([min_max(head.scores.astype(np.float64)), own])
    mixed: Scores = weighted_sums(gains, np.array([[weight, 1 - weight]]))[0]
    return mixed


def _gains(raw: Scores, options: RerankOptions) -> Gains:
    gains = clipped(raw, options.bound).astype(np.float64)
    return gains if options.scale == "raw" else min_max(gains)


def clipped(raw: Scores, bound: float | None) -> Scores:
    """The scorer's own scores as they count: at most `bound` far from 0, where there is one."""
    return raw if bound is None else raw.clip(-bound, bound)


def _places(head: Ranking, ranking: Ranking) -> Rows:
    """Where each document of the ranking stands in the head."""
    by_row = np.argsort(head.rows)
    places: Rows = by_row[np.searchsorted(head.rows, ranking.rows, sorter=by_row)]
    return places
