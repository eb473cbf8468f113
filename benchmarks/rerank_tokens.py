"""What does it save to store a reranker's tokens in the index, and what do they weigh?

100 whole abstracts for each of several SciFact queries, reranked over an index without and with
stored tokens, in turns, by best processor times on one thread; and the same without the model's
forward passes, for a saving of a few percent drowns in them. The models have the size and the
tokenizer of the real ones and random weights: time does not depend on them. The scores must be the
same bits.

    python benchmarks/rerank_tokens.py
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from judged import read
from report import record
from rerank_overhead import COLLECTION, N_QUERIES, SIZES, save_model

import searchkit
from searchkit.index.generation import Generation
from searchkit.index.index import Index
from searchkit.index.tokens_change import add_tokens
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.pair_scorer import CrossEncoderScorer, Pair
from searchkit.rerank import raw_scores
from searchkit.types import Ranking, Rows, Scores

TEXTS, STORED = "from texts", "from stored tokens"


def heads(n_docs: int, *, n_queries: int, n_passages: int) -> list[tuple[str, Ranking]]:
    """Test queries, each with documents drawn at random: lengths are those of the collection."""
    chance = np.random.default_rng(1)
    rows: list[Rows] = [chance.choice(n_docs, n_passages, replace=False) for _ in range(n_queries)]
    texts = read("scifact", "test").texts[:n_queries]
    scores = np.zeros(n_passages, np.float32)
    return [
        (text, Ranking.top(drawn, scores, n_passages))
        for text, drawn in zip(texts, rows, strict=True)
    ]


class Inputs(CrossEncoderScorer):
    """Makes all that its model would read, and does not ask it."""

    def score_pairs(self, pairs: Sequence[Pair]) -> Scores:
        return np.zeros(len(pairs), np.float32)


def best_s(work: dict[str, Callable[[], object]], n_rounds: int) -> dict[str, float]:
    """The least processor time of each, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(n_rounds):
        for name in list(work)[:: 1 if turn % 2 else -1]:
            begin = time.process_time()
            work[name]()
            taken[name].append(time.process_time() - begin)
    return {name: min(times) for name, times in taken.items()}


def measure(folder: Path, model: str, given: argparse.Namespace) -> dict[str, Any]:
    scorer = open_cross_encoder(
        str(save_model(folder / model, SIZES[model])), options=CrossEncoderOptions(device="cpu")
    )
    inputs = Inputs(**{one.name: getattr(scorer, one.name) for one in fields(scorer)})
    path = folder / f"{model}-index"
    searchkit.build(COLLECTION, out=path, encoders=[])
    plain = Index.open(path)
    begin = time.perf_counter()
    fresh = add_tokens(path, scorer)
    took_s = time.perf_counter() - begin
    with plain, Index.open(path) as stored:
        where = {TEXTS: plain, STORED: stored}
        sums = {"rerank": dict.fromkeys(where, 0.0), "inputs": dict.fromkeys(where, 0.0)}
        n_queries = given.queries or N_QUERIES[model]
        asked = heads(len(stored), n_queries=n_queries, n_passages=given.passages)
        for query, head in asked:
            bits = {raw_scores(query, head, scorer, index).tobytes() for index in where.values()}
            if len(bits) > 1:
                raise SystemExit("stored tokens changed a score")
            for what, model_or_not, n_rounds in (
                ("rerank", scorer, given.rounds),
                ("inputs", inputs, 5 * given.rounds),
            ):
                calls = {
                    name: partial(raw_scores, query, head, model_or_not, index)
                    for name, index in where.items()
                }
                for name, best in best_s(calls, n_rounds).items():
                    sums[what][name] += best
    return summary(fresh, sums, n_queries=n_queries, took_s=took_s)


def summary(
    fresh: Generation, sums: dict[str, dict[str, float]], *, n_queries: int, took_s: float
) -> dict[str, Any]:
    parts = [p for s in fresh.segments for p in s.parts if p.kind == "tokens"]
    n_bytes = sum(stamp.n_bytes for part in parts for stamp in part.files.values())
    held = sum(s.n_bytes for segment in fresh.segments for s in segment.files.values())
    whole = sums["rerank"]
    return {
        "n_queries": n_queries,
        "processor_ms": {
            what: {name: round(1000 * s / n_queries, 2) for name, s in times.items()}
            for what, times in sums.items()
        },
        "inputs_share": round(sums["inputs"][TEXTS] / whole[TEXTS], 4),
        "saved_share": round((sums["inputs"][TEXTS] - sums["inputs"][STORED]) / whole[TEXTS], 4),
        "saved_share_of_whole_runs": round(1 - whole[STORED] / whole[TEXTS], 4),
        "bytes_per_document": round(n_bytes / fresh.n_docs),
        "bytes_per_stored_document": round(held / fresh.n_docs),
        "tokens_per_document": round(sum(p.stats["n_tokens"] for p in parts) / fresh.n_docs),
        "share_at_limit": round(sum(p.stats["n_at_limit"] for p in parts) / fresh.n_docs, 4),
        "add_s": round(took_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, help="default: 2, and 16 for the small model")
    parser.add_argument("--passages", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=list(SIZES), default=list(SIZES))
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for model in given.models:
            found[model] = measure(Path(folder), model, given)
            print(model, found[model], file=sys.stderr)
    record("rerank_tokens", {"passages": given.passages, "rounds": given.rounds, "models": found})


if __name__ == "__main__":
    main()
