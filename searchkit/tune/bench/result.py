"""What a bench measured, as a value: rows of the table, curves, and what changed most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from searchkit.evaluate.compare import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One row of the table. Measures are means over the judged queries, in [0, 1]."""

    name: str
    values: Mapping[str, float]  # nDCG@10, RR@10 and R@100
    unjudged_at_10: float  # share of the first 10 that nobody judged
    against: Comparison | None  # nDCG@10 against the baseline; None for the baseline
    p_holm: float | None  # corrected for the number of stages compared
    latency_ms: Mapping[str, float]  # p50, p95 and p99, warm
    cold_ms: float  # one search in a fresh process
    batch_qps: float  # queries a second, asked 32 at a time
    peak_bytes: int  # of the fresh process
    disk_bytes: int  # of the index's parts that it reads
    model_bytes: int  # of the weights that it loads
    depth: int  # documents that it ranks, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What a reranker could reach if it put what it reads in the best order."""

    depth: int  # documents that it reads
    recall: float  # of the relevant documents, those among them
    ndcg: float  # nDCG@10 of the best order


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A document among the first hits."""

    id: str
    title: str
    grade: int | None  # None where nobody judged it


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A relevant document and where two stages put it; None beyond the first 10."""

    id: str
    title: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedQuery:
    """A query that the last stage helped or hurt most."""

    id: str
    text: str
    before: float  # nDCG@10
    after: float
    relevant: tuple[Placed, ...]  # those whose place among the first 10 changed
    first_before: tuple[Seen, ...]
    first_after: tuple[Seen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Quality and cost of every stage of one index, and all that says what was measured."""

    index: Mapping[str, Any]  # path, generation, fingerprint, documents, encoders, pipeline
    asked: Mapping[str, Any]  # what the queries are, how many, and what was left out
    about: Mapping[str, Any]  # machine, versions, commit, time, seed, device
    baseline: str  # the stage that others are compared with
    focus: str  # the stage whose difference from `against` is looked at query by query
    against: str  # "" where there is one stage alone
    stages: tuple[StageResult, ...]
    ceilings: Mapping[str, Ceiling]  # by reranked stage
    recall: Mapping[str, Mapping[int, float]]  # retrieving stage -> candidates -> recall
    by_depth: Mapping[str, Mapping[int, float]]  # reranked stage -> documents read -> nDCG@10
    oracle: Mapping[int, float]  # documents read -> nDCG@10 in the best order
    helped: tuple[MovedQuery, ...]
    hurt: tuple[MovedQuery, ...]
    texts: Mapping[str, str] = field(repr=False)  # query -> what was asked
    values: Mapping[str, Mapping[str, Mapping[str, float]]] = field(repr=False)  # by stage, query
    times_ms: Mapping[str, Mapping[str, float]] = field(repr=False)  # by stage, query that is timed

    def stage(self, name: str) -> StageResult:
        return next(one for one in self.stages if one.name == name)

    def differences(self) -> NDArray[np.float64]:
        """nDCG@10 of `focus` less that of `against`, query by query: (n_queries,)."""
        if not self.against:
            return np.empty(0)
        with_, without = self.values[self.focus], self.values[self.against]
        return np.array([with_[query]["nDCG@10"] - without[query]["nDCG@10"] for query in without])

    def comparison(self) -> tuple[Comparison, float]:
        """`focus` against `against` by nDCG@10, and its p, corrected; ValueError without one."""
        last, before = self.stage(self.focus), self.stage(self.against or self.focus)
        if last.against is not None and last.p_holm is not None:
            return last.against, last.p_holm
        if before.against is None or before.p_holm is None:
            raise ValueError(f"{self.focus} was compared with nothing")
        found = before.against  # of BM25 against fused: the other way round
        turned = replace(
            found,
            difference=-found.difference,
            low=-found.high,
            high=-found.low,
            n_better=found.n_worse,
            n_worse=found.n_better,
        )
        return turned, before.p_holm

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON holds them; values of single queries are `per_query`'s."""
        from searchkit.tune.bench.words import caveats, verdict

        kept = asdict(self)
        for name in ("texts", "values", "times_ms"):
            del kept[name]
        said = {"verdict": verdict(self), "caveats": caveats(self)}
        found: dict[str, Any] = _as_json(said | kept)
        return found

    def per_query(self) -> list[dict[str, Any]]:
        """One row a stage and query: its measures, and its milliseconds where it was timed."""
        return [
            {
                "stage": stage,
                "query": query,
                **values,
                "latency_ms": self.times_ms[stage].get(query),
            }
            for stage, by_query in self.values.items()
            for query, values in by_query.items()
        ]

    def figures(self) -> dict[str, Figure]:
        """Name -> matplotlib figure: what the report shows."""
        from searchkit.tune.bench.figures import figures

        return figures(self)

    def write(self, out: Path) -> None:
        """Write report.html, bench.json, per_query.parquet and the figures into a folder.

        An earlier report there is replaced once this one is whole; ConfigError where something
        else stands there.
        """
        from searchkit.tune.bench.report import write_report

        write_report(self, out)


def _as_json(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return {str(key): _as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(one) for one in value]
    if isinstance(value, float) and not isfinite(value):
        return None  # JSON has no infinity
    return value
