"""What do the approximate indexes give up for their speed: recall, queries a second, build time?

The vectors of an index as one segment; queries are titles of its own documents. Each kind answers
through `DenseRetriever`, exact rescoring included, one query at a time; `flat` is the truth that
recall is counted against. FAISS's own flat search runs beside them. Rounds take turns, medians.

    python benchmarks/ann.py --index indexes/paperscape_astro
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from report import record

from searchkit.index.ann import AnnIndex, open_ann, write_ann
from searchkit.index.index import Index
from searchkit.index.vectors import VectorPart, open_vectors
from searchkit.models.encoder import EncoderOptions, SentenceEncoder, open_encoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.types import Vectors

KINDS = ("flat", "hnsw", "ivfpq")
PEER = "faiss IndexFlatIP"
Search = Callable[[Vectors], list[np.ndarray]]  # query vectors -> rows of each, best first


def one_part(index: Index, encoder: str) -> VectorPart:
    """The vectors of all segments, in memory."""
    parts = [open_vectors(index.folder(p)) for _, p in index.part("vectors", encoder=encoder) or []]
    starts = None
    if parts[0].starts is not None:
        counts = np.concatenate([np.diff(part.starts) for part in parts])
        starts = np.concatenate([[0], np.cumsum(counts)])
    vectors = np.concatenate([part.vectors for part in parts])
    return VectorPart(vectors, starts, np.concatenate([part.beyond for part in parts]))


def draw_titles(index: Index, n: int) -> list[str]:
    """Titles of up to n documents that have one, in the order of a seeded draw."""
    rows = np.random.default_rng(1).permutation(len(index)).tolist()
    titles = (index[row].title.strip() for row in rows)
    return list(islice(filter(None, titles), n))


def build(part: VectorPart, kind: str) -> tuple[AnnIndex | None, dict[str, float]]:
    if kind == "flat":
        return None, {"build_s": 0.0, "disk_mb": 0.0}
    folder = Path(tempfile.mkdtemp())
    start = time.perf_counter()
    write_ann(folder, part, kind=kind, progress=lambda done, total: None)
    built_s = time.perf_counter() - start
    disk = sum(path.stat().st_size for path in folder.iterdir())
    return open_ann(folder), {"build_s": round(built_s, 2), "disk_mb": round(disk / 1e6, 1)}


def through(encoder: SentenceEncoder, part: VectorPart, ann: AnnIndex | None, *, k: int) -> Search:
    whole = DensePart(base=0, n_docs=part.n_docs, vectors=part, ann=ann)
    retriever = DenseRetriever(encoder, [whole], device="cpu")

    def search(queries: Vectors) -> list[np.ndarray]:
        found = (retriever.retrieve_vectors(queries[n : n + 1], k) for n in range(len(queries)))
        return [ranking.rows for [ranking] in found]

    return search


def faiss_flat(part: VectorPart, *, k: int) -> Search:
    index = faiss.IndexFlatIP(part.dim)
    index.add(part.vectors.astype(np.float32))

    def search(queries: Vectors) -> list[np.ndarray]:
        found = (index.search(queries[n : n + 1], k)[1][0] for n in range(len(queries)))
        return [part.docs_of(ids) for ids in found]

    return search


def recall(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    shares = [
        len(np.intersect1d(rows, best)) / len(best) for rows, best in zip(found, truth, strict=True)
    ]
    return round(statistics.mean(shares), 4)


def compare(searches: dict[str, Search], queries: Vectors, rounds: int) -> dict[str, Any]:
    """Recall against `flat` and queries a second of every kind."""
    found = {kind: search(queries) for kind, search in searches.items()}  # warms
    taken: dict[str, list[float]] = {kind: [] for kind in searches}
    for _ in range(rounds):
        for kind, search in searches.items():
            start = time.perf_counter()
            search(queries)
            taken[kind].append(time.perf_counter() - start)
    return {
        kind: {
            "recall": recall(found[kind], found["flat"]),
            "queries_per_s": round(len(queries) / statistics.median(taken[kind]), 1),
        }
        for kind in searches
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--encoder", help="default: the first of the index")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--k", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--n-queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with Index.open(given.index) as index:
        name = given.encoder or index.generation.encoders[0]["name"]
        part = one_part(index, name)
        titles = draw_titles(index, given.n_queries)
    encoder = open_encoder(name, options=EncoderOptions(device="cpu"))
    queries = encoder.encode_queries(titles)
    anns: dict[str, AnnIndex | None] = {}
    built: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(["flat", *given.kinds]):
        anns[kind], built[kind] = build(part, kind)
        print(kind, json.dumps(built[kind]), file=sys.stderr)
    at = {}
    for k in given.k:
        searches = {kind: through(encoder, part, ann, k=k) for kind, ann in anns.items()}
        at[f"k={k}"] = compare({**searches, PEER: faiss_flat(part, k=k)}, queries, given.rounds)
    record(
        "ann",
        {
            "index": given.index.name,
            "encoder": name,
            "n_vectors": part.n_vectors,
            "dim": part.dim,
            "n_queries": len(queries),
            "built": built,
            **at,
        },
    )


if __name__ == "__main__":
    main()
