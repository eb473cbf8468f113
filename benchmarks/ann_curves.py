"""What does each kind of approximate index pay for its recall? The curves that `auto` is read off.

Vectors that `ann_vectors.py` made: sentences to search, titles of other documents as queries. For
every size, kind and effort (efSearch of a graph, nprobe of lists): recall@100 after exact rescoring
against a scan, of the titles and of 200 of the vectors themselves (which a build can measure), and
queries a second one at a time and all at once, rescoring included. The scan stands beside them in
the same run; one thread, by the processor's time. Memory is the file's: it is mapped.

    python benchmarks/ann_vectors.py --out vectors
    python benchmarks/ann_curves.py --vectors vectors --n 10000 100000 300000
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from ann_vectors import QUERIES, prefix
from report import record

from searchkit.index.vectors import VectorPart
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.retrieve.exact import exact_scores
from searchkit.types import Ranking, Vectors

K, SPARE, REFINED = 100, 32, 8
GRAPHS = ("HNSW16_SQ8", "HNSW32_SQ8", "HNSW32,Flat")
LISTS = ("IVF{n},Flat", "IVF{n},SQ8", "IVF{n},PQ{half}x8np", "IVF{n},PQ{eighth}x8np")
EF = (100, 132, 200, 300, 400, 600, 800, 1200)
PROBED = (0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.5)
OWN = 200  # of the vectors, as queries
SEED = 20_240_229


@dataclass(frozen=True)
class Curve:
    """What one index over the vectors is asked, and what is true."""

    vectors: np.ndarray  # (n, dim) float16, as they are stored
    titles: Vectors
    truth: np.ndarray  # (n_titles, K)
    own: np.ndarray  # rows that are queries as well
    own_truth: np.ndarray

    def own_recall(self, index: faiss.Index, params: faiss.SearchParameters, n: int) -> float:
        _, ids = index.search(floats(self.vectors[self.own]), n + 1, params=params)
        return recall(ids, self.own_truth)


def floats(vectors: np.ndarray) -> Vectors:
    return np.ascontiguousarray(vectors, np.float32)


def scanned(vectors: np.ndarray, queries: Vectors, *, but: np.ndarray | None = None) -> np.ndarray:
    """The K best of each query by an exact scan; `but` leaves one row of each out."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(floats(vectors))
    _, ids = index.search(queries, K + 1)
    if but is None:
        return ids[:, :K]
    return np.stack([row[row != own][:K] for row, own in zip(ids, but, strict=True)])


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """After exact rescoring, which puts those of the truth that were found before all others."""
    pairs = zip(found, truth, strict=True)
    return round(statistics.mean(len(np.intersect1d(f, t)) / len(t) for f, t in pairs), 4)


def rate(search: Callable[[Vectors], object], queries: Vectors, *, step: int) -> float:
    """Queries a second of the processor; the best of two."""
    taken = []
    for _ in range(2):
        start = time.process_time()
        for n in range(0, len(queries), step):
            search(queries[n : n + step])
        taken.append(time.process_time() - start)
    return round(len(queries) / min(taken), 1)


def rescored(
    curve: Curve, index: faiss.Index, params: faiss.SearchParameters, n: int
) -> Callable[[Vectors], list[Ranking]]:
    def search(queries: Vectors) -> list[Ranking]:
        _, found = index.search(queries, n, params=params)
        return [
            Ranking.top(ids, exact_scores(curve.vectors, query, ids), K)
            for ids, query in (
                (np.sort(row[row >= 0]), q) for row, q in zip(found, queries, strict=True)
            )
        ]

    return search


