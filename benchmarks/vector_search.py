"""What do the exact scan and the ANN kinds cost over the same vectors, and what do they miss?

Vectors and queries are npy files, such as the vectors.npy of an index and encoded queries. Every
kind answers the same queries, one at a time for the times and all at once for the recall; FAISS's
own exact search is the peer of the scan.

    python benchmarks/vector_search.py --vectors vectors.npy --queries queries.npy
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import faiss
import numpy as np
from report import record

from searchkit.index.ann import open_ann, write_ann
from searchkit.index.vectors import VectorPart
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.types import Ranking

DEPTHS = (100, 1000)
N_TIMED = 50


def median_ms(search: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    """Of single queries, the first three of them twice: they warm up."""
    times = []
    for query in [*queries[:3], *queries[:N_TIMED]]:
        start = perf_counter()
        search(query[None])
        times.append(1000 * (perf_counter() - start))
    return round(float(np.median(times[3:])), 2)


def measure(
    retriever: DenseRetriever, queries: np.ndarray, truth: dict[int, list[Ranking]]
) -> dict[str, float]:
    measured: dict[str, float] = {}
    for k in DEPTHS:
        found = retriever.retrieve_vectors(queries, k)
        shared = [np.isin(t.rows, f.rows).mean() for t, f in zip(truth[k], found, strict=True)]
        measured[f"recall@{k}"] = round(float(np.mean(shared)), 4)
        measured[f"ms@{k}"] = median_ms(lambda q, k=k: retriever.retrieve_vectors(q, k), queries)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    options = parser.parse_args()
    vectors = np.load(options.vectors).astype(np.float16)
    queries = np.load(options.queries)[:200].astype(np.float32)
    floats = vectors.astype(np.float32)
    held = VectorPart(vectors, None, np.zeros(len(vectors), np.uint32))
    flat = DenseRetriever(HashEncoder(), [DensePart(base=0, n_docs=len(vectors), vectors=held)])
    truth = {k: flat.retrieve_vectors(queries, k) for k in DEPTHS}
    kinds: dict[str, Any] = {"flat": measure(flat, queries, truth), "faiss.knn": {}}
    for k in DEPTHS:
        kinds["faiss.knn"][f"ms@{k}"] = median_ms(
            lambda q, k=k: faiss.knn(q, floats, k, metric=faiss.METRIC_INNER_PRODUCT), queries
        )
    for kind in ("hnsw", "ivfpq"):
        with tempfile.TemporaryDirectory() as place:
            folder, start = Path(place), perf_counter()
            write_ann(folder, held, kind=kind, progress=lambda done, total: None)
            built = round(perf_counter() - start, 1)
            part = DensePart(base=0, n_docs=len(vectors), vectors=held, ann=open_ann(folder))
            of_kind = measure(DenseRetriever(HashEncoder(), [part]), queries, truth)
            kinds[kind] = {"build_s": built, **of_kind}
    record("vector_search", {"n": len(vectors), "dim": vectors.shape[1], "kinds": kinds})


if __name__ == "__main__":
    main()
