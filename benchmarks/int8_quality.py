"""What does int8 encoding of documents cost in quality?

The documents of a judged collection are encoded in int8, beside the float32 vectors of its index;
queries are read in float32. Exact dense search alone, and fused with BM25 as the factory pipeline
does, on the same queries: nDCG@10, its difference with a paired randomisation test, and how near
the vectors are. How much faster int8 is, `encode.py` says.

    python benchmarks/int8_quality.py --index indexes/scifact
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from judged import Judged, as_run, measure, read
from report import record

from searchkit.encode import GRID
from searchkit.evaluate.compare import compare
from searchkit.index.index import Index
from searchkit.index.vectors import open_vectors
from searchkit.models.encoder import EncoderOptions, SentenceEncoder, open_encoder
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.types import Ranking, Vectors

LOSS = 0.003  # the bar, of nDCG@10
K = 100


def encode(encoder: SentenceEncoder, texts: list[str]) -> Vectors:
    rows = [encoder.encode_docs(texts[n : n + GRID]) for n in range(0, len(texts), GRID)]
    return np.concatenate(rows)


def stored(index: Index, encoder: str) -> Vectors:
    parts = [open_vectors(index.folder(part)) for _, part in index.part("vectors", encoder=encoder)]
    if any(part.starts is not None for part in parts):
        raise SystemExit(f"{index.path} has several vectors a document; one is wanted")
    return np.concatenate([part.vectors for part in parts]).astype(np.float32)


def rankings(vectors: Vectors, queries: Vectors) -> list[Ranking]:
    kept = vectors.astype(np.float16).astype(np.float32)  # as an index keeps them
    rows = np.arange(len(kept))
    return [Ranking.top(rows, kept @ query, 1000) for query in queries]


def of_collection(name: str, split: str, index: Path, encoder: str) -> dict[str, Any]:
    judged = read(name, split)
    rounded = open_encoder(encoder, options=EncoderOptions(precision="int8"))
    queries = rounded.encode_queries(judged.texts)
    with Index.open(index) as opened:
        texts = [rounded.passage(doc) for doc in opened]
        found = {"float32": stored(opened, encoder), "int8": encode(rounded, texts)}
    with open_searcher(index, options=OpenOptions(reranker=None, device="cpu")) as searcher:
        lists = {way: rankings(vectors, queries) for way, vectors in found.items()}
        lexical = searcher.stages.run(judged.texts, stage="bm25", k=1000).rankings["bm25"]
        fusion = searcher.pipeline.fusion
        stages = {
            "dense": lists,
            "fused": {
                way: [
                    fusion.fuse({"bm25": words, encoder: dense}, 1000)
                    for words, dense in zip(lexical, given, strict=True)
                ]
                for way, given in lists.items()
            },
        }
        told = {stage: compared(judged, ways, searcher) for stage, ways in stages.items()}
    cosines = (found["float32"] * found["int8"]).sum(1)
    return {
        "n_docs": len(texts),
        "n_queries": len(judged.ids),
        "cosine": {
            "mean": round(float(cosines.mean()), 5),
            "least": round(float(cosines.min()), 5),
        },
        "ndcg_at_10": told,
    }


def compared(judged: Judged, ways: dict[str, list[Ranking]], searcher: Any) -> dict[str, Any]:  # noqa: ANN401
    values = {}
    for way, found in ways.items():
        run = as_run(judged, [one.head(K) for one in found], searcher)
        told = measure(run, judged.qrels).per_query
        values[way] = [told[query]["nDCG@10"] for query in judged.ids]
    gain = compare(values["int8"], values["float32"], seed=1)
    means = {way: round(float(np.mean(found)), 4) for way, found in values.items()}
    return {**means, "difference": round(gain.difference, 4), "p": round(gain.p, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collection", default="scifact")
    parser.add_argument("--split", default="test")
    parser.add_argument("--index", type=Path, required=True, help="of the collection, in float32")
    parser.add_argument("--encoder", default="minilm")
    given = parser.parse_args()
    found = of_collection(given.collection, given.split, given.index, given.encoder)
    lost = {stage: -told["difference"] for stage, told in found["ndcg_at_10"].items()}
    settings = {"collection": f"{given.collection} {given.split}", "encoder": given.encoder}
    bars = {f"{stage}: loss <= {LOSS} nDCG@10": value <= LOSS for stage, value in lost.items()}
    record("int8_quality", {**settings, **found, "bars": bars})


if __name__ == "__main__":
    main()
