"""How long do cold commands take, and what do they import?

Whole processes from start to end, medians: `searchkit --help`, `import searchkit` and a BM25
search in an index, beside an empty Python, `import bm25s` and `import sentence_transformers`,
everybody taking turns. Without --index the bundled sample is indexed first. What `--help` and
`import searchkit` bring in is read off sys.modules.

    python benchmarks/startup.py --index indexes/scifact
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from report import record

import searchkit
from searchkit import sample

HELP_S = 0.4  # the bar
HEAVY = ("torch", "transformers", "sentence_transformers", "faiss", "numba", "pandas", "datasets")
QUERY = "vitamin D and bone"
LOADED = f"import sys; print(sorted({{*{HEAVY}}} & {{*sys.modules}}))"
RUN_HELP = """
import sys
from searchkit.cli.main import main
sys.argv = ["searchkit", "--help"]
try:
    main()
except SystemExit:
    pass
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def commands(index: Path) -> dict[str, list[str]]:
    tool = str(Path(sys.executable).with_name("searchkit"))
    return {
        "searchkit --help": [tool, "--help"],
        "import searchkit": python("import searchkit"),
        "searchkit search --stage bm25": [tool, "search", str(index), QUERY, "--stage", "bm25"],
        "an empty Python": python("pass"),
        "import bm25s": python("import bm25s"),
        "import sentence_transformers": python("import sentence_transformers"),
    }


def seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def heavy_of(code: str) -> list[str]:
    """Heavy packages in memory after the code has run."""
    shown = subprocess.run(
        python(f"{code}\n{LOADED}"), check=True, capture_output=True, text=True
    ).stdout
    return json.loads(shown.splitlines()[-1].replace("'", '"'))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        os.environ["SEARCHKIT_HOME"] = made  # inherited: the first search stamps, none later
        index = given.index or Path(made) / "sample"
        if given.index is None:
            searchkit.build(sample.corpus_path(), out=index, encoders=[])
        asked = commands(index)
        for command in asked.values():
            seconds(command)  # fills the page cache and writes bytecode
        taken: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(given.rounds):
            for name, command in asked.items():
                taken[name].append(seconds(command))
    medians = {name: round(statistics.median(found), 3) for name, found in taken.items()}
    loaded = {
        "searchkit --help": heavy_of(RUN_HELP),
        "import searchkit": heavy_of("import searchkit"),
    }
    record(
        "startup",
        {
            "index": "sample" if given.index is None else given.index.name,
            "rounds": given.rounds,
            "median_s": medians,
            "heavy_imports": loaded,
            "bars": {
                f"searchkit --help <= {HELP_S} s": medians["searchkit --help"] <= HELP_S,
                "no torch, faiss or numba at --help": not loaded["searchkit --help"],
            },
        },
    )


if __name__ == "__main__":
    main()
