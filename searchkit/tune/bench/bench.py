"""An index and judged queries -> how good and how fast every stage is, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchkit.corpus.qrels import refuse_without_relevant
from searchkit.errors import ConfigError
from searchkit.evaluate import machine
from searchkit.evaluate.sizes import count, spell_seconds
from searchkit.index.build import Watch
from searchkit.index.index import Index
from searchkit.models.cross_encoder import CrossEncoderOptions
from searchkit.models.device import Device
from searchkit.rerank import MAX_DEPTH
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.searcher import Searcher, clean
from searchkit.tune.bench.fresh import Fresh, search_afresh
from searchkit.tune.bench.known_items import Tell, known_items
from searchkit.tune.bench.moved import moved_queries
from searchkit.tune.bench.quality import Quality, measure_quality
from searchkit.tune.bench.result import Bench
from searchkit.tune.bench.rows import about, ceilings, focus_of, index_facts, rows
from searchkit.tune.bench.stages import Lineup, line_up
from searchkit.tune.bench.timing import time_searches, warm_up
from searchkit.tune.bench.words import count_queries
from searchkit.tune.candidates import refuse_cascade
from searchkit.tune.evidence import judged_queries
from searchkit.types import Qrels, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is measured beside the pipeline's own stages, and on how much."""

    rerankers: tuple[str, ...] = ()  # beside the pipeline's own; "none" leaves that one out
    max_queries: int | None = None  # a seeded sample of the judged ones; None: all
    sample: int = 100  # queries that are timed one by one, at most
    depth: int = 100  # documents that a reranker reads for its curve, or more where it serves more
    seed: int = 0  # of the samples and the tests
    device: Device = "auto"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name, least, most in (
            ("max_queries", 1, None),
            ("sample", 1, None),
            ("depth", 1, MAX_DEPTH),
            ("seed", 0, None),
        ):
            value = getattr(self, name)
            if value is not None and (value < least or (most is not None and value > most)):
                limit = f"{least} to {most:,}" if most else f"{least} or more"
                raise ConfigError(f"{name.replace('_', '-')} must be {limit}, not {value}.")


def bench(
    index: Path,
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    options: BenchOptions | None = None,
    watch: Watch = lambda phase: lambda done, total: None,
    tell: Tell = lambda sentence: None,
) -> Bench:
    """Measure every stage of an index: quality, significance, latency, memory, size.

    The stages run as a search would run them; the index is only read. No result and no score is
    kept between two queries that are timed. CorpusError where no query is judged or no grade is
    above 0, ConfigError or ModelError for a reranker that cannot be measured, all before the long
    work.
    """
    options = options or BenchOptions()
    asked, facts = _asked(queries, qrels, options)
    opening = OpenOptions(device=options.device, trust_remote_code=options.trust_remote_code)
    reading = CrossEncoderOptions(
        device=options.device, trust_remote_code=options.trust_remote_code
    )
    with open_searcher(index, options=opening) as searcher:
        refuse_cascade(searcher.pipeline)
        lineup = line_up(searcher, options.rerankers, reading)
        work = _Work(searcher, lineup, asked, qrels, options=options, watch=watch, tell=tell)
        return work.run(facts)


def bench_known_items(
    index: Path,
    n: int,
    *,
    options: BenchOptions | None = None,
    watch: Watch = lambda phase: lambda done, total: None,
    tell: Tell = lambda sentence: None,
) -> Bench:
    """`bench` without judgements: n titles and sentences of the index's documents ask for them.

    They are asked in a small index of the same encoders and pipeline, from whose documents what is
    asked was removed. It says how well a known paper is found again, not how well a topic is
    searched, and its times and sizes are those of the small index.
    """
    options = options or BenchOptions()
    if options.max_queries is not None:
        raise ConfigError("max-queries has no effect: the number of known items says how many.")
    with known_items(
        index, n, seed=options.seed, device=options.device, watch=watch, tell=tell
    ) as items:
        found = bench(
            items.path, items.queries, items.qrels, options=options, watch=watch, tell=tell
        )
    with Index.open(index) as whole:
        facts = index_facts(whole) | {
            "pipeline": found.index["pipeline"],
            "measured_documents": items.n_docs,
        }
    kinds = {kind: len(ids) for kind, ids in items.kinds.items()}
    asked = {**found.asked, "kind": "known items", "by_kind": kinds, "wanted": n}
    return replace(found, index=facts, asked=asked)


