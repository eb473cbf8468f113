"""How long does one warm search take, stage by stage, and what does the script of its parts take?

SciFact's test queries, all distinct, one at a time through `Searcher.answer` with the default
pipeline (BM25, MiniLM, fusion, house-small over the first 50), on the CPU; nothing keeps results.
Beside every search its peers answer the same query: sentence-transformers' own encode with a numpy
dot product over the same vectors; bm25s over the same documents; and the script that a
practitioner would write from these and CrossEncoder.predict: the same weights of all models, the
same depths and the same fusion, each document read from its title on, because finding the
sentences that answer the query is ours. Whoever comes first changes from query to query. Medians
and 95th percentiles, and the median of the processor's time, which on a busy machine leaves out
what others took; nDCG@10 is that of the very runs that were timed.

    python benchmarks/latency.py --index indexes/scifact
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import bm25s
import numpy as np
import Stemmer
from judged import Judged, measure, read
from report import record

from searchkit.index.vectors import open_vectors
from searchkit.models.export import write_plain
from searchkit.models.folder import locate
from searchkit.models.names import resolve
from searchkit.models.pair_scorer import CrossEncoderScorer
from searchkit.models.quiet import quiet
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher

K = 10
TOTAL_MS, BM25_MS = 25.0, 1.0  # the bars, for medians; the first is for what comes before reranking
OURS, REST = "searchkit", "hits and traces"
Times = dict[str, list[float]]  # what was timed -> ms of each search


class Best(NamedTuple):
    rows: np.ndarray  # best first
    scores: np.ndarray


Search = Callable[[str], Best]


def open_dense(searcher: Searcher, encoder: str, *, depth: int) -> Search:
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

    def search(query: str) -> Best:
        [vector] = model.encode_query([query], show_progress_bar=False, normalize_embeddings=True)
        scores = vectors @ vector
        best = np.argpartition(-scores, depth - 1)[:depth]
        best = best[np.argsort(-scores[best])]
        return Best(best, scores[best])

    return search


def open_bm25s(searcher: Searcher, pipeline: Pipeline) -> Search:
    stemmer = Stemmer.Stemmer("english")
    texts = [f"{doc.title} {doc.text}" for doc in searcher.index]
    cut = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    peer = bm25s.BM25(method="lucene", k1=pipeline.bm25.k1, b=pipeline.bm25.b, backend="numba")
    peer.index(bm25s.tokenize(texts, **cut), show_progress=False)
    depth = min(pipeline.depth, len(texts))

    def search(query: str) -> Best:
        tokens = bm25s.tokenize([query], **cut)
        rows, scores = peer.retrieve(tokens, k=depth, n_threads=1, show_progress=False)
        held = scores[0] > 0
        return Best(rows[0][held].astype(np.int64), scores[0][held])

    return search


def open_script(
    searcher: Searcher, lexical: Search, dense: Search, *, encoder: str, folder: Path
) -> Search:
    """Both lists, min-max, weighted sum, the head to a CrossEncoder, weighted sum."""
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    pipeline, scorer = searcher.pipeline, reranker(searcher)
    if scorer is None:
        raise SystemExit(f"the pipeline of {searcher.index.path} has no reranker")
    write_plain(scorer.name, folder)
    with quiet():
        model = CrossEncoder(str(folder), device="cpu", max_length=scorer.max_tokens)
    docs = [f"{doc.title} {doc.text}" for doc in searcher.index]
    weights, kept = pipeline.fusion.weights, pipeline.rerank.interpolation or 0.0
    raw = pipeline.rerank.scale == "raw"

    def search(query: str) -> Best:
        fused = np.zeros(len(docs))
        for found, name in ((lexical(query), "bm25"), (dense(query), encoder)):
            if len(found.rows):
                fused[found.rows] += weights[name] * unit(found.scores)
        head = np.argsort(-fused, kind="stable")[: pipeline.rerank.depth]
        pairs = [(query, docs[row]) for row in head]
        read = model.predict(pairs, activation_fn=Identity(), show_progress_bar=False)
        scores = kept * unit(fused[head]) + (1 - kept) * (read if raw else unit(read))
        order = np.argsort(-scores, kind="stable")
        return Best(head[order], scores[order])

    return search


def unit(scores: np.ndarray) -> np.ndarray:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)


def reranker(searcher: Searcher) -> CrossEncoderScorer | None:
    scorer = searcher.stages.scorer
    return scorer.get() if scorer else None


def open_peers(searcher: Searcher, folder: Path) -> dict[str, Search]:
    pipeline = searcher.pipeline
    [encoder] = pipeline.encoders
    dense = open_dense(searcher, encoder, depth=pipeline.depth)
    lexical = open_bm25s(searcher, pipeline)
    script = open_script(searcher, lexical, dense, encoder=encoder, folder=folder)
    return {
        f"sentence-transformers {encoder} + numpy dot": dense,
        "bm25s": lexical,
        "script of bm25s + SentenceTransformer + CrossEncoder": script,
    }


def ask(searcher: Searcher, query: str, times: Times) -> list[str]:
    """One search of ours: its time by stage, and the documents it found."""
    answer = searcher.answer(query, K)
    stages = {name: ms for name, ms in answer.times_ms.items() if name != "total"}
    stages |= {REST: answer.times_ms["total"] - sum(stages.values())}
    before = answer.times_ms["total"] - stages.get("reranked", 0.0)
    sums = {"total before reranking": before, "total": answer.times_ms["total"]}
    for stage, ms in {**stages, **sums}.items():
        times[f"{OURS} {stage}"].append(ms)
    return [hit.doc.id for hit in answer.hits]


def take_turns(
    searcher: Searcher, peers: dict[str, Search], queries: Sequence[str]
) -> tuple[Times, Times, dict[str, list[list[str]]]]:
    """Times, those of the processor, and what everyone found: name -> the ids of each query."""
    times: Times = defaultdict(list)
    processor: Times = defaultdict(list)
    found: dict[str, list[list[str]]] = defaultdict(list)
    names = [OURS, *peers]
    for n, query in enumerate(queries):
        turn = n % len(names)
        for name in names[turn:] + names[:turn]:
            start, busy = perf_counter(), process_time()
            if name == OURS:
                found[name].append(ask(searcher, query, times))
                processor[f"{OURS} total"].append((process_time() - busy) * 1000)
                continue
            best = peers[name](query)
            processor[name].append((process_time() - busy) * 1000)
            times[name].append((perf_counter() - start) * 1000)
            found[name].append(searcher.index.ids(best.rows[:K]))
    return times, processor, found


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
    parser.add_argument("--rounds", type=int, default=1, help="times that all queries are asked")
    parser.add_argument("--step", type=int, default=1, help="ask every n-th query only")
    given = parser.parse_args()
    import torch

    judged = read(given.collection, given.split, step=given.step)
    searcher = open_searcher(given.index, options=OpenOptions(device="cpu"))
    pipeline = searcher.pipeline
    searcher.stages.load(searcher.stages.default)
    with tempfile.TemporaryDirectory() as folder:
        peers = open_peers(searcher, Path(folder) / "model")
        take_turns(searcher, peers, [f"what of {text}" for text in judged.texts[:12]])  # warms
        times, processor, found = take_turns(searcher, peers, judged.texts * given.rounds)
    ms = {name: spread(taken) for name, taken in times.items()}
    for name, taken in processor.items():
        ms[name]["processor"] = spread(taken)["median"]
    before = ms[f"{OURS} total before reranking"]["median"]
    lexical = ms[f"{OURS} bm25"]["median"]
    record(
        "latency",
        {
            "collection": judged.label,
            "n_docs": len(searcher.index),
            "n_queries": len(judged.ids),
            "rounds": given.rounds,
            "threads": torch.get_num_threads(),
            "depth": pipeline.depth,
            "reranker": pipeline.reranker,
            "rerank_depth": pipeline.rerank.depth,
            "ms": ms,
            "ndcg_at_10": quality(judged, found),
            "bars": {
                f"fused search, median <= {TOTAL_MS:.0f} ms": before <= TOTAL_MS,
                f"BM25 stage, median <= {BM25_MS:.0f} ms": lexical <= BM25_MS,
            },
        },
    )


if __name__ == "__main__":
    main()
