"""An index and judged queries -> the settings that rank them best, in the index's pipeline or not.

Every score is computed once, and every setting ranks by it. A choice is worth what it gives to
queries that took no part in it (k-fold cross-validation); by that value it has to beat the pipeline
in force, at a p corrected for all attempts against the same judgements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from searchkit.errors import ConfigError
from searchkit.index.build import Watch
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.pipeline import Pipeline
from searchkit.tune.attempts import Attempt, n_others, qrels_hash, read_attempts, record
from searchkit.tune.candidates import refuse_cascade
from searchkit.tune.evidence import SHOWN, enough_queries
from searchkit.tune.folds import split
from searchkit.tune.gate import Verdict, judge, spell
from searchkit.tune.stopwatch import Stopwatch
from searchkit.tune.trial import MakeTimer, Trial, run_trial
from searchkit.tune.tuning import Fold, Latency, TuneOptions, Tuning
from searchkit.tune.worth import cutoff_of
from searchkit.types import Qrels, Query

__all__ = ["TuneOptions", "Tuning", "tune"]

_NAME = "tune"  # in the record of attempts


def tune(
    index: Path,
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    options: TuneOptions | None = None,
    timer: MakeTimer = Stopwatch,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Tuning:
    """Choose the settings of an index's pipeline, and write them if the gate finds them better.

    Tried are k1, b and the weight of titles, every way to fuse at weights on a grid, depths and,
    with a reranker, how deep it reads and how far it is believed. Without vectors BM25 is tuned
    alone. The first stage is chosen by its own ranking, then the way to rerank it; both without
    the queries that value them. Memory: about 80 kB a query. Interrupted or refused, nothing is
    written to the index; the reranker's scores are kept, and the next run goes on from there.
    ConfigError for a measure without a cutoff up to 100, a limit that nothing keeps, fewer than two
    folds or judged queries; CorpusError where none is judged; StorageError where the index was
    written meanwhile.
    """
    options, asked = options or TuneOptions(), enough_queries(queries, qrels)
    _check(options, len(asked))
    opening = OpenOptions(device=options.device, trust_remote_code=options.trust_remote_code)
    with open_searcher(index, options=opening) as searcher:
        refuse_cascade(searcher.pipeline)
        with unchanged(index, searcher.index.generation.number):
            read_attempts(index)  # a record or a disk that refuses is known before the long work
        trial = run_trial(searcher, asked, qrels, options=options, timer=timer, watch=watch)
    hashed = qrels_hash(qrels)
    with unchanged(index, trial.generation) as live:
        made = n_others(read_attempts(index), qrels=hashed, identity=(_NAME, trial.settings))
        verdict = judge(
            trial.by_query(trial.chosen.folded.values),
            trial.by_query(trial.current),
            n_attempts_before=made,
            alpha=options.alpha,
            seed=options.seed,
            measure=options.measure,
        )
        tuning = replace(
            _tuning(trial, verdict, hashed, options),
            n_unjudged=len(queries) - len(asked),
            n_missing=len(qrels) - len(asked),
        )
        record(index, _attempt(tuning, trial))  # first: a crash between the two may not lose it
        if tuning.written:
            switch_pipeline(index, live, tuning.tuned.to_dict())
    return tuning


def _check(options: TuneOptions, n_queries: int) -> None:
    """What would be refused after the long work."""
    cutoff_of(options.measure)
    split(n_queries, n_folds=options.n_folds, seed=options.seed)
    if options.max_ms is not None and not options.max_ms > 0:
        raise ConfigError(f"an answer cannot take {options.max_ms:g} ms. Allow more time.")


def _tuning(trial: Trial, verdict: Verdict, hashed: str, options: TuneOptions) -> Tuning:
    plan, chosen = trial.plan, trial.chosen
    is_current = chosen.folded.setting == plan.home
    passed = verdict.passed and not is_current
    tuned, held = plan.pipeline(*chosen.folded.setting), chosen.folded.values
    return Tuning(
        measure=options.measure,
        current=plan.current,
        tuned=replace(tuned, why=_evidence(trial, verdict, hashed, options.measure)),
        verdict=verdict,
        quality=float(held.mean()),
        baseline=float(trial.current.mean()),
        fitted=chosen.fitted,
        folds=_folds(trial, options),
        near=chosen.near,
        n_near=chosen.n_near,
        n_firsts=len(plan.firsts) - chosen.n_dropped,
        n_reranks=len(plan.options),
        per_query={
            query: (before, after)
            for query, before, after in zip(
                trial.ids, trial.current.tolist(), held.tolist(), strict=True
            )
        },
        latency=_latency(trial, tuned),
        times_s=trial.clock.times_s,
        processor_s=trial.clock.processor_s,
        notes=(*_fewer_folds(len(trial.ids), options.n_folds), *plan.untried),
        qrels=hashed,
        n_unjudged=0,
        n_missing=0,
        is_current=is_current,
        is_apart=plan.is_apart,
        written=passed and not (options.dry_run or plan.is_apart),
        why=_why(trial, verdict, is_current=is_current),
    )


def _fewer_folds(n_queries: int, n_folds: int) -> list[str]:
    if n_folds <= n_queries:
        return []
    return [f"{n_queries:,} folds instead of {n_folds:,}, each of one query: there are no more."]


def _folds(trial: Trial, options: TuneOptions) -> tuple[Fold, ...]:
    folded = trial.chosen.folded
    places = split(len(trial.ids), n_folds=options.n_folds, seed=options.seed)
    return tuple(
        Fold(
            queries=tuple(trial.ids[n] for n in fold.tolist()),
            pipeline=trial.plan.pipeline(*setting),
            quality=float(folded.values[fold].mean()),
        )
        for fold, setting in zip(places, folded.chosen, strict=True)
    )


def _latency(trial: Trial, tuned: Pipeline) -> Latency | None:
    limit, chosen = trial.limit, trial.chosen
    if limit is None:
        return None
    return Latency(
        max_ms=limit.max_ms,
        parts_ms=dict(limit.costs.parts_ms),
        current_ms=limit.costs.of(trial.plan.current),
        predicted_ms=limit.costs.of(tuned),
        measured_ms=chosen.measured_ms,
        n_dropped=chosen.n_dropped,
        n_refused=chosen.n_refused,
    )


def _why(trial: Trial, verdict: Verdict, *, is_current: bool) -> str:
    if is_current:
        n = f"{len(trial.plan.firsts) - trial.chosen.n_dropped:,} first stages"
        return f"the pipeline in force is the best of all that were tried, {n} among them."
    if verdict.passed and trial.plan.is_apart:
        return (
            f"{verdict.why} The pipeline in force reranks, and this was measured without: name "
            "the reranker, or leave it at auto."
        )
    return verdict.why


def _evidence(trial: Trial, verdict: Verdict, hashed: str, measure: str) -> str:
    """What a searcher reads of it, in the pipeline."""
    found = verdict.overall
    return (
        f"tuned by cross-validation: {measure} {spell(found)}, {found.n_queries:,} queries, "
        f"attempt {verdict.n_attempts} on the judgements {hashed[:SHOWN]}."
    )


def _attempt(tuning: Tuning, trial: Trial) -> Attempt:
    overall, tuned = tuning.verdict.overall, tuning.tuned
    return Attempt(
        qrels=tuning.qrels,
        model=_NAME,
        fingerprint=_NAME,
        settings=trial.settings,
        weight=tuned.fusion.weights.get("bm25", 1.0),
        n_queries=overall.n_queries,
        difference=overall.difference,
        p=overall.p,
        threshold=tuning.verdict.threshold,
        passed=tuning.verdict.passed,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        measure=tuning.measure,
    )
