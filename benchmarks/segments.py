"""How much slower is a search over 10 segments, 5% of it deleted, than over one segment, fresh?

BM25 over all 115,357 abstracts of arxiv_daily, and the exact scan of each index with vectors that
is named, one query at a time and all at once, 100 hits each, in one thread. The fresh index is the
cut one after `compact --all`, byte for byte what a build of the documents left would be; both must
answer every query with the same documents and scores. Queries are cut from real sentences, and
encoded before the clock runs. Rounds take turns, medians of the processor's time. With --shares,
also what a larger share of deleted documents costs, which says when a segment is written again.

    python benchmarks/segments.py --work build --index indexes/scisumm_citance
    python benchmarks/segments.py --work build --segments 1 --shares .1 .2 .3 .5
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import segmented
from recombine import corpus_of, queries
from report import record

from searchkit.index.compact import compact
from searchkit.index.index import Index
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.retrieve.bm25 import BM25Retriever, lexical_parts
from searchkit.retrieve.dense import DenseRetriever, dense_parts
from searchkit.types import Ranking

K = 100
N_DOCS = 115_357  # of arxiv_daily: all
MOST = 1.3  # the bar
Search = Callable[[Sequence[Any]], list[Ranking]]


def lexical(index: Index) -> Search:
    ours = BM25Retriever(lexical_parts(index), analyzer=index.analyzer)
    return lambda asked: ours.retrieve(asked, K)


def dense(index: Index) -> Search:
    name = index.generation.encoders[0]["name"]
    encoder = open_encoder(name, options=EncoderOptions(device="cpu"))
    ours = DenseRetriever(encoder, dense_parts(index, name))
    return lambda asked: ours.retrieve_vectors(asked, K)


def named(index: Index, rankings: Sequence[Ranking]) -> list[list[tuple[str, float]]]:
    return [list(zip(index.ids(r.rows), r.scores.tolist(), strict=True)) for r in rankings]


def times(searches: dict[str, Search], asked: Sequence[Any], n_rounds: int) -> dict[str, Any]:
    """Milliseconds a query of each, one by one and all at once, and what the cut one costs."""
    ways = {"one by one": [asked[n : n + 1] for n in range(len(asked))], "at once": [asked]}
    found: dict[str, Any] = {}
    for way, portions in ways.items():
        taken: dict[str, list[float]] = {name: [] for name in searches}
        for _ in range(n_rounds):
            for name, search in searches.items():
                start = time.process_time()
                for portion in portions:
                    search(portion)
                taken[name].append(1000 * (time.process_time() - start) / len(asked))
        medians = {name: statistics.median(of) for name, of in taken.items()}
        slower = medians["cut"] / medians["fresh"]
        found[way] = {f"{name}_ms": round(ms, 3) for name, ms in medians.items()}
        found[way]["slower"] = round(slower, 3)
    return found


def compared(
    whole: Path, search: Callable[[Index], Search], asked: Sequence[Any], given: argparse.Namespace
) -> list[dict[str, Any]]:
    """For each share of deleted documents: what the cut index costs beside the fresh one."""
    rows = []
    for share in given.shares:
        places = {name: given.work / f"{whole.name}.{name}" for name in ("cut", "fresh")}
        for place in places.values():
            shutil.rmtree(place, ignore_errors=True)
        segmented.cut(whole, places["cut"], given.segments)
        segmented.delete_share(places["cut"], share)
        shutil.copytree(places["cut"], places["fresh"])
        compact(places["fresh"], all=True)
        with Index.open(places["cut"]) as cut, Index.open(places["fresh"]) as fresh:
            opened = {"cut": cut, "fresh": fresh}
            searches = {name: search(index) for name, index in opened.items()}
            answers = [named(index, searches[name](asked)) for name, index in opened.items()]
            row = {
                "index": whole.name,
                "n_docs": len(fresh),
                "segments": len(cut.segments),
                "deleted": share,
                "same_answers": answers[0] == answers[1],
                **times(searches, asked, given.rounds),
            }
        print(row, file=sys.stderr)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for corpus and indexes")
    parser.add_argument("--index", type=Path, nargs="*", default=[], help="with vectors")
    parser.add_argument("--segments", type=int, default=10)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05], help="deleted")
    parser.add_argument("--n-docs", type=int, default=N_DOCS, help="of arxiv_daily")
    parser.add_argument("--n-queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    asked = queries(given.n_queries, n_terms=(8, 12))
    whole = given.work / f"arxiv_daily-{given.n_docs}.whole"
    if not whole.exists():
        segmented.build(corpus_of("arxiv_daily", given.n_docs, given.work), whole, 1)
    bm25 = compared(whole, lexical, asked, given)
    scans = []
    for path in given.index:
        with Index.open(path) as index:
            name = index.generation.encoders[0]["name"]
        encoder = open_encoder(name, options=EncoderOptions(device="cpu"))
        scans += compared(path, dense, encoder.encode_queries(asked), given)
    rows = [*bm25, *scans]
    slowest = max(row[way]["slower"] for row in rows for way in ("one by one", "at once"))
    bars = {f"slower by <= {MOST} x": slowest <= MOST} if given.shares == [0.05] else {}
    bars |= {"the same answers": all(row["same_answers"] for row in rows)}
    measured = {"threads": 1, "n_queries": len(asked), "k": K}
    record("segments", {**measured, "bm25": bm25, "dense": scans, "bars": bars})


if __name__ == "__main__":
    main()
