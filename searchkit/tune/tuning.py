"""What came of tuning: both pipelines, the evidence, and how sure the choice is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchkit.evaluate.power import ALPHA
from searchkit.models.device import Device
from searchkit.search.choose import AUTO
from searchkit.search.pipeline import Pipeline
from searchkit.tune.folds import N_FOLDS
from searchkit.tune.gate import Verdict
from searchkit.tune.measure import MEASURE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLAT = 0.005  # settings that are so near to the best are as good for all that a user sees


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """How settings are compared, and whether the best may be switched on."""

    measure: str = MEASURE  # any of ir-measures with a cutoff up to 100
    n_folds: int = N_FOLDS
    seed: int = 0
    max_ms: float | None = None  # that an answer may take here, p95; None: no limit
    reranker: str | None = AUTO  # name, "auto" (the pipeline's), or None
    alpha: float = ALPHA
    device: Device = "auto"
    trust_remote_code: bool = False
    dry_run: bool = False  # tune and record the attempt, leave the pipeline alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What was chosen without the queries of a fold, and what it is worth on them."""

    queries: tuple[str, ...]
    pipeline: Pipeline
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A setting near the top by all queries: fitted to them, so the value is too good."""

    pipeline: Pipeline
    fitted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What a limit on the time of an answer was held against, in ms, p95 on this machine."""

    max_ms: float
    parts_ms: Mapping[str, float]  # each part of a pipeline, measured alone
    current_ms: float  # of the pipeline in force, predicted
    predicted_ms: float  # of the tuned one: the sum over its parts
    measured_ms: float  # of the tuned one as a whole
    n_dropped: int  # first stages that are too slow without any reranker
    n_refused: int  # settings that were chosen, measured, and too slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Values are means of the measure over the judged queries."""

    measure: str
    current: Pipeline
    tuned: Pipeline  # chosen on all queries; written, or would have been
    verdict: Verdict
    quality: float  # of the choice, cross-validated
    baseline: float  # of the current pipeline
    fitted: float  # of the tuned pipeline on the queries that it was chosen on: too good
    folds: tuple[Fold, ...]
    near: tuple[Near, ...]  # the best by all queries, best first
    n_near: int  # settings within FLAT of the best, by all queries
    n_firsts: int  # first stages that were tried
    n_reranks: int  # ways to rerank each, 1 where nothing reranks
    per_query: dict[str, tuple[float, float]] = field(repr=False)  # current, tuned without its fold
    latency: Latency | None
    times_s: dict[str, float]  # what each stage took, and "settings": the search over them
    processor_s: dict[str, float]  # the same in time of the processor, which others may use too
    notes: tuple[str, ...]
    qrels: str  # sha256 of the judgements
    n_unjudged: int  # queries without a judgement, left out
    n_missing: int  # judged queries without a text, left out
    is_current: bool  # the current pipeline is what was chosen
    is_apart: bool  # measured without the reranker of the pipeline in force, so never written
    written: bool  # the pipeline is in force
    why: str  # one sentence: what was found, and why it was written or not

    def write(self, path: Path) -> None:
        """Write a report: .json has everything, .md is for people."""
        from searchkit.tune.tuning_words import write_report  # which reads this module

        write_report(self, path)

    def figure(self) -> Figure:
        """A dot a query: by the pipeline in force, and by settings chosen without it."""
        from searchkit.evaluate.plots import before_and_after

        return before_and_after(
            np.array([*self.per_query.values()]),
            before="in force",
            after="tuned without this query",
            measure=self.measure,
        )

    @property
    def optimism(self) -> float:
        """How much better the tuned pipeline looks on the queries that chose it."""
        return self.fitted - self.quality

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON stores it."""
        return asdict(self) | {
            "current": self.current.to_dict(),
            "tuned": self.tuned.to_dict(),
            "verdict": self.verdict.to_dict(),
            "optimism": self.optimism,
            "folds": [asdict(one) | {"pipeline": one.pipeline.to_dict()} for one in self.folds],
            "near": [
                {"pipeline": one.pipeline.to_dict(), "fitted": one.fitted} for one in self.near
            ],
        }


def settings_by_name(pipeline: Pipeline) -> dict[str, str]:
    """The settings that tuning looks at, as a person reads them."""
    bm25, fusion = pipeline.bm25, pipeline.fusion
    shown = {"k1": f"{bm25.k1:g}", "b": f"{bm25.b:g}"}
    shown |= {"title weight": f"{bm25.title_weight:g}"}
    if pipeline.encoders:
        how = f"rrf, k0 {fusion.k0:g}" if fusion.kind == "rrf" else f"convex, {fusion.normaliser}"
        names = ("bm25", *pipeline.encoders)
        weights = zip(names, fusion.weights_of(names), strict=True)
        shown |= {"fusion": how, "depth": f"{pipeline.depth:,}"}
        shown |= {f"weight of {name}": f"{weight:g}" for name, weight in weights}
    if pipeline.reranker:
        shown |= {"reranker": pipeline.reranker, "rerank depth": f"{pipeline.rerank.depth}"}
        weight = pipeline.rerank.interpolation
        shown["weight of the first stage"] = "none" if weight is None else f"{weight:g}"
        if weight is not None:
            shown["scale of the reranker"] = pipeline.rerank.scale
    return shown
