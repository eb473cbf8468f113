"""Queries through the stages of a pipeline, with the time that each took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter

from searchkit.errors import ConfigError
from searchkit.protocols import DocLookup, PairScorer, Retriever
from searchkit.rerank import RerankOptions, behind
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.rates import Rates
from searchkit.search.reading import Clock, Deadline, Read, read_head
from searchkit.types import Mask, Ranking

STAGES = ("bm25", "dense", "fused", "reranked")
CASCADED = "cascaded"  # what the second reranker of a cascade makes of `reranked`


@dataclass(frozen=True, slots=True)
class Staged:
    """What every stage that ran made of every query, in the order they ran."""

    rankings: dict[str, list[Ranking]] = field(default_factory=dict)
    times_ms: dict[str, float] = field(default_factory=dict)
    read: dict[str, list[Read]] = field(default_factory=dict)  # how far rerankers came
    clock: Clock = perf_counter

    @property
    def last(self) -> str:
        return next(reversed(self.rankings))

    def of_query(self, n: int) -> dict[str, Ranking]:
        return {stage: rankings[n] for stage, rankings in self.rankings.items()}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = self.clock()
        yield
        self.times_ms[stage] = (self.clock() - start) * 1000


@dataclass(frozen=True, slots=True)
class Stages:
    """The loaded parts of a pipeline; whatever a stage does not need is not loaded."""

    pipeline: Pipeline
    retrievers: Mapping[str, Lazy[Retriever]]  # "bm25", then encoders by name
    scorer: Lazy[PairScorer] | None
    docs: DocLookup
    second: Lazy[PairScorer] | None = None  # of a cascade, over the best of the first
    rates: Rates = field(default_factory=Rates)
    clock: Clock = perf_counter

    @property
    def dense(self) -> tuple[str, ...]:
        return tuple(name for name in self.retrievers if name != "bm25")

    @property
    def default(self) -> str:
        """The last stage that this pipeline has."""
        if self.scorer is not None:
            return "reranked"
        return "fused" if self.pipeline.encoders else "bm25"

    def check(self, stage: str) -> str:
        """The stage, or the sentence that says why it cannot run."""
        if stage not in (*STAGES, *self.dense):
            known = ", ".join((*STAGES, *self.dense))
            raise ConfigError(f"there is no stage {stage!r}. Stages: {known}.")
        if stage == "reranked" and self.scorer is None:
            raise ConfigError("no reranker is loaded. Name one: --reranker MODEL.")
        if stage in ("dense", "fused") and not self.dense:
            cure = "Add some: searchkit encoder add INDEX minilm. Or use bm25."
            raise ConfigError(f"stage {stage} cannot run: the index holds no vectors. {cure}")
        return stage

    def retrievers_of(self, stage: str) -> list[str]:
        """Retrievers that a stage needs."""
        if stage == "bm25" or stage in self.dense:
            return [stage]
        if stage == "dense":
            return list(self.dense)
        encoders = self.pipeline.encoders
        if stage == "fused" and not encoders:  # asked for by name: all that there is
            encoders = self.dense
        return ["bm25", *encoders]

    @property
    def rerankers(self) -> list[tuple[str, Lazy[PairScorer], RerankOptions]]:
        """Name of the stage, scorer and settings of each reranker, in the order they run."""
        found = []
        if self.scorer is not None:
            found.append(("reranked", self.scorer, self.pipeline.rerank))
        if self.second is not None and self.pipeline.cascade is not None:
            found.append((CASCADED, self.second, self.pipeline.cascade.rerank))
        return found

    def load(self, stage: str) -> None:
        """Load what a stage needs, so that its first run does not take the time for it."""
        for lazy in self._needed(stage):
            lazy.get()

    def is_loaded(self, stage: str) -> bool:
        """Whether all is loaded that a stage needs."""
        return all(lazy.is_made for lazy in self._needed(stage))

    def run(
        self,
        queries: Sequence[str],
        *,
        stage: str,
        k: int,
        allowed: Mask | None = None,
        until: float | None = None,
    ) -> Staged:
        """Run up to `stage`. k bounds what a retriever alone returns; fusing needs the depth.

        A reranker with a bound ends when the first k are final, and returns these. until: when
        rerankers have to end, by the clock in seconds; see `read_head`.
        """
        self.check(stage)
        staged = Staged(clock=self.clock)
        names, depth = self.retrievers_of(stage), self.pipeline.depth
        if len(names) == 1 and stage not in ("fused", "reranked"):
            depth = k
        for name in names:
            with staged.timed(name):
                retriever = self.retrievers[name].get()
                staged.rankings[name] = retriever.retrieve(queries, depth, allowed)
        if len(names) > 1:
            label = "dense" if stage == "dense" else "fused"
            with staged.timed(label):
                staged.rankings[label] = self._fuse(staged, names)
        if stage == "reranked":
            if self.scorer is None:
                raise ValueError("no scorer")
            self._rerank(queries, staged, k=k, until=until)
        return staged

    def _needed(self, stage: str) -> list[Lazy[Retriever] | Lazy[PairScorer]]:
        needed: list[Lazy[Retriever] | Lazy[PairScorer]] = [
            self.retrievers[name] for name in self.retrievers_of(self.check(stage))
        ]
        if stage == "reranked":
            needed += [scorer for _, scorer, _ in self.rerankers]
        return needed

    def _fuse(self, staged: Staged, names: Sequence[str]) -> list[Ranking]:
        by_query = zip(*(staged.rankings[name] for name in names), strict=True)
        fusion, k = self.pipeline.fusion, self.pipeline.depth * len(names)
        if "bm25" not in names or not self.pipeline.encoders:
            # other retrievers than the pipeline fuses, asked for by name: alike
            fusion = replace(fusion, weights=dict.fromkeys(names, 1 / len(names)))
        return [fusion.fuse(dict(zip(names, rankings, strict=True)), k) for rankings in by_query]

    def _rerank(
        self, queries: Sequence[str], staged: Staged, *, k: int, until: float | None
    ) -> None:
        """Each reranker over the best of the stage before; a second one keeps the rest behind."""
        cascade = self.pipeline.cascade if self.second else None
        for stage, lazy, options in self.rerankers:
            before, read = staged.rankings[staged.last], list[Read]()
            scorer, is_last = lazy.get(), stage == self.rerankers[-1][0]
            wanted = k if is_last or cascade is None else max(k, cascade.rerank.depth)
            rate = self.rates.of(scorer) if until is not None else None
            with staged.timed(stage):
                for query, ranking in zip(queries, before, strict=True):
                    found = read_head(
                        query,
                        ranking.head(options.depth),
                        scorer,
                        self.docs,
                        options=options,
                        k=wanted,
                        deadline=Deadline(at=until, rate=rate, clock=self.clock)
                        if until is not None and rate is not None
                        else None,
                    )
                    read.append(found)
            rankings = [one.ranking for one in read]
            if stage == CASCADED:
                rankings = [_above(one, rest) for one, rest in zip(read, before, strict=True)]
            staged.rankings[stage], staged.read[stage] = rankings, read
            if rate is not None:
                rate.keep()


def _above(read: Read, before: Ranking) -> Ranking:
    """What was read, then all others of the ranking that it was taken from."""
    best = read.ranking
    return best if read.end == "settled" else behind(best, before.without(best.rows))
