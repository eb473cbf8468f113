"""How many BM25 queries a second, top 100, text to documents, and how does that grow?

Equal work (`lexical_peers.py`) over the indexes that `build_lexical.py` left: every peer opens its
own in a process of its own and answers queries cut from real sentences, tokenising included, all
of a round at once: on one core, queries a second of processor time; on several (`--cores`), where
only searchkit and bm25s with numba use more than one, a second on the clock, and the processor's
time a query beside it. tantivy and bm25s with numpy answer the first 50 of the queries, rank-bm25
the first 10, because the rest would take minutes. Memory is what a process holds after its last
query: `anonymous_mb` its own, `mapped_mb` pages of files that the system may drop and read again.
Every round asks other queries, for a searcher remembers words. Rounds take turns, medians; time a
query ~ n_docs ** a is fitted over all rounds. Up to 120,000 documents the rankings are compared
with bm25s over the same terms: a document that only one returns must tie within 1e-5 at the border.

    python benchmarks/search_lexical.py --work build
    python benchmarks/search_lexical.py --work build --text arxiv_daily --sizes 10000 30000 115357
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from build_lexical import MOST_DOCS, SIZES, index_of
from growth import growth
from lexical_peers import K1, OPEN, B, K, Served, rows_of
from recombine import TEXTS, corpus_of, queries
from report import record

LENGTHS = ((2, 4), (8, 12), (30, 40))  # words of a query, least and most
FIRST = {"tantivy": 50, "bm25s numpy": 50, "rank-bm25": 10}
CHECKED = 120_000  # documents up to which the rankings are compared
Took = tuple[float, float]  # of the processor, on the clock
Rates = dict[str, list[Took]]  # peer -> seconds a query, of each round


def serving(text: str, n_docs: int, *, peers: Sequence[str], work: Path) -> dict[str, Served]:
    corpus, served = corpus_of(text, n_docs, work), {}
    for peer in peers:
        # what bm25s stores is the same from both of its backends
        stored = "bm25s numpy" if peer == "bm25s numba" else peer
        if n_docs > MOST_DOCS.get(stored, n_docs):
            continue
        out = index_of(text, n_docs, stored, work)
        if not out.exists():
            raise SystemExit(f"{out} is missing. Run benchmarks/build_lexical.py first.")
        served[peer] = Served(peer, corpus, out)
    return served


def ask(served: dict[str, Served], rounds: Sequence[Sequence[str]]) -> Rates:
    """What each round of queries took; the first one compiles, maps and warms, and is not told."""
    taken: Rates = {peer: [] for peer in served}
    for n, asked in enumerate(rounds):
        turn = n % len(served)
        for peer in [*served][turn:] + [*served][:turn]:
            few = asked[: FIRST.get(peer, len(asked))]
            processor_s, wall_s = served[peer].seconds(few)
            taken[peer].append((processor_s / len(few), wall_s / len(few)))
    return {peer: found[1:] for peer, found in taken.items()}


def differences(text: str, n_docs: int, work: Path, asked: Sequence[str]) -> dict[str, float]:
    """Documents that only one side returns and that do not tie with the 100th score."""
    import bm25s
    import numpy as np
    import pyarrow as pa

    from searchkit.index.index import Index
    from searchkit.retrieve.bm25 import BM25Retriever, lexical_parts

    index = Index.open(index_of(text, n_docs, "searchkit", work))
    parts = lexical_parts(index)
    ours = BM25Retriever(parts, analyzer=index.analyzer)
    texts = [f"{row['title']} {row['text']}" for row in rows_of(corpus_of(text, n_docs, work))]
    runs = ours.analyzer.runs(pa.array(texts, pa.large_string()))
    tokens = [runs.ids[a:b].tolist() for a, b in pairwise(runs.starts)]
    vocabulary = {term: n for n, term in enumerate(runs.vocabulary)}
    peer = bm25s.BM25(method="lucene", k1=K1, b=B)
    peer.index(bm25s.tokenization.Tokenized(tokens, vocabulary), show_progress=False)
    worst, wrong = 0.0, 0
    for query, ranking in zip(asked, ours.retrieve(asked, K), strict=True):
        known = [vocabulary[t] for t in ours.analyzer.terms(query) if t in vocabulary]
        if not known or not len(ranking):
            continue
        scores = peer.get_scores_from_ids(known)
        gap = np.abs(scores[ranking.rows] - ranking.scores) / ranking.scores
        worst = max(worst, float(gap.max()))
        border = float(ranking.scores[-1])
        above = set(np.flatnonzero(scores > border * (1 + 1e-5)).tolist())
        wrong += len(above - set(ranking.rows.tolist()))
    return {"n_queries": len(asked), "largest_relative_gap": worst, "documents_missed": wrong}


def of_size(given: argparse.Namespace, n_docs: int) -> tuple[dict[str, Any], dict[str, Rates]]:
    """What is recorded of one size, and every round's times by the length of the queries."""
    served = serving(given.text, n_docs, peers=given.peers, work=given.work)
    found = {}
    for size in LENGTHS:
        asked = queries(given.n_queries * (given.rounds + 1), n_terms=size)
        rounds = [asked[n :: given.rounds + 1] for n in range(given.rounds + 1)]
        found["{} to {}".format(*size)] = ask(served, rounds)
        print(
            given.text, n_docs, size, json.dumps(found["{} to {}".format(*size)]), file=sys.stderr
        )
    row: dict[str, Any] = {"n_docs": n_docs, "queries_per_s": {}, "processor_ms": {}}
    for length, taken in found.items():
        counted = {peer: [took[given.cores > 1] for took in of] for peer, of in taken.items()}
        row["queries_per_s"][length] = {
            peer: round(1 / statistics.median(s), 2) for peer, s in counted.items()
        }
        row["processor_ms"][length] = {
            peer: round(1000 * statistics.median(took[0] for took in of), 3)
            for peer, of in taken.items()
        }
    row["memory_mb"] = {peer: process.close() for peer, process in served.items()}
    row["peak_mb"] = {peer: held["peak_mb"] for peer, held in row["memory_mb"].items()}
    return row, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder with the indexes")
    parser.add_argument("--text", choices=TEXTS, default="recombined")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N_DOCS")
    parser.add_argument("--peers", nargs="+", choices=OPEN, default=list(OPEN))
    parser.add_argument("--n-queries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=1, help="on which each peer runs")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.cores])
    rows, times = [], {}
    for n_docs in sorted(given.sizes):
        row, times[n_docs] = of_size(given, n_docs)
        rows.append(row)
    asked = [query for size in LENGTHS for query in queries(100, n_terms=size)]
    for row in rows:  # after the timing: it fills this process with documents
        if row["n_docs"] <= CHECKED:
            row["against_bm25s"] = differences(given.text, row["n_docs"], given.work, asked)
    laws: dict[str, dict[str, Any]] = {}
    for length in next(iter(times.values())):
        of = {
            peer: {n: [took[0] for took in t[length].get(peer, [])] for n, t in times.items()}
            for peer in given.peers
        }
        laws[length] = {peer: law for peer, runs in of.items() if (law := growth(runs))}
    measured = {"text": given.text, "threads": given.cores, "n_queries": given.n_queries}
    record("search_lexical", {**measured, "first": FIRST, "sizes": rows, "growth": laws})


if __name__ == "__main__":
    main()
