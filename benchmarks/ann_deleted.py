"""What do deleted documents cost an ANN index, in recall and in queries a second?

HNSW over all vectors of an index of one segment; a random share of the documents is deleted, and
the index proposes among the rest, as a search does until the segment is written again. Recall at
100 is against the exact scan of the rest. Queries are vectors of documents, moved at random by a
third of their length. It says from which share an ANN is worth building again.

    python benchmarks/ann_deleted.py --index indexes/paperscape_astro
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from report import record

from searchkit.index.ann import open_ann, write_ann
from searchkit.index.ann_choice import AnnForm
from searchkit.index.index import Index
from searchkit.index.vectors import open_vectors
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.types import Vectors

K = 100


def moved(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    noise = rng.normal(size=vectors.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    shifted = vectors + noise / 3
    return (shifted / np.linalg.norm(shifted, axis=1, keepdims=True)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--shares", type=float, nargs="+", default=[0, 0.1, 0.2, 0.3, 0.5, 0.7])
    parser.add_argument("--n-queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with Index.open(given.index) as index:
        [(_, part)] = index.part("vectors") or []
        vectors = open_vectors(index.folder(part))
    rng = np.random.default_rng(1)
    drawn = rng.choice(vectors.n_vectors, given.n_queries, replace=False)
    queries = moved(np.asarray(vectors.vectors[np.sort(drawn)], np.float32), rng)
    with tempfile.TemporaryDirectory() as folder:
        write_ann(
            Path(folder), vectors, form=AnnForm(kind="hnsw"), progress=lambda done, total: None
        )
        ann, rows = open_ann(Path(folder)), []
        for share in given.shares:
            alive = rng.random(vectors.n_docs) >= share
            found, ms = {}, {}
            for name, of in (("hnsw", ann), ("flat", None)):
                one = DensePart(0, vectors.n_docs, vectors, of, None if share == 0 else alive)
                search = DenseRetriever(HashEncoder(vectors.dim), [one], device="cpu")
                found[name], taken = search.retrieve_vectors(queries, K), []
                for _ in range(given.rounds):
                    start = time.process_time()
                    for query in queries:
                        search.retrieve_vectors(query[None], K)
                    taken.append(1000 * (time.process_time() - start) / len(queries))
                ms[f"{name}_ms"] = round(statistics.median(taken), 3)
            shared = [
                len(np.intersect1d(a.rows, b.rows)) / len(b.rows)
                for a, b in zip(found["hnsw"], found["flat"], strict=True)
            ]
            rows.append({"deleted": share, "recall": round(statistics.mean(shared), 4), **ms})
    n_vectors = vectors.n_vectors
    measured = {"index": given.index.name, "n_vectors": n_vectors, "k": K, "n_queries": len(drawn)}
    record("ann_deleted", {**measured, "rows": rows})


if __name__ == "__main__":
    main()
