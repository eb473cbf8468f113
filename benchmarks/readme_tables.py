"""results/*.json -> the tables between the marks `<!-- figures -->` of the README.

The last line of a benchmark counts; a benchmark without results has no table.

    python benchmarks/readme_tables.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from report import RESULTS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
Line: TypeAlias = dict[str, Any]


def quality(lines: Sequence[Line]) -> str:
    """nDCG@10 of every stage by collection, and whether fusing is better than its better half."""
    rows = lines[-1]["rows"]
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    cells = [["nDCG@10 / R@100", "queries", *stages, "fused against the better one"]]
    for collection in dict.fromkeys(row["collection"] for row in rows):
        held = {row["stage"]: row for row in rows if row["collection"] == collection}
        n_queries = f"{next(iter(held.values()))['n_queries']:,}"
        figures = [two_measures(held.get(stage, {})) for stage in stages]
        cells.append([collection, n_queries, *figures, gain(held.get("fused", {}))])
    return titled("Quality", "quality", lines[-1], table(cells))


def two_measures(row: Line) -> str:
    return f"{row['nDCG@10']:.4f} / {row['R@100']:.4f}" if row else ""


def gain(row: Line) -> str:
    if "difference" not in row:
        return ""
    low, high = row["interval"]
    return f"{row['difference']:+.4f} [{low:+.4f}, {high:+.4f}], p {row['p']:.4f}"


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


def build_lexical(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["", "seconds", "peak MB", "on disk MB", "our time to theirs"]]
    for peer, found in last["medians"].items():
        ratio = "" if peer == "searchkit" else f"{last['time_ratio'][peer]:.2f}"
        size = [f"{found[key]:,}" for key in ("peak_mb", "disk_mb")]
        cells.append([peer, f"{found['seconds']:.1f}", *size, ratio])
    title = f"Lexical index of {last['n_docs']:,} abstracts, stemmed, texts stored"
    return titled(title, "build_lexical", last, table(cells))


def search_lexical(lines: Sequence[Line]) -> str:
    """BM25 queries a second: the last line of each length of queries."""
    latest = {tuple(line["terms"]): line for line in lines}
    last = lines[-1]
    peers = list(last["queries_per_s"])
    cells = [["terms in a query", *peers, "ours to bm25s"]]
    for (least, most), line in sorted(latest.items()):
        rates = [f"{line['queries_per_s'][peer]:,.0f}" for peer in peers]
        cells.append([f"{least} to {most}", *rates, f"{line['ratio_to_bm25s']:.2f}"])
    title = f"BM25 queries a second, top 100 of {last['n_docs']:,} abstracts, text to documents"
    return titled(title, "search_lexical", last, table(cells))


def latency(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["one warm search", "median ms", "p95 ms"]]
    for name, ms in last["ms"].items():
        cells.append([name, f"{ms['median']:.1f}", f"{ms['p95']:.1f}"])
    title = f"Time of a search in {last['n_docs']:,} abstracts, {last['collection']}"
    return titled(title, "latency", last, table(cells))


def train_recipes(lines: Sequence[Line]) -> str:
    """Of each recipe the base it was tried with, the fall of its loss, and what was measured."""
    last = lines[-1]
    head = ["recipe", "base", "examples", "steps", "loss, first to last fifth", "held out"]
    cells = [[*head, "in a search"]]
    for name, found in last["recipes"].items():
        fall = f"{found['loss_first_fifth']:.4f} to {found['loss_last_fifth']:.4f}"
        base, numbers = found["architecture"], [f"{found[key]:,}" for key in ("rows", "steps")]
        cells.append([name, base, *numbers, fall, headline(found["metrics"]), use(found["search"])])
        if full := found.get("bert_base"):
            cells.append(["", full["architecture"], "", str(full["steps"]), *[""] * 3])
    return titled("Five recipes, trained", "train_recipes", last, table(cells))


def headline(metrics: Line) -> str:
    wanted = ("average_precision", "f1", "ndcg@10")
    found = ((name, metrics[key]) for name in wanted for key in metrics if key.endswith(name))
    name, value = next(found)
    return f"{name.replace('_', ' ')} {value:.4f}"


def use(search: Line) -> str:
    """What a reranker reordered, or what an encoder found."""
    if "reordered" in search:
        return f"reorders {search['reordered']} of {search['n_queries']} ({search['collection']})"
    [(what, share)] = [pair for pair in search.items() if pair[0] != "collection"]
    return f"{what}: {share:.0%} ({search['collection']})"


def train_throughput(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["sequences a second", "batch", *TRAINERS, "ours to theirs"]]
    for name, found in last["recipes"].items():
        cells.append([name, str(found["batch"]), *rates(found), f"{found['ratio']:.3f}"])
    title = "Training beside the bare trainer, a random base of TinyBERT's size"
    return titled(title, "train_throughput", last, table(cells))


def train_kill(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["killed (-9) and resumed", "at step", "of", "largest difference of a weight"]]
    for name, found in last["runs"].items():
        places = [str(found["killed_at"]), str(found["steps"])]
        cells.append([name, *places, f"{found['gap']:.1g}"])
    return titled("Training that was killed", "train_kill", last, table(cells))


def gpu_train(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["sequences a second", "base", "batch", *TRAINERS, "TFLOP/s", "of the bf16 rate"]]
    for row in last["rows"]:
        place = [row["recipe"], row["base"], str(row["batch"]), *rates(row)]
        cells.append([*place, f"{row['tflops']:.1f}", f"{row['share_of_bf16_rate']:.1%}"])
    title = f"Training on {last['device']}, {last['bf16_tflops']:.0f} TFLOP/s in bf16"
    return titled(title, "gpu_train", last, table(cells))


TRAINERS = ("searchkit", "sentence-transformers")


def rates(found: Line) -> list[str]:
    return [f"{found['sequences_per_s'][peer]:,.1f}" for peer in TRAINERS]


TABLES: dict[str, Callable[[Sequence[Line]], str]] = {
    "quality": quality,
    "house_quality": house_quality,
    "build_lexical": build_lexical,
    "search_lexical": search_lexical,
    "latency": latency,
    "train_recipes": train_recipes,
    "adapt_citances": adapt_citances,
    "train_throughput": train_throughput,
    "train_kill": train_kill,
    "gpu_train": gpu_train,
}


def titled(title: str, name: str, line: Line, cells: str) -> str:
    machine = line["machine"]
    where = f"{machine['cores']} cores of {machine['cpu']}, Python {machine['python']}"
    return f"**{title}** (`benchmarks/{name}.py`, {line['when'][:10]}, {where})\n\n{cells}"


def table(cells: Sequence[Sequence[str]]) -> str:
    head, *rows = cells
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


def figures(results: Path) -> str:
    """All tables of which there are results, or the sentence that there are none."""
    found = []
    for name, write in TABLES.items():
        path = results / f"{name}.json"
        if path.is_file():
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            found.append(write(lines))
    return "\n".join(found) or "None are recorded yet: `benchmarks/` holds the scripts.\n"


def rewrite(readme: str, results: Path) -> str:
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the README lacks {BEGIN.strip()} or {END}")
    return f"{before}{BEGIN}{figures(results)}{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where it differs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--readme", type=Path, default=README)
    given = parser.parse_args()
    held = given.readme.read_text("utf-8")
    wanted = rewrite(held, given.results)
    if not given.check:
        given.readme.write_text(wanted, "utf-8")
    elif wanted != held:
        sys.exit("the figures of the README are old. Run: python benchmarks/readme_tables.py")


if __name__ == "__main__":
    main()
