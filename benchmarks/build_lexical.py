"""How long does a lexical index take, beside tantivy, bm25s and rank-bm25, and how does it grow?

Equal work (`lexical_peers.py`): every build is a process of its own on one core, or `--cores`,
from the JSONL file to an index on disk with the rows in it; rank-bm25 has nothing on disk and is
built up to 10,000 documents, bm25s with its numba backend up to 120,000. `wall_s` is from the
start of the process to its end; `processor_s` leaves out its start and imports, and is what the
growth is fitted to, time ~ n ** a over all rounds. Rounds take turns, medians; above 200,000
documents one round.

    python benchmarks/build_lexical.py --work build
    python benchmarks/build_lexical.py --work build --text arxiv_daily --sizes 10000 30000 115357
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from growth import growth
from lexical_peers import BUILD, built
from recombine import TEXTS, corpus_of
from report import record

SIZES = (10_000, 100_000, 1_000_000)
MOST_DOCS = {"rank-bm25": 10_000, "bm25s numba": 120_000}  # beyond, a peer costs too much here
ONE_ROUND_FROM = 200_000
Built = dict[str, float]


def index_of(text: str, n_docs: int, peer: str, work: Path) -> Path:
    return work / f"{text}-{n_docs}.{peer.replace(' ', '-')}"


def rounds(
    text: str, n_docs: int, *, peers: Sequence[str], work: Path, n_rounds: int
) -> dict[str, list[Built]]:
    """What every build took; the last one of each peer is left in the folder."""
    corpus = corpus_of(text, n_docs, work)
    runs: dict[str, list[Built]] = {
        peer: [] for peer in peers if n_docs <= MOST_DOCS.get(peer, n_docs)
    }
    for n in range(n_rounds if n_docs < ONE_ROUND_FROM else 1):
        turn = n % len(runs)
        for peer in [*runs][turn:] + [*runs][:turn]:
            out = index_of(text, n_docs, peer, work)
            shutil.rmtree(out, ignore_errors=True)
            runs[peer].append(built(peer, corpus, out))
            print(text, n_docs, peer, json.dumps(runs[peer][-1]), file=sys.stderr)
    return runs


def medians(runs: dict[str, list[Built]]) -> dict[str, Built]:
    return {
        peer: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for peer, found in runs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for corpora and indexes")
    parser.add_argument("--text", choices=TEXTS, default="recombined")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N_DOCS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=BUILD, default=list(BUILD))
    parser.add_argument("--cores", type=int, default=1, help="on which each peer runs")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.cores])
    found = {
        n_docs: rounds(
            given.text, n_docs, peers=given.peers, work=given.work, n_rounds=given.rounds
        )
        for n_docs in sorted(given.sizes)
    }
    times = {
        peer: {
            n: [run["processor_s"] for run in runs[peer]]
            for n, runs in found.items()
            if peer in runs
        }
        for peer in given.peers
    }
    record(
        "build_lexical",
        {
            "text": given.text,
            "threads": given.cores,
            "sizes": [
                {"n_docs": n, "rounds": len(next(iter(runs.values()))), "medians": medians(runs)}
                for n, runs in found.items()
            ],
            "growth": {peer: law for peer, of in times.items() if (law := growth(of))},
        },
    )


if __name__ == "__main__":
    main()
