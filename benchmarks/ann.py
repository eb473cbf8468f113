"""What do the approximate indexes give up for their speed: recall, queries a second, memory?

The vectors of one index or several as one segment; queries are titles of their own documents. Each
kind answers through `DenseRetriever`, exact rescoring included, one query at a time and all at
once; `flat` is the truth that recall is counted against. FAISS's own flat search runs beside them.
Rounds take turns, medians, by the processor's time where there is one thread. Memory is what a
process of its own grows by, from before it opens the vectors and the index to after all queries,
mapped pages that were read included.

    python benchmarks/ann.py --index indexes/paperscape_astro indexes/scisumm_citance
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from report import record

from searchkit.index.ann import AnnIndex, open_ann, write_ann
from searchkit.index.ann_choice import AnnForm
from searchkit.index.index import Index
from searchkit.index.vectors import VectorPart, open_vectors
from searchkit.models.encoder import EncoderOptions, SentenceEncoder, open_encoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.types import Vectors

KINDS = ("flat", "hnsw", "ivfpq")
PEER = "faiss IndexFlatIP"
Search = Callable[[Vectors], list[np.ndarray]]  # query vectors -> rows of each, best first


def one_part(indexes: Sequence[Index], encoder: str) -> VectorPart:
    """The vectors of all segments of all indexes, in memory, one vector a document."""
    parts = [
        open_vectors(index.folder(part))
        for index in indexes
        for _, part in index.part("vectors", encoder=encoder) or []
    ]
    starts = None
    if any(part.starts is not None for part in parts):
        counts = [
            np.ones(part.n_docs, np.int64) if part.starts is None else np.diff(part.starts)
            for part in parts
        ]
        starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    vectors = np.concatenate([part.vectors for part in parts])
    return VectorPart(vectors, starts, np.concatenate([part.beyond for part in parts]))


def draw_titles(indexes: Sequence[Index], n: int) -> list[str]:
    """Titles of up to n documents that have one, of every index alike, by a seeded draw."""
    found = []
    for index in indexes:
        rows = np.random.default_rng(1).permutation(len(index)).tolist()
        titles = (index[row].title.strip() for row in rows)
        found += list(islice(filter(None, titles), -(-n // len(indexes))))
    return found[:n]


def build(part: VectorPart, kind: str, folder: Path) -> tuple[AnnIndex | None, dict[str, float]]:
    if kind == "flat":
        return None, {"build_s": 0.0, "disk_mb": 0.0}
    folder.mkdir()
    start, busy = time.perf_counter(), time.process_time()
    write_ann(folder, part, form=AnnForm(kind=kind), progress=lambda done, total: None)
    built_s, processor_s = time.perf_counter() - start, time.process_time() - busy
    disk = sum(path.stat().st_size for path in folder.iterdir())
    return open_ann(folder), {
        "build_s": round(built_s, 2),
        "build_processor_s": round(processor_s, 2),
        "disk_mb": round(disk / 1e6, 1),
    }


GROWN = """
import sys
from pathlib import Path
import faiss, numpy as np
from searchkit.index.ann import open_ann
from searchkit.index.vectors import VectorPart
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
folder, kind, k = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
queries = np.load(folder / "queries.npy")
before = resident()
vectors, starts = np.load(folder / "vectors.npy", mmap_mode="r"), None
if (folder / "starts.npy").exists():
    starts = np.load(folder / "starts.npy")
n_docs = len(vectors) if starts is None else len(starts) - 1
part = VectorPart(vectors, starts, np.zeros(n_docs, np.uint32))
if kind == "faiss":
    index = faiss.IndexFlatIP(part.dim)
    index.add(np.asarray(vectors, np.float32))
    search = lambda one: index.search(one, k)
else:
    ann = open_ann(folder / kind) if kind != "flat" else None
    whole = DensePart(base=0, n_docs=part.n_docs, vectors=part, ann=ann)
    retriever = DenseRetriever(HashEncoder(part.dim), [whole], device="cpu")
    search = lambda one: retriever.retrieve_vectors(one, k)
for query in queries:
    search(query[None])
