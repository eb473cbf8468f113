"""How much memory and time does compacting 1,000,000 lexical documents take?

Recombined text is indexed in 64 segments, 5% of its documents are deleted, and
`searchkit compact --all` makes 8 segments of them, as large as segments get, in a process of its
own. Then 5% more are deleted, and the 8 segments are written again without them. A third time
nothing is due. The peak is ru_maxrss of the process, mapped files that are resident included; this
script imports nothing heavy, because a child's figure begins with its parent's.

    python benchmarks/compact_memory.py --work build
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from memory import peak
from recombine import corpus_of
from report import record

MOST_MB = 1500  # the bar
PER_SEGMENT = 15_625  # 64 segments of a million


def segmented(*arguments: object) -> None:
    script = Path(__file__).with_name("segmented.py")
    subprocess.run([sys.executable, str(script), *map(str, arguments)], check=True)


def state(index: Path) -> dict[str, int]:
    number = (index / "CURRENT").read_text("ascii").split()[0]
    generation = json.loads((index / "generations" / f"{number}.json").read_text("utf-8"))
    stones = [
        part["stats"]["n_docs"]
        for segment in generation["segments"]
        for part in segment["parts"]
        if part["kind"] == "tombstones"
    ]
    files = (path for root in ("segments", "parts") for path in (index / root).rglob("*"))
    return {
        "n_segments": len(generation["segments"]),
        "n_rows": sum(segment["n_docs"] for segment in generation["segments"]),
        "n_deleted": sum(stones),
        "mb": round(sum(path.stat().st_size for path in files if path.is_file()) / 1e6),
    }


def compacted(index: Path, home: Path) -> dict[str, Any]:
    before = state(index)
    used = peak([sys.executable, "-m", "searchkit", "compact", str(index), "--all"], home)
    row = {"before": before, "after": state(index), **used}
    print(json.dumps(row), file=sys.stderr)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for corpus and index")
    parser.add_argument("--n-docs", type=int, default=1_000_000)
    parser.add_argument("--deleted", type=float, default=0.05, help="share, each time")
    given = parser.parse_args()
    corpus = corpus_of("recombined", given.n_docs, given.work)
    index = given.work / f"recombined-{given.n_docs}.compact"
    shutil.rmtree(index, ignore_errors=True)
    n_segments = -(-given.n_docs // PER_SEGMENT)
    with tempfile.TemporaryDirectory() as home:
        segmented(corpus, "--out", index, "--segments", n_segments, "--deleted", given.deleted)
        runs = [compacted(index, Path(home))]
        segmented(index, "--deleted", given.deleted)
        runs += [compacted(index, Path(home)) for _ in range(2)]
    record(
        "compact_memory",
        {
            "text": "recombined",
            "n_docs": given.n_docs,
            "runs": runs,
            "bars": {f"<= {MOST_MB:,} MB": all(run["peak_mb"] <= MOST_MB for run in runs)},
        },
    )


if __name__ == "__main__":
    main()
