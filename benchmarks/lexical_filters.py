"""What do a filter and deleted documents cost a BM25 search?

Over one lexical index: queries a second of processor time, one core, top 100, 8 to 12 words,
tokenising included, where every document may be found, where a mask drawn at random allows a share
of them, and, in a copy of which a share was deleted, where the others may. Ways take turns, every
round asks other queries, medians. The first answers of every way are compared with those of the
numpy twin, which reads every posting: the same rows and bits.

    python benchmarks/lexical_filters.py --index build/arxiv_daily-115357.searchkit --work build
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import segmented
from lexical_peers import K
from recombine import queries
from report import record

from searchkit.index.index import Index
from searchkit.retrieve.bm25 import BM25Retriever, Engine, lexical_parts
from searchkit.types import Ranking

ALLOWED, DELETED = (0.5, 0.1, 0.01), 0.05
MOST = 1.3  # how much slower than an open search any way may be
Search = Callable[[Sequence[str]], list[Ranking]]


def ways(index: Index, cut: Index, engine: Engine) -> dict[str, Search]:
    whole, less = (
        BM25Retriever(lexical_parts(one), analyzer=one.analyzer, engine=engine)
        for one in (index, cut)
    )
    draw = np.random.default_rng(1).random(sum(part.postings.n_docs for part in whole.parts))
    found: dict[str, Search] = {"all": partial(whole.retrieve, k=K)}
    for share in ALLOWED:
        found[f"{share:.0%} allowed"] = partial(whole.retrieve, k=K, allowed=draw < share)
    found[f"{DELETED:.0%} deleted"] = partial(less.retrieve, k=K)
    return found


def same(one: Sequence[Ranking], other: Sequence[Ranking]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        a.rows.tolist() == b.rows.tolist() and a.scores.tolist() == b.scores.tolist()
        for a, b in pairs
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the copy")
    parser.add_argument("--n-queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compared", type=int, default=10, help="queries")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    copy = given.work / f"{given.index.name}.less"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(given.index, copy)
    segmented.delete_share(copy, DELETED)
    asked = queries(given.n_queries * (given.rounds + 1), n_terms=(8, 12))
    with Index.open(given.index) as index, Index.open(copy) as cut:
        searches, twins = ways(index, cut, "kernel"), ways(index, cut, "numpy")
        taken: dict[str, list[float]] = {name: [] for name in searches}
        for turn in range(given.rounds + 1):
            few = asked[turn :: given.rounds + 1]
            for name, search in searches.items():
                start = time.process_time()
                search(few)
                taken[name].append((time.process_time() - start) / len(few))
        few = asked[: given.compared]
        agree = {name: same(search(few), twins[name](few)) for name, search in searches.items()}
        n_docs = len(index)
    shutil.rmtree(copy)
    seconds = {name: statistics.median(found[1:]) for name, found in taken.items()}
    print(seconds, file=sys.stderr)
    slower = {name: round(s / seconds["all"], 3) for name, s in seconds.items()}
    measured = {
        "index": given.index.name,
        "n_docs": n_docs,
        "threads": 1,
        "k": K,
        "queries_per_s": {name: round(1 / s, 1) for name, s in seconds.items()},
        "slower": slower,
        "same_bits": agree,
        "bars": {
            f"no way slower than {MOST} x": max(slower.values()) <= MOST,
            "the same bits": all(agree.values()),
        },
    }
    record("lexical_filters", measured)


if __name__ == "__main__":
    main()
