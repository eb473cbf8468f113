"""How long do cold commands take, and what do they import?

Whole processes from start to end, medians and least: `searchkit --help`, `import searchkit` and a
search with BM25, fused and reranked in an index, beside an empty Python, `import bm25s` and
`import sentence_transformers`, everybody taking turns. Without --index the bundled sample is
indexed first. Models were exported by a search before. What `--help` and `import searchkit` bring
in is read off sys.modules. On a busy machine the processor's time stands for the clock's.

    python benchmarks/startup.py --index indexes/scifact
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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

HELP_S = 0.4  # the bars
SEARCH_S = {"bm25": 0.9, "fused": 2.0, "reranked": 2.5}
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


def name_of(stage: str) -> str:
    return f"searchkit search --stage {stage}"


def commands(index: Path) -> dict[str, list[str]]:
    tool = str(Path(sys.executable).with_name("searchkit"))
    return {
        "searchkit --help": [tool, "--help"],
        "import searchkit": python("import searchkit"),
        **{
            name_of(stage): [tool, "search", str(index), QUERY, "--stage", stage]
            for stage in SEARCH_S
        },
        "an empty Python": python("pass"),
        "import bm25s": python("import bm25s"),
        "import sentence_transformers": python("import sentence_transformers"),
    }


def seconds(command: Sequence[str]) -> tuple[float, float]:
    """By the clock and of the processor."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
            searchkit.build(sample.corpus_path(), out=index, encoders=["minilm"])
        asked = commands(index)
        for command in asked.values():
            seconds(command)  # fills the page cache and writes bytecode
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
        for _ in range(given.rounds):
            for name, command in asked.items():
                taken[name].append(seconds(command))
    medians, processor = (
        {name: round(statistics.median(t[n] for t in found), 3) for name, found in taken.items()}
        for n in (0, 1)
    )
    least = {name: round(min(clock for clock, _ in found), 3) for name, found in taken.items()}
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
            "least_s": least,
            "median_processor_s": processor,
            "heavy_imports": loaded,
            "bars": {
                f"searchkit --help <= {HELP_S} s": medians["searchkit --help"] <= HELP_S,
                "no torch, faiss or numba at --help": not loaded["searchkit --help"],
                **{
                    f"a cold search, {stage} <= {bar} s": medians[name_of(stage)] <= bar
                    for stage, bar in SEARCH_S.items()
                },
            },
        },
    )


if __name__ == "__main__":
    main()
