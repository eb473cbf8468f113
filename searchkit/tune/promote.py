"""A model and judged queries -> the model in the index's pipeline, or a sentence why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError
from searchkit.evaluate.power import ALPHA
from searchkit.index.build import Watch
from searchkit.index.generation import Generation
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.models.cross_encoder import CrossEncoderOptions
from searchkit.models.device import Device
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.pipeline import Pipeline
from searchkit.tune.attempts import (
    Attempt,
    n_others,
    qrels_hash,
    read_attempts,
    record,
)
from searchkit.tune.candidates import Contest, contest_of, refuse_cascade
from searchkit.tune.evidence import SHOWN, enough_queries, settings_of
from searchkit.tune.folds import N_FOLDS, cross_validate
from searchkit.tune.gate import Verdict, judge, spell
from searchkit.tune.kept_pairs import kept
from searchkit.tune.measure import MEASURE, measure
from searchkit.types import Qrels, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteOptions:
    """How a model is measured, and whether it may be switched on."""

    depth: int | None = None  # documents a reranker reads; None: as it or the pipeline says
    n_folds: int = N_FOLDS
    alpha: float = ALPHA
    seed: int = 0
    device: Device = "auto"
    trust_remote_code: bool = False
    dry_run: bool = False  # judge and record the attempt, leave the pipeline alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What came of it. Values are nDCG@10, means over the judged queries."""

    model: str
    verdict: Verdict
    pipeline: Pipeline  # what is written, or would have been
    weight: float  # of the first stage for a reranker, of the model in the fusion for an encoder
    weights_by_fold: tuple[float, ...]
    quality: float  # with the model, cross-validated
    baseline: float  # without
    qrels: str  # sha256 of the judgements
    n_unjudged: int  # queries without a judgement, left out
    n_missing: int  # judged queries without a text, left out
    outside: dict[str, int] = field(default_factory=dict)  # subset -> ids that are no query here
    written: bool  # the pipeline is in force

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "verdict": self.verdict.to_dict(),
            "pipeline": self.pipeline.to_dict(),
        }


def promote(
    model: str,
    index: Path,
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    subsets: Mapping[str, Collection[str]] | None = None,
    options: PromoteOptions | None = None,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Promotion:
    """Put the model into the index's pipeline if the gate finds it better than without.

    The weight is cross-validated: what counts is the value of queries that took no part in its
    choice. A pass commits a new generation that shares all parts. Either way the attempt is
    recorded, a dry run's as well: whoever promotes the best of many has tried them all. Costs one
    scoring of each query's head. Interrupted, nothing is written; run again, it goes on.
    """
    options, asked = options or PromoteOptions(), enough_queries(queries, qrels)
    named, outside = _subsets(subsets or {}, asked)
    measured = _measure(model, index, asked, qrels, options=options, watch=watch)
    contest, values = measured.contest, measured.values
    folded = cross_validate(values[:, 1:], n_folds=options.n_folds, seed=options.seed)
    best = contest.candidates[folded.setting]
    hashed = qrels_hash(qrels)
    with unchanged(index, measured.generation) as live:
        made = n_others(read_attempts(index), qrels=hashed, identity=measured.identity)
        verdict = judge(
            measured.by_query(folded.values),
            measured.by_query(values[:, 0]),
            subsets=named,
            n_attempts_before=made,
            alpha=options.alpha,
            seed=options.seed,
        )
        promotion = Promotion(
            model=contest.name,
            verdict=verdict,
            pipeline=replace(best.pipeline, why=_why(contest, verdict, hashed)),
            weight=best.weight,
            weights_by_fold=tuple(contest.candidates[n].weight for n in folded.chosen),
            quality=float(folded.values.mean()),
            baseline=float(values[:, 0].mean()),
            qrels=hashed,
            n_unjudged=len(queries) - len(asked),
            n_missing=len(qrels) - len(asked),
            outside=outside,
            written=verdict.passed and not options.dry_run,
        )
        _commit(index, live, promotion, measured)
    return promotion


def _commit(index: Path, live: Generation, promotion: Promotion, measured: _Measured) -> None:
    """The attempt first: a crash between the two may not lose it."""
    record(index, _attempt(promotion, measured.contest, measured.settings))
    if promotion.written:
        switch_pipeline(index, live, promotion.pipeline.to_dict())


class _Measured(NamedTuple):
    ids: list[str]  # of the queries
    contest: Contest
    values: NDArray[np.float64]  # (n_queries, 1 + n_candidates), the baseline first
    settings: str
    generation: int

    @property
    def identity(self) -> tuple[str, str]:
        return self.contest.fingerprint, self.settings

    def by_query(self, values: NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(self.ids, values.tolist(), strict=True))


def _measure(
    model: str,
    index: Path,
    asked: Sequence[Query],
    qrels: Qrels,
    *,
    options: PromoteOptions,
    watch: Watch,
) -> _Measured:
    opening = OpenOptions(device=options.device, trust_remote_code=options.trust_remote_code)
    reading = CrossEncoderOptions(
        device=options.device, trust_remote_code=options.trust_remote_code
    )
    with open_searcher(index, options=opening) as searcher:
        refuse_cascade(searcher.pipeline)
        number = searcher.index.generation.number
        with unchanged(index, number):
            read_attempts(index)  # a record or a disk that refuses is known before the long work
        contest = contest_of(model, searcher, options=reading, depth=options.depth)
        tried = [contest.baseline, *(one.pipeline for one in contest.candidates)]
        with ExitStack() as open_files:
            scorers = {
                name: open_files.enter_context(kept(one)) for name, one in contest.scorers.items()
            }
            progress = watch(f"rank with {contest.name}")
            values = measure(searcher, tried, asked, qrels, scorers=scorers, progress=progress)
        settings = settings_of(
            searcher.index, tried, asked, folds=options.n_folds, seed=options.seed
        )
        return _Measured([query.id for query in asked], contest, values, settings, number)


def _subsets(
    subsets: Mapping[str, Collection[str]], asked: Sequence[Query]
) -> tuple[dict[str, set[str]], dict[str, int]]:
    """The judged queries of each subset, and how many ids of it are none."""
    ids = {query.id for query in asked}
    named = {name: ids & set(wanted) for name, wanted in subsets.items()}
    for name, found in named.items():
        if not found:
            raise ConfigError(f"the subset {name} has none of the judged queries. Check its ids.")
    return named, {name: len(set(subsets[name]) - ids) for name in subsets}


def _why(contest: Contest, verdict: Verdict, hashed: str) -> str:
    """What a searcher reads of the evidence."""
    found = verdict.overall
    return (
        f"{contest.name} was promoted: {MEASURE} {spell(found)}, {found.n_queries:,} queries, "
        f"attempt {verdict.n_attempts} on the judgements {hashed[:SHOWN]}."
    )


def _attempt(promotion: Promotion, contest: Contest, settings: str) -> Attempt:
    overall = promotion.verdict.overall
    return Attempt(
        qrels=promotion.qrels,
        model=contest.name,
        fingerprint=contest.fingerprint,
        settings=settings,
        weight=promotion.weight,
        n_queries=overall.n_queries,
        difference=overall.difference,
        p=overall.p,
        threshold=promotion.verdict.threshold,
        passed=promotion.verdict.passed,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
