"""An open index, judged queries and options -> what was tried, and the setting to take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.index.build import Watch
from searchkit.models.cross_encoder import CrossEncoderOptions
from searchkit.protocols import PairScorer
from searchkit.rerank import RerankOptions
from searchkit.search.searcher import Searcher, clean
from searchkit.tune.choice import Choice, Chosen, Limit
from searchkit.tune.evidence import settings_of
from searchkit.tune.first_stages import Clock, FirstStages
from searchkit.tune.kept_pairs import kept
from searchkit.tune.plan import Plan, plan_of
from searchkit.tune.second_stages import SecondStages
from searchkit.tune.stopwatch import Timer
from searchkit.tune.tuning import TuneOptions
from searchkit.tune.worth import Worth, cutoff_of
from searchkit.types import Qrels, Query

MakeTimer: TypeAlias = Callable[[Searcher, Sequence[str], Mapping[str, PairScorer], Watch], Timer]
Values: TypeAlias = NDArray[np.float64]


class Trial(NamedTuple):
    ids: list[str]  # of the queries
    plan: Plan
    chosen: Chosen
    current: Values  # (n_queries,) by the pipeline in force
    limit: Limit | None
    clock: Clock
    settings: str  # hash of all that decides the outcome beside the judgements
    generation: int

    def by_query(self, values: Values) -> dict[str, float]:
        return dict(zip(self.ids, values.tolist(), strict=True))


def run_trial(
    searcher: Searcher,
    asked: Sequence[Query],
    qrels: Qrels,
    *,
    options: TuneOptions,
    timer: MakeTimer,
    watch: Watch,
) -> Trial:
    """Try every setting on every query and choose. asked: judged queries, by id."""
    reading = CrossEncoderOptions(
        device=options.device, trust_remote_code=options.trust_remote_code
    )
    plan = plan_of(searcher, options.reranker, reading)
    texts = [clean(query.text) for query in asked]
    limit = _limit(plan, timer(searcher, texts, plan.scorers, watch), options.max_ms)
    measure, k = cutoff_of(options.measure)
    firsts = FirstStages(searcher, texts, plan.firsts, Clock())
    firsts.encode(watch)
    with ExitStack() as files:
        seconds = {
            name: SecondStages(firsts, files.enter_context(kept(one)), searcher.index, watch=watch)
            for name, one in plan.scorers.items()
        }
        worth = Worth(measure, [query.id for query in asked], qrels, index=searcher.index)
        tables = _Tables(plan, seconds, worth, k, firsts.values(worth, k, watch))
        current = tables.current()
        choice = Choice(plan, tables.values, tables.then, limit)
        chosen = choice.take(n_folds=options.n_folds, seed=options.seed)
    return Trial(
        ids=[query.id for query in asked],
        plan=plan,
        chosen=chosen,
        current=current,
        limit=limit,
        clock=firsts.clock,
        settings=_settings(searcher, plan, asked, options),
        generation=searcher.index.generation.number,
    )


class _Tables(NamedTuple):
    """What the settings are worth; a reranker reads only after first stages that were chosen."""

    plan: Plan
    seconds: Mapping[str, SecondStages]  # by reranker
    worth: Worth
    k: int
    values: Values  # (n_queries, n_firsts)

    def then(self, first: int) -> Values:
        """After a first stage: (n_queries, n_options)."""
        if self.plan.reranker is None:
            return self.values[:, [first]]
        return self._reranked(self.plan.reranker, first, self.plan.options)

    def current(self) -> Values:
        """By the pipeline in force: (n_queries,)."""
        name, rerank = self.plan.current.reranker, self.plan.current.rerank
        return self._reranked(name, 0, [rerank])[:, 0] if name else self.values[:, 0]

    def _reranked(self, name: str, first: int, options: Sequence[RerankOptions | None]) -> Values:
        pipeline = self.plan.firsts[first]
        return self.seconds[name].values(pipeline, options, self.worth, self.k)


def _limit(plan: Plan, timer: Timer, max_ms: float | None) -> Limit | None:
    if max_ms is None:
        return None
    depths = {one.depth if one else 0: n for n, one in enumerate(plan.options)}
    tried = [plan.pipeline(first, 0) for first in range(len(plan.firsts))]
    tried += [plan.pipeline(first, n) for n in depths.values() for first in range(len(plan.firsts))]
    return Limit(max_ms=max_ms, timer=timer, costs=timer.costs([plan.current, *tried]))


def _settings(searcher: Searcher, plan: Plan, asked: Sequence[Query], options: TuneOptions) -> str:
    return settings_of(
        searcher.index,
        [plan.current, *plan.firsts],
        asked,
        folds=options.n_folds,
        seed=options.seed,
        measure=options.measure,
        max_ms=options.max_ms,
        rerank=[asdict(one) if one else None for one in plan.options],
        rerankers={name: one.fingerprint for name, one in plan.scorers.items()},
    )
