"""How much memory does indexing take at its peak, and does it grow with the corpus?

`searchkit index`, each corpus a process of its own: arxiv_daily's first quarter and the whole,
lexically, which is less than one segment (131,072 documents); two and four segments of its
recombined sentences, lexically; its first 2,000 and 8,000 documents with an encoder. One segment
is written while the next is read, so that a peak may grow up to two, and no further. The peak is
ru_maxrss of the process, mapped files that are resident included; this script imports nothing
heavy, because a child's figure begins with its parent's.

    python benchmarks/memory.py
    python benchmarks/memory.py --encoded        # without the quarter of an hour of encoding
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from recombine import first_docs
from report import record

LEXICAL_MB, ENCODED_MB = 1500, 2000  # the bars
LEXICAL, RECOMBINED, ENCODED = [28_839, 115_357], [262_144, 524_288], [2_000, 8_000]
GROWTH = 1.1  # of the peak, from the smallest to the largest corpus of a kind

Peak = dict[str, float]


def recombined(n_docs: int, out: Path) -> None:
    script = Path(__file__).with_name("recombine.py")
    command = [sys.executable, str(script), "--n-docs", str(n_docs), "--out", str(out)]
    subprocess.run(command, check=True)


def peak(command: Sequence[str], home: Path) -> Peak:
    """Seconds and peak resident megabytes of a command."""
    environment = {**os.environ, "SEARCHKIT_HOME": str(home)}
    start = time.perf_counter()
    with (home / "stderr").open("w+b") as stderr:
        child = subprocess.Popen(command, env=environment, stderr=stderr)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            stderr.seek(0)
            raise SystemExit(stderr.read().decode(errors="replace"))
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def index(n_docs: int, write: Callable[[int, Path], None], flags: Sequence[str]) -> Peak:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "home").mkdir()
        corpus = folder / "corpus.jsonl"
        write(n_docs, corpus)
        begin = [sys.executable, "-m", "searchkit", "index", str(corpus)]
        used = peak([*begin, "--out", str(folder / "index"), *flags], folder / "home")
    print(write.__name__, n_docs, *flags, json.dumps(used), file=sys.stderr)
    return {"n_docs": n_docs, **used}


def at_most(label: str, runs: Sequence[Peak], most_mb: float) -> dict[str, bool]:
    if not runs:
        return {}
    return {f"{label} <= {most_mb:,} MB": all(run["peak_mb"] <= most_mb for run in runs)}


def constant(label: str, runs: Sequence[Peak]) -> dict[str, bool]:
    if len(runs) < 2:
        return {}
    least, most = runs[0], runs[-1]
    name = f"{label}: peak at {most['n_docs']:,} <= {GROWTH} x at {least['n_docs']:,}"
    return {name: most["peak_mb"] <= GROWTH * least["peak_mb"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = {"type": int, "nargs": "*", "metavar": "N_DOCS"}
    parser.add_argument("--lexical", default=LEXICAL, **sizes)
    parser.add_argument("--recombined", default=RECOMBINED, **sizes)
    parser.add_argument("--encoded", default=ENCODED, **sizes)
    parser.add_argument("--encoder", default="minilm")
    given = parser.parse_args()
    lexically, encoding = ["--lexical-only"], ["--encoder", given.encoder, "--device", "cpu"]
    lexical = [index(n, first_docs, lexically) for n in sorted(given.lexical)]
    several = [index(n, recombined, lexically) for n in sorted(given.recombined)]
    encoded = [index(n, first_docs, encoding) for n in sorted(given.encoded)]
    record(
        "memory",
        {
            "collection": "arxiv_daily",
            "encoder": given.encoder,
            "lexical": lexical,
            "lexical_recombined": several,
            "encoded": encoded,
            "bars": {
                **at_most("lexical", [*lexical, *several], LEXICAL_MB),
                **constant("lexical, recombined", several),
                **at_most("encoded", encoded, ENCODED_MB),
                **constant("encoded", encoded),
            },
        },
    )


if __name__ == "__main__":
    main()
