"""Evaluations of several runs and collections -> each against a baseline, corrected together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from searchkit.evaluate.compare import Comparison, compare_strata, holm, paired
from searchkit.evaluate.measures import Evaluation
from searchkit.evaluate.power import ALPHA
from searchkit.protocols import Progress

ALL_QUERIES, ALL_COLLECTIONS = "all queries alike", "all collections alike"
Collections: TypeAlias = Mapping[str, Mapping[str, Evaluation]]  # collection -> run -> values
_DRAWS, _MOST_DRAWS = 10_000, 100_000
_DRAWS_BELOW = 100  # draws that should lie beyond a corrected level, so that a p near it is known


@dataclass(frozen=True, slots=True)
class Against:
    """One run held against the baseline by one measure, and its place among the others."""

    collection: str  # or ALL_QUERIES or ALL_COLLECTIONS, the two means over several
    run: str
    measure: str
    found: Comparison
    p_holm: float  # p of the randomisation test, corrected for all comparisons made with it


@dataclass(frozen=True, slots=True)
class Moved:
    """A query that two runs answer differently well."""

    collection: str
    query: str
    value: float
    baseline: float

    @property
    def difference(self) -> float:
        return self.value - self.baseline


def compare_all(
    evaluations: Collections,
    *,
    baseline: str,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> list[Against]:
    """Every other run against the baseline by every measure, in each collection.

    Over several collections two more follow, "all queries alike" and "all collections alike",
    stratified by collection. All p that come back are corrected together by Holm's rule.
    """
    places = list(_places(evaluations, baseline))
    n_draws = int(min(_MOST_DRAWS, max(_DRAWS, _DRAWS_BELOW * len(places) / ALPHA)))
    compared = []
    for n, (collection, run, measure) in enumerate(places):
        found = compare_strata(
            {
                name: paired(runs[run], runs[baseline], measure)
                for name, runs in evaluations.items()
                if collection in (name, ALL_QUERIES, ALL_COLLECTIONS)
            },
            mean_over="strata" if collection == ALL_COLLECTIONS else "queries",
            n_draws=n_draws,
            seed=seed,
        )
        compared.append(Against(collection, run, measure, found, found.p))
        progress(n + 1, len(places))
    corrected = holm([one.found.p for one in compared])
    return [replace(one, p_holm=p) for one, p in zip(compared, corrected, strict=True)]


def means(evaluations: Collections) -> dict[str, dict[str, dict[str, float]]]:
    """ALL_QUERIES and ALL_COLLECTIONS -> run -> measure -> mean; nothing for one collection."""
    if len(evaluations) < 2:
        return {}
    found: dict[str, dict[str, dict[str, float]]] = {ALL_QUERIES: {}, ALL_COLLECTIONS: {}}
    for run, first in next(iter(evaluations.values())).items():
        each = [runs[run] for runs in evaluations.values()]
        n_queries = sum(one.n_queries for one in each)
        for measure in first.mean:
            totals = [sum(v[measure] for v in one.per_query.values()) for one in each]
            of_each = [total / one.n_queries for total, one in zip(totals, each, strict=True)]
            found[ALL_QUERIES].setdefault(run, {})[measure] = sum(totals) / n_queries
            found[ALL_COLLECTIONS].setdefault(run, {})[measure] = sum(of_each) / len(each)
    return found


def most_moved(
    evaluations: Collections, *, run: str, baseline: str, measure: str, n: int
) -> tuple[list[Moved], list[Moved]]:
    """The n most helped queries of a run, and the n most hurt, the most moved first.

    Equal moves stand by collection and query id; a query that did not move is in neither.
    """
    moved = [
        Moved(name, query, values[measure], runs[baseline].per_query[query][measure])
        for name, runs in sorted(evaluations.items())
        for query, values in sorted(runs[run].per_query.items())
    ]
    moved.sort(key=lambda one: -abs(round(one.difference, 12)))  # 0.7 - 0.5 is a little below 0.2
    helped = [one for one in moved if one.difference > 0]
    hurt = [one for one in moved if one.difference < 0]
    return helped[:n], hurt[:n]


def _places(evaluations: Collections, baseline: str) -> Iterator[tuple[str, str, str]]:
    means_too = (ALL_QUERIES, ALL_COLLECTIONS) if len(evaluations) > 1 else ()
    runs = next(iter(evaluations.values()))
    for run, found in runs.items():
        if run != baseline:
            for measure in found.mean:
                yield from ((name, run, measure) for name in (*evaluations, *means_too))
