"""Results of the benchmarks of quality -> tables."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_tables import Line, gain, table, titled

from searchkit.evaluate.compare import holm


def quality(lines: Sequence[Line]) -> str:
    """Every stage by collection, and how far each lies from the fusion."""
    rows = latest(lines)
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    values = [["nDCG@10 / R@100", "queries", *stages]]
    others = [stage for stage in stages if any(is_compared(row, stage) for row in rows)]
    gains = [["nDCG@10 against fused", *others]]
    for collection in dict.fromkeys(row["collection"] for row in rows):
        held = {row["stage"]: row for row in rows if row["collection"] == collection}
        n_queries = f"{next(iter(held.values()))['n_queries']:,}"
        found = [two_measures(held.get(stage, {})) for stage in stages]
        values.append([collection, n_queries, *found])
        gains.append([collection, *(corrected_gain(held.get(stage, {})) for stage in others)])
    shown = titled("Quality", "quality", lines[-1], table(values))
    if others:
        shown += f"\n{table(gains)}\n{NOTE}\n"
    return shown


NOTE = (
    "p by a paired randomisation test, after Holm over the collections of a column. "
    "(cv): tuned and judged within the same queries, by cross-validation. "
    "†: the gate of `tune` would not put these settings in force. "
    "The reranker reads and keeps 50 documents, so that its R@100 is R@50. "
    "arabic_qa runs BM25 alone by default, because MiniLM does not read Arabic; "
    "its fusion here was asked for by name."
)


def latest(lines: Sequence[Line]) -> list[Line]:
    """The last line that has the fusion, with columns that later lines added set by set."""
    whole = max(
        n for n, line in enumerate(lines) if any(row["stage"] == "fused" for row in line["rows"])
    )
    added = list(
        {
            (row["stage"], row["collection"]): row
            for line in lines[whole + 1 :]
            for row in line["rows"]
        }.values()
    )
    stages = {row["stage"] for row in added}
    rows = [row for row in lines[whole]["rows"] if row["stage"] not in stages] + added
    return [{**row, **corrected(row, rows)} for row in rows]


def corrected(row: Line, rows: Sequence[Line]) -> Line:
    """Holm's p of a row over the collections of its column."""
    if "p" not in row or row["stage"] == "fused":
        return {}
    column = [other for other in rows if other["stage"] == row["stage"]]
    return {"holm": holm([other["p"] for other in column])[column.index(row)]}


def is_compared(row: Line, stage: str) -> bool:
    return row["stage"] == stage and "holm" in row


def two_measures(row: Line) -> str:
    if not row:
        return ""
    found = [f"{row[name]:.4f}" for name in ("nDCG@10", "R@100") if row.get(name) is not None]
    marks = " (cv)" if row.get("cross_validated") else ""
    return " / ".join(found) + marks + ("" if row.get("gate", True) else " †")


def corrected_gain(row: Line) -> str:
    return f"{row['difference']:+.4f}, p {row['holm']:.4f}" if "holm" in row else ""


def house_quality(lines: Sequence[Line]) -> str:
    """The packaged reranker at its shipped weight, on each collection and over all queries."""
    last = lines[-1]
    cells = [["nDCG@10", "queries", "fused", "reranked", "gain"]]
    for row in last["rows"]:
        means = [f"{row[stage]:.4f}" for stage in ("fused", "reranked")]
        cells.append([row["collection"], f"{row['n_queries']:,}", *means, gain(row)])
    for unit, name in (("queries", "all queries alike"), ("strata", "all collections alike")):
        row = last["pooled"][unit]
        cells.append([name, f"{row['n_queries']:,}", "", "", gain(row)])
    title = f"The packaged reranker, {last['model']}, over the first {last['depth']}"
    return titled(title, "house_quality", last, table(cells))


def adapt_citances(lines: Sequence[Line]) -> str:
    """MiniLM and what training on citing sentences made of it."""
    last = lines[-1]
    cells = [["dense retrieval alone", "queries", "MiniLM", "adapted", "gain"]]
    for row in last["rows"]:
        means = [f"{row[model]:.4f}" for model in ("MiniLM", "adapted")]
        cells.append([row["measure"], f"{row['n_queries']:,}", *means, gain(row)])
    title = f"A bi-encoder adapted on {last['n_pairs']:,} citing sentences, scisumm_citance dev"
    return titled(title, "adapt_citances", last, table(cells))