print((resident() - before) / 1024)
"""


def grown_mb(folder: Path, kind: str, k: int) -> float:
    command = [sys.executable, "-c", GROWN, str(folder), kind, str(k)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return round(float(done.stdout), 1)


def through(
    encoder: SentenceEncoder, part: VectorPart, ann: AnnIndex | None, *, k: int, step: int
) -> Search:
    """`step` queries at a time."""
    whole = DensePart(base=0, n_docs=part.n_docs, vectors=part, ann=ann)
    retriever = DenseRetriever(encoder, [whole], device="cpu")

    def search(queries: Vectors) -> list[np.ndarray]:
        slices = (queries[n : n + step] for n in range(0, len(queries), step))
        return [ranking.rows for some in slices for ranking in retriever.retrieve_vectors(some, k)]

    return search


def faiss_flat(part: VectorPart, *, k: int, step: int) -> Search:
    index = faiss.IndexFlatIP(part.dim)
    index.add(part.vectors.astype(np.float32))

    def search(queries: Vectors) -> list[np.ndarray]:
        slices = (queries[n : n + step] for n in range(0, len(queries), step))
        return [part.docs_of(ids) for some in slices for ids in index.search(some, k)[1]]

    return search


def recall(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    shares = [
        len(np.intersect1d(rows, best)) / len(best) for rows, best in zip(found, truth, strict=True)
    ]
    return round(statistics.mean(shares), 4)


def compare(searches: dict[str, Search], queries: Vectors, rounds: int) -> dict[str, Any]:
    """Recall against `flat` and queries a second of every kind."""
    found = {kind: search(queries) for kind, search in searches.items()}  # warms
    clock = time.process_time if faiss.omp_get_max_threads() == 1 else time.perf_counter
    taken: dict[str, list[float]] = {kind: [] for kind in searches}
    for _ in range(rounds):
        for kind, search in searches.items():
            start = clock()
            search(queries)
            taken[kind].append(clock() - start)
    return {
        kind: {
            "recall": recall(found[kind], found["flat"]),
            "queries_per_s": round(len(queries) / statistics.median(taken[kind]), 1),
        }
        for kind in searches
    }


def measured(
    part: VectorPart, encoder: SentenceEncoder, queries: Vectors, given: argparse.Namespace
) -> dict[str, Any]:
    anns: dict[str, AnnIndex | None] = {}
    built: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        np.save(folder / "vectors.npy", part.vectors)
        np.save(folder / "queries.npy", queries)
        if part.starts is not None:
            np.save(folder / "starts.npy", part.starts)
        for kind in dict.fromkeys(["flat", *given.kinds]):
            anns[kind], built[kind] = build(part, kind, folder / kind)
            print(kind, json.dumps(built[kind]), file=sys.stderr)
        memory = {kind: grown_mb(folder, kind, max(given.k)) for kind in anns}
        memory[PEER] = grown_mb(folder, "faiss", max(given.k))
        at: dict[str, Any] = {}
        for k in given.k:
            for way, step in (("one by one", 1), ("batched", len(queries))):
                searches = {
                    kind: through(encoder, part, ann, k=k, step=step) for kind, ann in anns.items()
                }
                searches[PEER] = faiss_flat(part, k=k, step=step)
                at.setdefault(f"k={k}", {})[way] = compare(searches, queries, given.rounds)
    return {"built": built, "memory_mb": memory, **at}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True, nargs="+")
    parser.add_argument("--encoder", help="default: the first of the first index")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--k", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--n-queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with ExitStack() as opened:
        indexes = [opened.enter_context(Index.open(path)) for path in given.index]
        name = given.encoder or indexes[0].generation.encoders[0]["name"]
        part = one_part(indexes, name)
        titles = draw_titles(indexes, given.n_queries)
    encoder = open_encoder(name, options=EncoderOptions(device="cpu"))
    queries = encoder.encode_queries(titles)
    record(
        "ann",
        {
            "index": [path.name for path in given.index],
            "encoder": name,
            "threads": faiss.omp_get_max_threads(),
            "n_vectors": part.n_vectors,
            "dim": part.dim,
            "n_queries": len(queries),
            **measured(part, encoder, queries, given),
        },
    )


if __name__ == "__main__":
    main()
