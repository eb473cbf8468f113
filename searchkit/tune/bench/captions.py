"""A bench -> what one sees in each of its figures, in words."""

from __future__ import annotations

from searchkit.evaluate.plot_style import short, signed, spell_ms
from searchkit.evaluate.plots import Point, frontier
from searchkit.tune.bench.quality import NDCG
from searchkit.tune.bench.result import Bench
from searchkit.tune.bench.words import count_queries


def captions(bench: Bench) -> dict[str, str]:
    """Name of a figure -> its caption."""
    found = {"depth": _depth(bench), "latency": _latency(bench)}
    if len(bench.stages) > 1:
        found["pareto"] = _pareto(bench)
    return found | ({"differences": _differences(bench)} if bench.against else {})


def _pareto(bench: Bench) -> str:
    points = [Point(one.name, one.latency_ms["p50"], one.values[NDCG]) for one in bench.stages]
    best = [one.name for one in frontier(points)]
    others = [one.name for one in bench.stages if one.name not in best]
    if len(best) == 1:
        rest = f" {best[0]} is both faster and better than {_listed(others)}." if others else ""
        return f"Quality against time.{rest}"
    beaten = f" Something is both faster and better than {_listed(others)}." if others else ""
    return (
        f"Quality against time. The band joins the stages that no other is both faster and better "
        f"than: {_listed(best)}.{beaten}"
    )


def _depth(bench: Bench) -> str:
    most = max(depth for curve in bench.recall.values() for depth in curve)
    held = bench.recall[bench.baseline][most]
    recall = (
        f"Recall by the number of candidates: {most:,} of {bench.baseline} hold {held:.1%} of the "
        "relevant documents"
    )
    if not bench.ceilings:
        return f"{recall}."
    recall += ", and no stage behind it can find the others."
    name, ceiling = next(iter(bench.ceilings.items()))
    return (
        f"Left: {NDCG} by how many documents the reranker reads. In the best possible order "
        f"the {ceiling.depth} that {name} reads would reach {short(ceiling.ndcg)}; it reaches "
        f"{short(bench.stage(name).values[NDCG])}. Right: {recall[0].lower()}{recall[1:]}"
    )


def _differences(bench: Bench) -> str:
    found, _ = bench.comparison()
    return (
        f"{NDCG} of {bench.focus} less that of {bench.against}, query by query, sorted: "
        f"{found.n_better:,} better, {found.n_ties:,} the same, {found.n_worse:,} worse. The "
        f"dashed line is the mean, {signed(found.difference)}, the band its 95% interval."
    )


def _latency(bench: Bench) -> str:
    several = len(bench.stages) > 1
    said = (
        f"Times of {count_queries(bench.asked['timed'])}, one at a time"
        f"{', in every stage' if several else ''}. The long line is the median, the short one the "
        "95th percentile."
    )
    slowest = max(bench.stages, key=lambda one: one.latency_ms["p50"])
    longest = f" {slowest.name} takes longest, {spell_ms(slowest.latency_ms['p50'])}."
    return said + longest if several else said


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