class _Work:
    """The parts of one bench, in the order in which they run."""

    def __init__(
        self,
        searcher: Searcher,
        lineup: Lineup,
        asked: Sequence[Query],
        qrels: Qrels,
        *,
        options: BenchOptions,
        watch: Watch,
        tell: Tell,
    ) -> None:
        self.searcher, self.lineup, self.asked, self.qrels = searcher, lineup, asked, qrels
        self.options, self.watch, self.tell = options, watch, tell
        self.timed, self.load = self._timed(), machine.load()

    def run(self, facts: Mapping[str, Any]) -> Bench:
        """Fresh processes come first: nothing is warm then, and what is missing shows early."""
        fresh = self._fresh()
        progress = self.watch("load the models")
        took = warm_up(self.searcher, self.lineup.stages, [query.text for query in self.asked])
        progress(1, 1)
        self._forecast(took)
        times = time_searches(
            self.searcher,
            self.lineup.stages,
            [query.text for query in self.timed],
            progress=self.watch("time single queries"),
        )
        quality = measure_quality(
            self.lineup,
            self.searcher.index,
            self.asked,
            self.qrels,
            depth=self.options.depth,
            progress=self.watch("measure quality"),
        )
        return self._bench(facts, quality, times, fresh)

    def _timed(self) -> list[Query]:
        """A seeded sample with distinct texts: a text that was asked before could be quicker."""
        distinct = {clean(query.text): query for query in reversed(self.asked)}
        found = sorted(distinct.values(), key=lambda query: query.id)
        return _sample(found, self.options.sample, seed=self.options.seed)

    def _fresh(self) -> dict[str, Fresh]:
        progress, found = self.watch("search in fresh processes"), {}
        for n, one in enumerate(self.lineup.stages):
            found[one.name] = search_afresh(
                self.searcher.index.path,
                self.timed[0].text,
                stage=one.stage,
                pipeline=one.stages.pipeline,
                device=self.options.device,
                trust_remote_code=self.options.trust_remote_code,
            )
            progress(n + 1, len(self.lineup.stages))
        return found

    def _forecast(self, took: Mapping[str, float]) -> None:
        """Say what is to come, by what one query took in every stage."""
        reading = 0.0
        for one in self.lineup.reranked:
            own = one.stages.pipeline.rerank.depth
            reading += took[one.name] * max(1, self.options.depth / own)
        time_s = len(self.timed) * sum(took.values()) + len(self.asked) * (
            reading + sum(took[one.name] for one in self.lineup.retrieved)
        )
        cure = " Fewer queries take less: --max-queries N." if time_s > 300 else ""
        self.tell(
            f"{count_queries(len(self.asked))} through {count(len(self.lineup.stages), 'stage')}: "
            f"about {spell_seconds(time_s)}.{cure}"
        )

    def _bench(
        self,
        facts: Mapping[str, Any],
        quality: Quality,
        times: Mapping[str, NDArray[np.float64]],
        fresh: Mapping[str, Fresh],
    ) -> Bench:
        lineup, index = self.lineup, self.searcher.index
        focus, against = focus_of(lineup)
        helped, hurt = moved_queries(
            self.asked, self.qrels, quality, index=index, focus=focus, against=against
        )
        ids = [query.id for query in self.timed]
        return Bench(
            index=index_facts(index) | {"pipeline": self.searcher.pipeline.to_dict()},
            asked={**facts, "absent_documents": quality.n_absent, "timed": len(self.timed)},
            about=about(self.options.seed, self.options.device, load=self.load),
            baseline=lineup.baseline,
            focus=focus,
            against=against,
            stages=rows(
                lineup,
                index.generation,
                quality,
                times=times,
                fresh=fresh,
                seed=self.options.seed,
            ),
            ceilings=ceilings(lineup, quality),
            recall=quality.recall,
            by_depth=quality.by_depth,
            oracle=quality.oracle,
            helped=helped,
            hurt=hurt,
            texts={query.id: query.text for query in self.asked},
            values={name: tally.values for name, tally in quality.tallies.items()},
            times_ms={
                name: dict(zip(ids, found.tolist(), strict=True)) for name, found in times.items()
            },
        )


def _asked(
    queries: Sequence[Query], qrels: Qrels, options: BenchOptions
) -> tuple[list[Query], dict[str, Any]]:
    """The queries that take part, by id, and what is told of those that do not."""
    refuse_without_relevant(qrels, "qrels")
    asked = judged = judged_queries(queries, qrels)
    if options.max_queries is not None:
        asked = _sample(judged, options.max_queries, seed=options.seed)
    n_judged = sum(bool(grades) for grades in qrels.values())
    return asked, {
        "kind": "judged",
        "queries": len(asked),
        "judged_queries": len(judged),
        "without_judgement": len(queries) - len(judged),
        "without_text": n_judged - len(judged),
        "judgements": sum(len(qrels[query.id]) for query in asked),
    }


def _sample(queries: Sequence[Query], n: int, *, seed: int) -> list[Query]:
    """N of the queries by seeded chance, in their order; all where there are no more."""
    if len(queries) <= n:
        return list(queries)
    chosen = np.random.default_rng(seed).choice(len(queries), n, replace=False)
    return [queries[place] for place in sorted(chosen.tolist())]
