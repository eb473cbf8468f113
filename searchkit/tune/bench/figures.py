"""A bench -> its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchkit.evaluate.plot_style import colours_of
from searchkit.evaluate.plots import (
    Point,
    by_depth,
    differences,
    latencies,
    pareto,
)
from searchkit.tune.bench.quality import NDCG
from searchkit.tune.bench.result import Bench

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(bench: Bench) -> dict[str, Figure]:
    """Name -> figure, in the order in which a reader wants them."""
    colours = colours_of([one.name for one in bench.stages])
    points = [Point(one.name, one.latency_ms["p50"], one.values[NDCG]) for one in bench.stages]
    baseline = bench.stage(bench.baseline)
    found = {"pareto": pareto(points, colours, measure=NDCG)} if len(points) > 1 else {}
    if bench.against:
        against, _ = bench.comparison()
        mean = (against.difference, against.low, against.high)
        label = f"{NDCG}, {bench.focus}\nless {bench.against}"
        found["differences"] = differences(bench.differences(), label=label, mean=mean)
    found["depth"] = by_depth(
        bench.by_depth,
        bench.recall,
        colours,
        baseline=(baseline.name, baseline.values[NDCG]),
        measure=NDCG,
    )
    times = {name: list(by_query.values()) for name, by_query in bench.times_ms.items()}
    found["latency"] = latencies(times, colours)
    return found
