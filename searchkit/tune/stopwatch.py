"""Pipelines and queries -> how long an answer takes on this machine, by part and as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from searchkit.index.build import Watch
from searchkit.protocols import PairScorer, Progress, Retriever
from searchkit.rerank import can_settle
from searchkit.retrieve.bm25 import BM25Retriever
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher
from searchkit.search.stages import Stages

N_TIMED = 40  # distinct queries; p95 is then the third slowest
N_WARM = 3  # before them
PERCENTILE = 95
_SHOWN = 10  # results of an answer


@dataclass(frozen=True, slots=True)
class Costs:
    """p95 of each part of a pipeline, in ms, each measured alone over queries one by one."""

    parts_ms: Mapping[str, float]

    def of(self, pipeline: Pipeline) -> float:
        """What a pipeline should take: the sum over its parts, seldom less than its own p95."""
        return sum(self.parts_ms[part] for part in parts_of(pipeline))


class Timer(Protocol):
    def costs(self, pipelines: Sequence[Pipeline]) -> Costs:
        """The cost of every part that one of the pipelines has."""
        ...

    def p95(self, pipeline: Pipeline) -> float:
        """What the whole pipeline takes, in ms."""
        ...


def parts_of(pipeline: Pipeline) -> dict[str, str]:
    """What a pipeline is made of, as far as it costs time -> the stage whose time that is."""
    depth, bm25 = pipeline.depth, "bm25 by field" if pipeline.bm25.weighs_fields else "bm25"
    parts = {"documents": "rest"}
    if pipeline.encoders or pipeline.reranker:
        parts[f"{bm25}, {depth} documents"] = "bm25"
    else:
        parts[f"{bm25} alone"] = "bm25"
    parts |= {f"{name}, {depth} documents": name for name in pipeline.encoders}
    if pipeline.encoders:
        kind = pipeline.fusion.kind
        parts[f"{kind} of {1 + len(pipeline.encoders)}, {depth} documents"] = "fused"
    if pipeline.reranker:
        options = pipeline.rerank
        early = " or fewer" if can_settle(options, options.depth, _SHOWN) else ""
        parts[f"{pipeline.reranker}, {options.depth} documents{early}"] = "reranked"
    return parts


class Stopwatch:
    """Times answers of a warm searcher: distinct queries one after another, nothing cached."""

    def __init__(
        self,
        searcher: Searcher,
        texts: Sequence[str],
        scorers: Mapping[str, PairScorer],
        watch: Watch,
    ) -> None:
        self._searcher, self._scorers, self._watch = searcher, scorers, watch
        distinct = list(dict.fromkeys(texts))
        self._texts = [
            distinct[place]
            for place in np.linspace(0, len(distinct) - 1, min(N_TIMED, len(distinct))).astype(int)
        ]

    @property
    def n_queries(self) -> int:
        return len(self._texts)

    def costs(self, pipelines: Sequence[Pipeline]) -> Costs:
        """Each part in the first pipeline that has it."""
        known: dict[str, float] = {}
        for pipeline in _covering(pipelines):
            times = self._times(pipeline, self._watch("time the stages"))
            for part, stage in parts_of(pipeline).items():
                known.setdefault(part, float(np.percentile(times[stage], PERCENTILE)))
        return Costs(known)

    def p95(self, pipeline: Pipeline) -> float:
        times = self._times(pipeline, self._watch("time the setting that was chosen"))
        return float(np.percentile(times["total"], PERCENTILE))

    def _times(self, pipeline: Pipeline, progress: Progress) -> dict[str, list[float]]:
        searcher, times = self._with(pipeline), dict[str, list[float]]()
        for text in self._texts[-N_WARM:]:
            searcher.answer(text, _SHOWN)
        for n, text in enumerate(self._texts, 1):
            spent = dict(searcher.answer(text, _SHOWN).times_ms)
            spent["rest"] = 2 * spent["total"] - sum(spent.values())
            for stage, time in spent.items():
                times.setdefault(stage, []).append(time)
            progress(n, len(self._texts))
        return times

    def _with(self, pipeline: Pipeline) -> Searcher:
        own = self._searcher.stages.retrievers
        bm25 = own["bm25"].get()
        if isinstance(bm25, BM25Retriever):
            bm25 = BM25Retriever(
                bm25.parts, analyzer=bm25.analyzer, params=pipeline.bm25, engine=bm25.engine
            )
        retrievers: dict[str, Lazy[Retriever]] = {**own, "bm25": Lazy.of(bm25)}
        scorer = Lazy.of(self._scorers[pipeline.reranker]) if pipeline.reranker else None
        index = self._searcher.index
        return Searcher(index, Stages(pipeline, retrievers, scorer, index))


def _covering(pipelines: Iterable[Pipeline]) -> list[Pipeline]:
    """Few of the pipelines that have every part of all of them."""
    seen, chosen = set[str](), []
    for pipeline in pipelines:
        parts = parts_of(pipeline).keys()
        if not parts <= seen:
            chosen.append(pipeline)
            seen |= parts
    return chosen
