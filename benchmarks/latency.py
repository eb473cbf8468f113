"""How long does one warm fused search take, stage by stage, and what do the bare parts take?

SciFact's test queries, all distinct, one at a time through `Searcher.answer`, on the CPU; nothing
keeps results. Beside every search its peers answer the same query: sentence-transformers' own
encode with a numpy dot product over the same vectors, and bm25s over the same documents, both to
the depth of the pipeline. Whoever comes first changes from query to query. Medians and 95th
percentiles; nDCG@10 is that of the very runs that were timed.

    python benchmarks/latency.py --index indexes/scifact
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import bm25s
import numpy as np
import Stemmer
from judged import Judged, measure, read
from report import record

from searchkit.index.vectors import open_vectors
from searchkit.models.folder import locate
from searchkit.models.names import resolve
from searchkit.models.quiet import quiet
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher

K = 10
TOTAL_MS, BM25_MS = 25.0, 1.0  # the bars, for medians
OURS, REST = "searchkit", "hits and traces"
Times = dict[str, list[float]]  # what was timed -> ms of each search
Best = Callable[[str], np.ndarray]  # query -> rows, best first


def open_dense(searcher: Searcher, encoder: str, *, depth: int) -> Best:
    """Bare parts: their encode, one matrix-vector product, one partition and sort."""
    from sentence_transformers import SentenceTransformer

    index = searcher.index
    parts = [open_vectors(index.folder(p)) for _, p in index.part("vectors", encoder=encoder) or []]
    if any(part.starts is not None for part in parts):
        raise SystemExit(f"{index.path} has several vectors a document; the peer reads one")
    vectors = np.concatenate([part.vectors for part in parts]).astype(np.float32)
    with quiet():
        model = SentenceTransformer(str(locate(resolve(encoder, "bi-encoder"))), device="cpu")
    depth = min(depth, len(vectors))

    def search(query: str) -> np.ndarray:
        [vector] = model.encode_query([query], show_progress_bar=False, normalize_embeddings=True)
        scores = vectors @ vector
        best = np.argpartition(-scores, depth - 1)[:depth]
        return best[np.argsort(-scores[best])]

    return search


def open_bm25s(searcher: Searcher, pipeline: Pipeline) -> Best:
    stemmer = Stemmer.Stemmer("english")
    texts = [f"{doc.title} {doc.text}" for doc in searcher.index]
    cut = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    peer = bm25s.BM25(method="lucene", k1=pipeline.bm25.k1, b=pipeline.bm25.b, backend="numba")
    peer.index(bm25s.tokenize(texts, **cut), show_progress=False)
    depth = min(pipeline.depth, len(texts))

    def search(query: str) -> np.ndarray:
        tokens = bm25s.tokenize([query], **cut)
        rows, _ = peer.retrieve(tokens, k=depth, n_threads=1, show_progress=False)
        return rows[0]

    return search


def ask(searcher: Searcher, query: str, times: Times) -> list[str]:
    """One search of ours: its time by stage, and the documents it found."""
    answer = searcher.answer(query, K, stage="fused")
    stages = {name: ms for name, ms in answer.times_ms.items() if name != "total"}
    stages |= {REST: answer.times_ms["total"] - sum(stages.values())}
    for stage, ms in {**stages, "total": answer.times_ms["total"]}.items():
        times[f"{OURS} {stage}"].append(ms)
    return [hit.doc.id for hit in answer.hits]


def take_turns(
    searcher: Searcher, peers: dict[str, Best], queries: Sequence[str]
) -> tuple[Times, dict[str, list[list[str]]]]:
    """Times, and what everyone found: name -> the ids of each query."""
    times: Times = defaultdict(list)
    found: dict[str, list[list[str]]] = defaultdict(list)
    names = [OURS, *peers]
    for n, query in enumerate(queries):
        turn = n % len(names)
        for name in names[turn:] + names[:turn]:
            if name == OURS:
                found[name].append(ask(searcher, query, times))
                continue
            start = perf_counter()
            rows = peers[name](query)
            times[name].append((perf_counter() - start) * 1000)
            found[name].append(searcher.index.ids(rows[:K]))
    return times, found


def quality(judged: Judged, found: dict[str, list[list[str]]]) -> dict[str, float]:
    ndcg = {}
    for name, ids in found.items():
        runs = [[(doc, -float(rank)) for rank, doc in enumerate(docs)] for docs in ids]
        run = dict(zip(judged.ids, runs[: len(judged.ids)], strict=True))
        ndcg[name] = round(measure(run, judged.qrels).mean["nDCG@10"], 4)
    return ndcg


def spread(ms: Sequence[float]) -> dict[str, float]:
    median, p95 = np.percentile(ms, [50, 95])
    return {"median": round(float(median), 2), "p95": round(float(p95), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--collection", default="scifact")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rounds", type=int, default=3, help="times that all queries are asked")
    parser.add_argument("--step", type=int, default=1, help="ask every n-th query only")
    given = parser.parse_args()
    import torch

    judged = read(given.collection, given.split, step=given.step)
    searcher = open_searcher(given.index, options=OpenOptions(reranker=None, device="cpu"))
    pipeline = searcher.pipeline
    searcher.stages.load("fused")
    peers = {
        f"sentence-transformers {name} + numpy dot": open_dense(
            searcher, name, depth=pipeline.depth
        )
        for name in pipeline.encoders
    }
    peers["bm25s"] = open_bm25s(searcher, pipeline)
    take_turns(searcher, peers, [f"what of {text}" for text in judged.texts[:30]])  # warms
    times, found = take_turns(searcher, peers, judged.texts * given.rounds)
    ms = {name: spread(taken) for name, taken in times.items()}
    total, lexical = ms[f"{OURS} total"]["median"], ms[f"{OURS} bm25"]["median"]
    record(
        "latency",
        {
            "collection": judged.label,
            "n_docs": len(searcher.index),
            "n_queries": len(judged.ids),
            "rounds": given.rounds,
            "threads": torch.get_num_threads(),
            "depth": pipeline.depth,
            "ms": ms,
            "ndcg_at_10": quality(judged, found),
            "bars": {
                f"fused search, median <= {TOTAL_MS:.0f} ms": total <= TOTAL_MS,
                f"BM25 stage, median <= {BM25_MS:.0f} ms": lexical <= BM25_MS,
            },
        },
    )


if __name__ == "__main__":
    main()
