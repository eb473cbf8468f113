"""One query's candidates and many settings -> the first documents of each, as a search ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from searchkit.fuse import Fusion, Gains, aligned, identity, min_max, weighted_sums
from searchkit.rerank import RerankOptions, clipped
from searchkit.search.pipeline import Pipeline
from searchkit.types import Ranking, Rows, Scores

NO_ROW = -1  # fills a list up that has fewer documents than were asked for
_SLACK = 1e-6  # more than float32 rounds, so that no tie is decided by it


class _Way(NamedTuple):
    """A fusion without its weights, as a key."""

    kind: str
    k0: float
    normaliser: str


class Flat(NamedTuple):
    """Lists of documents, one after another, a fixed number for each query."""

    n_lists: int  # of each query
    starts: NDArray[np.int64]  # (n_queries * n_lists + 1,)
    rows: Rows
    gains: Gains


class _Member(NamedTuple):
    column: int
    weights: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Settings of a first stage that differ in weights alone: fused together."""

    fusion: Fusion | None  # without weights; None where BM25 ranks alone
    depth: int
    names: tuple[str, ...]  # retrievers that have a weight
    weights: NDArray[np.float64]  # (n_settings, n_names), above 0
    columns: NDArray[np.int64]  # (n_settings,) their places among all settings

    def lists(self, rankings: Mapping[str, Ranking], k: int) -> Rows:
        """The first k documents of one query under each setting: (n_settings, k).

        rankings: by retriever, at least to the depth of these settings.
        """
        if self.fusion is None:
            return _filled(rankings["bm25"].rows[None, :k].repeat(len(self.weights), 0), k)
        heads = {name: rankings[name].head(self.depth) for name in self.names}
        rows, gains = aligned(list(heads.values()), self.fusion.gains(heads))
        kept = contenders(gains, k)
        return best_rows(rows[kept], weighted_sums(gains[:, kept], self.weights), k)

    def flat(self, names: Sequence[str], rankings: Sequence[Sequence[Ranking]]) -> Flat:
        """What some retrievers found for many queries, with its gains, as the kernel takes it.

        rankings: of each query by each of the names, query by query.
        """
        fusion = self.fusion or Fusion()
        heads = [
            (name, ranking.head(self.depth))
            for of_query in zip(*rankings, strict=True)
            for name, ranking in zip(names, of_query, strict=True)
        ]
        gains = [fusion.gains({name: head})[0] for name, head in heads]
        return Flat(
            len(names),
            np.cumsum([0, *map(len, gains)], dtype=np.int64),
            np.concatenate([np.empty(0, np.int64), *(head.rows for _, head in heads)]),
            np.concatenate([np.empty(0), *gains]),
        )

    def lists_of_all(self, one: Flat, two: Flat, *, first: int, n_docs: int, lists: Rows) -> None:
        """Write `lists` of many queries at once, by the kernel, the same rows.

        one: by the first names, of these queries. two: by the other names, of all queries, of
        which these begin at `first`. lists: (n_queries, n_settings, k) of `NO_ROW`.
        """
        from searchkit.tune import lists_kernel

        top_all: Callable[..., None] = lists_kernel.top_all
        slots = np.full(n_docs, -1, np.int32)
        top_all(*one, *two, first, self.weights, slots, lists)


def alike(pipelines: Sequence[Pipeline]) -> list[Alike]:
    """First stages of one BM25, in groups; every pipeline is in one of them."""
    groups: dict[tuple[int, tuple[str, ...], _Way | None], list[_Member]] = {}
    for column, pipeline in enumerate(pipelines):
        names, fusion = ("bm25", *pipeline.encoders), pipeline.fusion
        weights = fusion.weights_of(names) if pipeline.encoders else [1.0]
        used = tuple(name for name, weight in zip(names, weights, strict=True) if weight > 0)
        way = _Way(fusion.kind, fusion.k0, fusion.normaliser) if pipeline.encoders else None
        own = groups.setdefault((pipeline.depth, used, way), [])
        own.append(_Member(column, [weight for weight in weights if weight > 0]))
    return [
        Alike(
            fusion=Fusion(**way._asdict()) if way else None,
            depth=depth,
            names=names,
            weights=np.array([one.weights for one in members], np.float64),
            columns=np.array([one.column for one in members], np.int64),
        )
        for (depth, names, way), members in groups.items()
    ]


def contenders(gains: Gains, k: int) -> NDArray[np.bool_]:
    """Documents that some weights could bring among the first k: (n,); the others none can.

    gains: (n_rankings, n), none below 0. Let t be the k-th best gain of each ranking. Under weights
    w the k-th best sum is at least max(w t), so that a document whose gain / t add up to less than
    1 over the rankings stays below it, whatever the weights are.
    """
    everything = np.ones(gains.shape[1], np.bool_)
    if gains.shape[1] <= k:
        return everything
    least = np.partition(gains, gains.shape[1] - k, axis=1)[:, -k, None]
    if not least.any():
        return everything
    unbounded = np.where(gains > 0, np.inf, 0.0)
    shares = np.divide(gains, least, out=unbounded, where=least > 0)
    kept: NDArray[np.bool_] = shares.sum(axis=0) >= 1 - _SLACK
    return kept


def best_rows(rows: Rows, scores: Scores, k: int) -> Rows:
    """The k best of each line of scores, ties by row: (n_settings, k), filled with `NO_ROW`.

    rows: (n,) ascending; scores: (n_settings, n).
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return _filled(rows[order], k)


def reranked(head: Ranking, raw: Scores, options: Sequence[RerankOptions | None], k: int) -> Rows:
    """The first k documents under each way to rerank, None for not at all: (n_options, k).

    head: the first stage, at least as deep as any of the options; raw: the reranker's own score of
    each of its documents.
    """
    lists = np.full((len(options), k), NO_ROW, np.int64)
    groups: dict[tuple[int, bool, float | None], list[tuple[int, float]]] = {}
    for place, one in enumerate(options):
        if one is None:
            lists[place] = _filled(head.rows[None, :k], k)[0]
            continue
        weight, is_raw = one.interpolation, one.scale == "raw" or one.interpolation is None
        groups.setdefault((one.depth, is_raw, one.bound), []).append((place, weight or 0.0))
    for (depth, is_raw, bound), members in groups.items():
        first, own = head.head(depth), identity if is_raw else min_max
        second = Ranking.top(first.rows, clipped(raw[: len(first)], bound), max(len(first), 1))
        parts = [min_max(first.scores.astype(float)), own(second.scores.astype(float))]
        rows, gains = aligned([first, second], parts)
        weights = np.array([[weight, 1 - weight] for _, weight in members])
        lists[[place for place, _ in members]] = best_rows(rows, weighted_sums(gains, weights), k)
    return lists


def _filled(lists: Rows, k: int) -> Rows:
    filled = np.full((len(lists), k), NO_ROW, np.int64)  # np.pad takes ten times as long
    filled[:, : lists.shape[1]] = lists
    return filled
