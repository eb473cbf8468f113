"""The README's tables of what a search under way costs: start-up, budgets, ANN, int8."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_tables import Line, table, titled


def startup(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["", "s on the clock", "least", "s of the processor"]]
    for name, median in last["median_s"].items():
        found = (median, last["least_s"][name], last["median_processor_s"][name])
        cells.append([name, *(f"{value:.2f}" for value in found)])
    title = f"Cold commands, index {last['index']}, medians of {last['rounds']}"
    return titled(title, "startup", last, table(cells))


def budget(lines: Sequence[Line]) -> str:
    last = next(line for line in reversed(lines) if "rows" in line)
    head = ["", "median ms", "p95 ms", "pairs read", "nDCG@10"]
    cells = [head]
    for row in last["rows"]:
        ms = [f"{row[name]:.0f}" for name in ("median ms", "p95 ms")]
        cells.append([row["budget"], *ms, f"{row['mean read']:.1f}", f"{row['nDCG@10']:.4f}"])
    clock = "the processor's time" if last["clock"] == "process_time" else "on the clock"
    threads = f"{last['threads']} thread{'s' * (last['threads'] > 1)}"
    title = f"A search within a budget, {last['n_queries']} queries, {threads}, {clock}"
    return titled(title, "budget", last, table(cells))


def ann_bar(lines: Sequence[Line]) -> str:
    largest = max(lines, key=lambda line: line["n_vectors"])
    cells = [["", "recall@100", "one by one", "batched"]]
    rates = largest["queries_per_s"]
    for kind, recall in (("flat", 1.0), (largest["kind"], largest["recall"])):
        found = [f"{rates[f'{kind} {way}']:,.0f}" for way in ("one by one", "batched")]
        cells.append([kind, f"{recall:.4f}", *found])
    title = (
        f"Queries a second over {largest['n_vectors']:,} x {largest['dim']} vectors of real "
        f"sentences, {largest['n_queries']} held-out titles, {largest['threads']} thread"
    )
    return titled(title, "ann_bar", largest, table(cells))


def int8_quality(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["nDCG@10", "float32", "int8", "difference", "p"]]
    for stage, found in last["ndcg_at_10"].items():
        values = [f"{found[way]:.4f}" for way in ("float32", "int8")]
        cells.append([stage, *values, f"{found['difference']:+.4f}", f"{found['p']:.3f}"])
    title = (
        f"Documents encoded in int8 ({last['encoder']}), {last['collection']}, "
        f"{last['n_queries']} queries; mean cosine to float32 {last['cosine']['mean']:.4f}"
    )
    return titled(title, "int8_quality", last, table(cells))