def built(
    spec: str, curve: Curve, folder: Path, *, ef_construction: int
) -> tuple[Any, dict[str, Any]]:
    size, dim = curve.vectors.shape
    n_lists = max(16, min(int(4 * size**0.5), size // 40))
    name = spec.format(n=n_lists, half=dim // 2, eighth=dim // 8)
    index = faiss.index_factory(dim, name, faiss.METRIC_INNER_PRODUCT)
    if spec.startswith("HNSW"):
        index.hnsw.efConstruction = ef_construction
    vectors, start = floats(curve.vectors), time.process_time()
    rng = np.random.default_rng(SEED)
    index.train(
        vectors[np.sort(rng.choice(size, min(size, max(n_lists * 40, 32_768)), replace=False))]
    )
    index.add(vectors)
    build_s = time.process_time() - start
    path = folder / "index.faiss"
    faiss.write_index(index, str(path))
    opened = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    of_graph = {"ef_construction": ef_construction} if spec.startswith("HNSW") else {}
    return opened, {
        "index": name,
        **of_graph,
        "build_s": round(build_s, 1),
        "bytes_per_vector": round(path.stat().st_size / size, 1),
    }


def efforts(spec: str, index: faiss.Index) -> list[tuple[int, faiss.SearchParameters]]:
    if spec.startswith("HNSW"):
        return [(ef, faiss.SearchParametersHNSW(efSearch=ef)) for ef in EF]
    lists = sorted({max(1, round(share * index.nlist)) for share in PROBED})
    return [(n, faiss.SearchParametersIVF(nprobe=n)) for n in lists]


def points(spec: str, index: faiss.Index, curve: Curve, *, n_timed: int) -> list[dict[str, float]]:
    n = K * REFINED if "PQ" in spec else K + SPARE
    found = []
    for effort, params in efforts(spec, index):
        search = rescored(curve, index, params, n)
        _, ids = index.search(curve.titles, n, params=params)
        timed = curve.titles[:n_timed]
        found.append(
            {
                "effort": effort,
                "recall": recall(ids, curve.truth),
                "own_recall": curve.own_recall(index, params, n),
                "queries_per_s": rate(search, timed, step=1),
                "batched": rate(search, timed, step=len(timed)),
            }
        )
        print(" ", json.dumps(found[-1]), file=sys.stderr, flush=True)
        if found[-1]["recall"] > 0.9985:
            break
    return found


def flat(curve: Curve, *, n_timed: int) -> dict[str, float]:
    size = len(curve.vectors)
    part = VectorPart(curve.vectors, None, np.zeros(size, np.uint32))
    whole = DensePart(base=0, n_docs=size, vectors=part)
    retriever = DenseRetriever(HashEncoder(part.dim), [whole], device="cpu")
    search = lambda queries: retriever.retrieve_vectors(queries, K)  # noqa: E731
    search(curve.titles[:1])  # keeps the vectors as float32
    few = curve.titles[: max(20, n_timed // 5)]
    return {
        "queries_per_s": rate(search, few, step=1),
        "batched": rate(search, curve.titles[:n_timed], step=n_timed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True, help="folder of ann_vectors.py")
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--kinds", nargs="+", default=[*GRAPHS, *LISTS], help="as FAISS names them")
    parser.add_argument("--ef-construction", type=int, nargs="+", default=[200])
    parser.add_argument("--n-timed", type=int, default=200)
    given = parser.parse_args()
    faiss.omp_set_num_threads(1)
    titles = floats(np.load(given.vectors / QUERIES))
    for size in given.n:
        vectors = prefix(given.vectors, size)
        own = np.sort(np.random.default_rng(SEED).choice(len(vectors), OWN, replace=False))
        own_truth = scanned(vectors, floats(vectors[own]), but=own)
        curve = Curve(vectors, titles, scanned(vectors, titles), own, own_truth)
        scan = flat(curve, n_timed=given.n_timed)
        print(len(vectors), json.dumps(scan), file=sys.stderr, flush=True)
        for spec in given.kinds:
            for ef_construction in given.ef_construction if spec.startswith("HNSW") else [0]:
                with tempfile.TemporaryDirectory() as folder:
                    index, how = built(spec, curve, Path(folder), ef_construction=ef_construction)
                    print(json.dumps(how), file=sys.stderr, flush=True)
                    measured = points(spec, index, curve, n_timed=given.n_timed)
                record(
                    "ann_curves",
                    {
                        "collection": "arxiv_daily sentences",
                        "threads": 1,
                        "n_vectors": len(vectors),
                        "dim": vectors.shape[1],
                        "n_queries": len(titles),
                        "k": K,
                        "flat": scan,
                        **how,
                        "points": measured,
                    },
                )


if __name__ == "__main__":
    main()
