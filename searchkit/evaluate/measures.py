"""Run, qrels and measures -> values per query and their means, by ir-measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from searchkit.errors import CorpusError
from searchkit.evaluate.measure_names import parse_measures, pipeline
from searchkit.types import Qrels, Run

if TYPE_CHECKING:
    from ir_measures import Measure

__all__ = ["Evaluation", "evaluate", "parse_measures"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one run is worth by some judgements. Measures stand under ir-measures' own names."""

    per_query: dict[str, dict[str, float]]  # judged query -> measure -> value
    mean: dict[str, float]  # measure -> mean over the judged queries; the sum for Num...
    n_queries: int  # judged
    n_missing: int  # of them without a result: each counts 0
    n_ignored: int  # queries of the run without a judgement: they count nothing
    unjudged_at_10: float  # share of unjudged documents in the first 10 of the judged queries


def evaluate(run: Run, qrels: Qrels, measures: Sequence[Measure]) -> Evaluation:
    """Every measure over the order of the run's lists, whatever their scores are.

    Tools break ties differently, so they are handed scores that fall strictly with the rank.
    CorpusError where nothing is judged, no query of the run is, or a document occurs twice.
    """
    judged = {query: dict(grades) for query, grades in qrels.items() if grades}
    if not judged:
        raise CorpusError("qrels", None, "no query is judged; check the file")
    results = {query: found for query, found in run.items() if found and query in judged}
    if any(run.values()) and not results:
        raise CorpusError("run", None, "none of its queries is judged; is it the right qrels file?")
    per_query, mean = _values(results, judged, measures)
    return Evaluation(
        per_query=per_query,
        mean=mean,
        n_queries=len(judged),
        n_missing=len(judged) - len(results),
        n_ignored=sum(query not in judged for query in run),
        unjudged_at_10=_unjudged(results, judged, depth=10),
    )


def _values(
    results: Run, judged: Mapping[str, dict[str, int]], measures: Sequence[Measure]
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Values by query, and their means: added up in ir-measures' order, to its last digit."""
    from ir_measures import Metric

    falling = {query: _falling_scores(query, found) for query, found in results.items()}
    found: Iterable[Metric] = pipeline().iter_calc(measures, judged, falling) if falling else ()
    if not falling:  # which some packages refuse
        found = [Metric(query, m, m.DEFAULT) for query in judged for m in measures]
    values = {query: {str(m): float(m.DEFAULT) for m in measures} for query in judged}
    totals = {measure: measure.aggregator() for measure in measures}
    for metric in found:
        values[metric.query_id][str(metric.measure)] = float(metric.value)
        totals[metric.measure].add(metric.value)
    return values, {str(measure): float(totals[measure].result()) for measure in measures}


def _falling_scores(query: str, found: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Scores n, n - 1, ... 1: above 0, because some measures give 0 to what was not found."""
    scores = {doc: float(len(found) - i) for i, (doc, _) in enumerate(found)}
    if len(scores) < len(found):
        docs = [doc for doc, _ in found]
        twice = next(doc for doc in docs if docs.count(doc) > 1)
        raise CorpusError("run", None, f"query {query!r} has document {twice!r} twice; keep one")
    return scores


def _unjudged(results: Run, judged: Mapping[str, Mapping[str, int]], *, depth: int) -> float:
    known = [doc in judged[query] for query, found in results.items() for doc, _ in found[:depth]]
    return known.count(False) / len(known) if known else 0.0
