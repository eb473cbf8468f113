"""How long does `eval` take for 1,000 queries of 1,000 hits, beside ir-measures?

Both read the same TREC run and qrels and compute the same measures; files are made up, with a seed.
`whole` is from files to means, `measures` what is left of it with run and judgements in memory, as
each tool holds them. They take turns. Bar: whole <= 1.5 x ir-measures. Values have to be equal.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeAlias

import ir_measures
import numpy as np
import report

from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.runs import read_run
from searchkit.evaluate.measures import evaluate, parse_measures

MEASURES = parse_measures(["nDCG@10", "R@100", "RR@10"])
BAR = 1.5
N_DOCS, N_JUDGED = 100_000, 40
Means: TypeAlias = dict[str, float]


def make_files(folder: Path, *, n_queries: int, n_hits: int) -> tuple[Path, Path]:
    """A run without ties and judgements of a part of what it found, a third of them relevant."""
    generator = np.random.default_rng(0)
    run, qrels = folder / "made.run", folder / "made.qrels"
    with run.open("w", encoding="utf-8") as hits, qrels.open("w", encoding="utf-8") as judged:
        for query in range(n_queries):
            docs = generator.permutation(N_DOCS)[:n_hits]
            scores = np.linspace(30, 1, n_hits) + generator.random()
            for rank, (doc, score) in enumerate(zip(docs, scores, strict=True), 1):
                hits.write(f"query{query} Q0 paper-{doc} {rank} {score:.6f} made\n")
            for doc in generator.choice(docs, N_JUDGED, replace=False):
                judged.write(f"query{query} 0 paper-{doc} {max(0, generator.integers(-3, 3))}\n")
    return run, qrels


def ours(run: Path, qrels: Path) -> Means:
    return evaluate(read_run(run), read_qrels(qrels), MEASURES).mean


def theirs(run: Path, qrels: Path) -> Means:
    judged = ir_measures.read_trec_qrels(str(qrels))
    found = ir_measures.calc_aggregate(MEASURES, judged, ir_measures.read_trec_run(str(run)))
    return {str(measure): value for measure, value in found.items()}


def bare(run: Path, qrels: Path) -> Mapping[str, Callable[[], object]]:
    """The measures alone, each over what its own reader made."""
    our_run, our_qrels = read_run(run), read_qrels(qrels)
    their_run = list(ir_measures.read_trec_run(str(run)))
    their_qrels = list(ir_measures.read_trec_qrels(str(qrels)))
    return {
        "searchkit": lambda: evaluate(our_run, our_qrels, MEASURES),
        "ir-measures": lambda: ir_measures.calc_aggregate(MEASURES, their_qrels, their_run),
    }


def timed(peers: Mapping[str, Callable[[], object]], n_rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, in turns and in both orders, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    for turn in range(n_rounds + 1):
        for name in list(peers)[:: 1 if turn % 2 else -1]:
            start = perf_counter()
            peers[name]()
            if turn:
                times[name].append(perf_counter() - start)
    return times


def compared(times: Mapping[str, list[float]]) -> dict[str, float]:
    pairs = zip(times["searchkit"], times["ir-measures"], strict=True)
    return {
        **{f"{name}_s": round(median(found), 3) for name, found in times.items()},
        "ratio": round(median(our / their for our, their in pairs), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-queries", type=int, default=1000)
    parser.add_argument("--n-hits", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder), n_queries=options.n_queries, n_hits=options.n_hits)
        peers = {"searchkit": lambda: ours(*files), "ir-measures": lambda: theirs(*files)}
        whole = compared(timed(peers, options.rounds))
        measures = compared(timed(bare(*files), options.rounds))
        our_means, their_means = ours(*files), theirs(*files)
    report.record(
        "eval_speed",
        {
            "n_queries": options.n_queries,
            "n_hits": options.n_hits,
            "measures_named": [str(measure) for measure in MEASURES],
            "rounds": options.rounds,
            "whole": whole,
            "measures": measures,
            "means": our_means,
            "bars": {
                f"whole <= {BAR} x ir-measures": whole["ratio"] <= BAR,
                "same means": our_means.keys() == their_means.keys()
                and all(abs(their_means[m] - v) < 1e-12 for m, v in our_means.items()),
            },
        },
    )


if __name__ == "__main__":
    main()
