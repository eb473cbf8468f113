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

import measuring_tables as measuring
import quality_tables as quality
import serving_tables as serving
import speed_tables as speed
import training_tables as training
from markdown_tables import Line
from report import RESULTS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
NONE = "None are recorded yet: `benchmarks/` holds the scripts.\n"


TABLES: dict[str, Callable[[Sequence[Line]], str]] = {
    "quality": quality.quality,
    "house_quality": quality.house_quality,
    "tune": measuring.tune,
    "significance": measuring.significance,
    "latency": speed.latency,
    "startup": serving.startup,
    "budget": serving.budget,
    "rerank_peers": speed.rerank_peers,
    "encode": speed.encode,
    "int8_quality": serving.int8_quality,
    "ann": speed.ann,
    "ann_bar": serving.ann_bar,
    "text_laws": speed.text_laws,
    "build_lexical": speed.build_lexical,
    "search_lexical": speed.search_lexical,
    "eval_speed": measuring.eval_speed,
    "train_recipes": training.train_recipes,
    "adapt_citances": quality.adapt_citances,
    "train_throughput": training.train_throughput,
    "train_kill": training.train_kill,
    "gpu_train": training.gpu_train,
}


def figures(results: Path) -> str:
    """All tables of which there are results, or the sentence that there are none."""
    found = []
    for name, write in TABLES.items():
        path = results / f"{name}.json"
        if path.is_file():
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            found.append(write(lines))
    return "\n".join(filter(None, found)) or NONE


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
