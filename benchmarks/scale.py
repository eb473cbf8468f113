"""Can ten million abstracts be built and searched on one small machine, and how does it grow?

Recombined documents (`recombine.py`), of which each has a part of an abstract's sentences so that
ten million fit on the disk, go through a pipe into a build; the indexes stay in the folder and are
built once. Then each is opened in a process of its own and answers queries cut from real
sentences, tokenising included, the best 100: queries a second of processor time, on one core, by
medians of rounds. Sizes take turns; time a query ~ n_docs ** a is fitted over all rounds. Memory is
what the process holds after its last query: `anonymous` is its own, `mapped` is pages of the index
that the system may drop and read again. A sample of the answers is compared with the numpy twin
of the kernel, which reads every posting of every term: rows and bits must be the same.

    python benchmarks/scale.py --work build
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from growth import growth
from lexical_peers import K, Served, peak_mb
from recombine import drawn, queries
from report import record

SIZES = (100_000, 1_000_000, 10_000_000)
PART = 0.4  # of an abstract's sentences
WORDS = (8, 12)  # of a query, least and most
MOST = 0.8  # exponent of the time of a query


def build(out: Path) -> None:
    """Lines of JSON on stdin -> an index; prints what it took."""
    from searchkit.index.build import BuildConfig, build_index
    from searchkit.types import Doc

    start, processor = time.perf_counter(), time.process_time()
    rows = map(json.loads, sys.stdin)
    docs = (Doc(row["_id"], row["title"], row["text"]) for row in rows)
    build_index(out, docs, BuildConfig())
    on_disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    took = {
        "wall_s": round(time.perf_counter() - start, 1),
        "processor_s": round(time.process_time() - processor, 1),
        "peak_mb": peak_mb(),
        "disk_mb": round(on_disk / 1e6),
    }
    print(json.dumps(took))


def index_of(work: Path, n_docs: int, part: float) -> Path:
    return work / f"part{part:g}-{n_docs}.searchkit"


def built(work: Path, n_docs: int, part: float) -> dict[str, float]:
    """What the build of an index took, made now where it is not there yet."""
    out = index_of(work, n_docs, part)
    told = out.with_suffix(".json")
    if not told.exists():
        work.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--build", str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        child = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment)
        assert child.stdin
        with child.stdin:
            for row in drawn(n_docs, part=part):
                child.stdin.write(json.dumps(row, ensure_ascii=False) + "\n")
        assert child.stdout
        found = child.stdout.read()
        if child.wait():
            raise SystemExit(f"the build of {out} failed.")
        told.write_text(found, "utf-8")
    return json.loads(told.read_text("utf-8"))


def searched(
    work: Path, sizes: Sequence[int], given: argparse.Namespace
) -> tuple[dict[int, list[float]], dict[int, dict[str, float]]]:
    """Of every size: processor seconds a query in each round, and the memory at the end."""
    places = {n: index_of(work, n, given.part) for n in sizes}
    served = {n: Served("searchkit", place, place) for n, place in places.items()}
    asked = queries(given.n_queries * (given.rounds + 1), n_terms=WORDS)
    taken: dict[int, list[float]] = {n: [] for n in sizes}
    for turn in range(given.rounds + 1):
        few = asked[turn :: given.rounds + 1]
        for n, process in served.items():
            taken[n].append(process.seconds(few)[0] / len(few))
            print(n, turn, f"{1000 * taken[n][-1]:.2f} ms a query", file=sys.stderr)
    warm = {n: found[1:] for n, found in taken.items()}  # the first round compiled and mapped
    return warm, {n: process.close() for n, process in served.items()}


def exact(out: Path, n_queries: int) -> dict[str, float]:
    """How many rankings of the kernel are those of its numpy twin, bit for bit."""
    from searchkit.index.index import Index
    from searchkit.retrieve.bm25 import BM25Retriever, lexical_parts

    asked = queries(n_queries, n_terms=WORDS, seed=3)
    with Index.open(out) as index:
        parts = lexical_parts(index)
        kernel, twin = (
            BM25Retriever(parts, analyzer=index.analyzer, engine=engine).retrieve(asked, K)
            for engine in ("kernel", "numpy")
        )
    same = sum(
        one.rows.tolist() == other.rows.tolist() and one.scores.tolist() == other.scores.tolist()
        for one, other in zip(kernel, twin, strict=True)
    )
    return {"segments": len(parts), "compared": len(asked), "same_bits": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="folder for the indexes")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N_DOCS")
    parser.add_argument("--part", type=float, default=PART, help="of an abstract's sentences")
    parser.add_argument("--n-queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compared", type=int, default=5, help="queries, with the numpy twin")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.build:
        build(given.build)
        return
    rows: list[dict[str, Any]] = [
        {"n_docs": n, "build": built(given.work, n, given.part)} for n in given.sizes
    ]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    times, memory = searched(given.work, given.sizes, given)
    for row in rows:
        n = row["n_docs"]
        row["queries_per_s"] = round(1 / statistics.median(times[n]), 1)
        row["memory_mb"] = memory[n]
        row["exact"] = exact(index_of(given.work, n, given.part), given.compared)
    law = growth(times)
    bars = {
        "exponent <= .8": law is not None and law["exponent"] <= MOST,
        "the same bits": all(row["exact"]["same_bits"] == given.compared for row in rows),
        "10,000,000 searched in 24 GB": any(
            row["n_docs"] >= SIZES[-1] and row["memory_mb"]["peak_mb"] < 24_000 for row in rows
        ),
    }
    measured = {"part": given.part, "threads": 1, "words": WORDS, "k": K, "growth": law}
    record("scale", {**measured, "n_queries": given.n_queries, "sizes": rows, "bars": bars})


if __name__ == "__main__":
    main()
