"""A bench -> the rows of its tables, as wide as the terminal allows."""

from __future__ import annotations

from collections.abc import Sequence

from searchkit.cli.screen import aligned
from searchkit.evaluate.plot_style import short, signed, spell_ms
from searchkit.tune.bench.quality import MEASURES
from searchkit.tune.bench.result import Bench, StageResult
from searchkit.tune.bench.words import rough_bytes, significance

_COST = ("p50", "p95", "p99", "cold", "queries/s", "memory", "index", "models")


def tables(bench: Bench, *, width: int) -> list[list[list[str]]]:
    """One table, or where it is too wide two: quality, then cost. Then the ceilings, if any.

    Where no stage is compared with another there are no columns for it.
    """
    names = ["stage", *(one.name for one in bench.stages)]
    quality = [list(MEASURES), *([short(one.values[m]) for m in MEASURES] for one in bench.stages)]
    if bench.against:
        compared = [[f"- {bench.baseline}", "p (Holm)"], *map(_compared, bench.stages)]
        quality = [a + b for a, b in zip(quality, compared, strict=True)]
    cost = [list(_COST), *(_cost(one) for one in bench.stages)]
    whole = _joined(names, quality, cost)
    found = [whole]
    if max(map(len, aligned(whole, numbers=1))) > width:
        found = [_joined(names, quality), _joined(names, cost)]
    return found + ([_ceilings(bench)] if bench.ceilings else [])


def _joined(names: Sequence[str], *blocks: Sequence[Sequence[str]]) -> list[list[str]]:
    return [
        [name, *(cell for row in rows for cell in row)]
        for name, *rows in zip(names, *blocks, strict=True)
    ]


def _compared(one: StageResult) -> list[str]:
    return [signed(one.against.difference) if one.against else "", significance(one.p_holm)]


def _cost(one: StageResult) -> list[str]:
    rate = f"{one.batch_qps:,.0f}" if one.batch_qps >= 10 else f"{one.batch_qps:.1f}"
    times = [spell_ms(one.latency_ms[name]) for name in ("p50", "p95", "p99")]
    sizes = [rough_bytes(n) for n in (one.peak_bytes, one.disk_bytes, one.model_bytes)]
    return [*times, spell_ms(one.cold_ms), rate, *sizes]


def _ceilings(bench: Bench) -> list[list[str]]:
    rows = [["ceiling", "reads", "recall of these", "nDCG@10 in the best order"]]
    rows += [
        [name, f"{one.depth:,}", short(one.recall), short(one.ndcg)]
        for name, one in bench.ceilings.items()
    ]
    return rows
