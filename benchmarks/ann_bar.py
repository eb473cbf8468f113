"""Is the graph that a user gets far faster than a scan, and does it find what it promised?

Vectors of `ann_vectors.py` as one segment; the index is built and measured as `searchkit index` and
`searchkit ann` do it, and searched through `DenseRetriever`, exact rescoring included. Titles of
held-out documents are the queries; the scan of the same retriever is the truth. Rounds take turns,
medians, one thread, by the processor's time.

    python benchmarks/ann_bar.py --vectors vectors --n 300000
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from ann_curves import K, floats, recall
from ann_vectors import QUERIES, prefix
from report import record

from searchkit.index.ann import AnnIndex, open_ann, write_ann
from searchkit.index.ann_choice import AnnForm
from searchkit.index.vectors import VectorPart
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.types import Vectors


def retriever(part: VectorPart, ann: AnnIndex | None) -> DenseRetriever:
    whole = DensePart(base=0, n_docs=part.n_docs, vectors=part, ann=ann)
    return DenseRetriever(HashEncoder(part.dim), [whole], device="cpu")


def seconds(one: DenseRetriever, queries: Vectors, *, step: int) -> float:
    start = time.process_time()
    for n in range(0, len(queries), step):
        one.retrieve_vectors(queries[n : n + step], K)
    return (time.process_time() - start) / len(queries)


def measured(part: VectorPart, queries: Vectors, form: AnnForm, *, rounds: int) -> dict[str, Any]:
    flat = retriever(part, None)
    truth = [ranking.rows for ranking in flat.retrieve_vectors(queries, K)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        found = write_ann(Path(folder), part, form=form, progress=lambda done, total: None)
        build_s = time.process_time() - start
        graph = retriever(part, open_ann(Path(folder)))
        rows = [ranking.rows for ranking in graph.retrieve_vectors(queries, K)]
        taken: dict[str, list[float]] = {}
        few = queries[: len(queries) // 5]
        for _ in range(rounds):
            for name, one, asked, step in (
                ("flat one by one", flat, few, 1),
                (f"{form.kind} one by one", graph, queries, 1),
                ("flat batched", flat, queries, len(queries)),
                (f"{form.kind} batched", graph, queries, len(queries)),
            ):
                taken.setdefault(name, []).append(seconds(one, asked, step=step))
        n_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
    rates = {name: round(1 / statistics.median(each), 1) for name, each in taken.items()}
    return {
        "build_s": round(build_s, 1),
        "bytes_per_vector": round(n_bytes / part.n_vectors, 1),
        "effort": found and found.effort,
        "recall_told": found and found.measured,
        "recall": recall(rows, truth),
        "queries_per_s": rates,
        "ratio": round(rates[f"{form.kind} one by one"] / rates["flat one by one"], 2),
        "ratio_batched": round(rates[f"{form.kind} batched"] / rates["flat batched"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True, help="folder of ann_vectors.py")
    parser.add_argument("--n", type=int, default=300_000)
    parser.add_argument("--kind", choices=["hnsw", "ivfpq"], default="hnsw")
    parser.add_argument("--recall", type=float, default=AnnForm(kind="hnsw").recall)
    parser.add_argument("--n-queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    faiss.omp_set_num_threads(1)
    vectors = prefix(given.vectors, given.n)
    queries = floats(np.load(given.vectors / QUERIES))[: given.n_queries]
    part = VectorPart(vectors, None, np.zeros(len(vectors), np.uint32))
    form = AnnForm(kind=given.kind, recall=given.recall)
    record(
        "ann_bar",
        {
            "collection": "arxiv_daily sentences",
            "threads": 1,
            "n_vectors": len(vectors),
            "dim": part.dim,
            "n_queries": len(queries),
            "k": K,
            "kind": form.kind,
            "recall_wished": form.recall,
            **measured(part, queries, form, rounds=given.rounds),
        },
    )


if __name__ == "__main__":
    main()
