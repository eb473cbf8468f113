"""Several pipelines over the same queries -> what each is worth, with all work done once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.protocols import PairScorer, Progress, Retriever
from searchkit.rerank import combine, raw_scores
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher, clean
from searchkit.search.stages import Stages
from searchkit.types import Mask, Qrels, Query, Ranking, Row

MEASURE = "nDCG@10"
_SHOWN = 10  # documents that the measure looks at
_BATCH = 32  # queries retrieved together


def measure(
    searcher: Searcher,
    pipelines: Sequence[Pipeline],
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    scorers: Mapping[str, PairScorer],
    progress: Progress = lambda done, total: None,
) -> NDArray[np.float64]:
    """nDCG@10 of each pipeline for each query: (n_queries, n_pipelines) float64, in [0, 1].

    Each retriever ranks a query once, each reranker (`scorers`, by name) scores a document once,
    whatever number of pipelines asks for it. A query that finds nothing is worth 0. The pipelines
    share the searcher's BM25 and its depth; ValueError where one does not.
    """
    own = searcher.pipeline
    for pipeline in pipelines:
        if (pipeline.bm25, pipeline.depth) != (own.bm25, own.depth):
            raise ValueError("the pipelines differ in BM25 or depth from the searcher's")
    runs: list[dict[str, list[tuple[str, float]]]] = [{} for _ in pipelines]
    id_of = cache(searcher.index.id)
    for start in range(0, len(queries), _BATCH):
        batch = queries[start : start + _BATCH]
        held = _retrieve(searcher, pipelines, [clean(query.text) for query in batch])
        for n, query in enumerate(batch):
            alone = {name: [rankings[n]] for name, rankings in held.items()}
            ranked = _rank(searcher, pipelines, scorers, query=clean(query.text), retrieved=alone)
            for run, ranking in zip(runs, ranked, strict=True):
                shown = enumerate(ranking.rows[:_SHOWN].tolist())
                run[query.id] = [(id_of(row), float(-place)) for place, row in shown]
            progress(start + n + 1, len(queries))
    judged = {query.id: qrels[query.id] for query in queries}
    wanted = parse_measures([MEASURE])
    columns = []
    for run in runs:
        values = evaluate(run, judged, wanted).per_query
        columns.append([values[query.id][MEASURE] for query in queries])
    return np.array(columns, np.float64).T


class Retrieved:
    """What a retriever found for one query, for every pipeline that asks."""

    def __init__(self, rankings: list[Ranking]) -> None:
        self._rankings = rankings

    def retrieve(
        self, queries: Sequence[str], k: int, allowed: Mask | None = None
    ) -> list[Ranking]:
        return self._rankings


def _retrieve(
    searcher: Searcher, pipelines: Sequence[Pipeline], texts: Sequence[str]
) -> dict[str, list[Ranking]]:
    wanted = dict.fromkeys(["bm25", *(name for one in pipelines for name in one.encoders)])
    retrievers, depth = searcher.stages.retrievers, searcher.pipeline.depth
    return {name: retrievers[name].get().retrieve(texts, depth) for name in wanted}


def _rank(
    searcher: Searcher,
    pipelines: Sequence[Pipeline],
    scorers: Mapping[str, PairScorer],
    *,
    query: str,
    retrieved: Mapping[str, list[Ranking]],
) -> list[Ranking]:
    """The ranking of one query by each pipeline, as a search with it would give."""
    lazy: dict[str, Lazy[Retriever]] = {
        name: Lazy.of(Retrieved(rankings)) for name, rankings in retrieved.items()
    }
    known: dict[str, dict[Row, float]] = {name: {} for name in scorers}
    found: list[Ranking] = []
    for _, group in groupby(pipelines, key=lambda one: (one.encoders, one.fusion.to_dict())):
        alike = list(group)
        stages = Stages(replace(alike[0], reranker=None), lazy, None, searcher.index)
        staged = stages.run([query], stage=stages.default, k=alike[0].depth)
        first = staged.rankings[staged.last][0]
        for pipeline in alike:
            if pipeline.reranker is None:
                found.append(first)
                continue
            head = first.head(pipeline.rerank.depth)
            scorer, scored = scorers[pipeline.reranker], known[pipeline.reranker]
            unknown = np.array([row not in scored for row in head.rows.tolist()], bool)
            missing = Ranking(head.rows[unknown], head.scores[unknown])
            own = raw_scores(query, missing, scorer, searcher.index)
            scored.update(zip(missing.rows.tolist(), own.tolist(), strict=True))
            raw = np.array([scored[row] for row in head.rows.tolist()], np.float32)
            found.append(combine(head, raw, pipeline.rerank).ranking)
    return found
