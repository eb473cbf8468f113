"""How many BM25 queries a second, top 100, tokenising included, beside bm25s and tantivy?

One corpus file, queries cut from real sentences. Every peer answers the same queries from text to
100 documents; bm25s and searchkit with two threads, tantivy one query at a time. Rounds take
turns; medians. The ranking is compared with bm25s over the same terms: every document that only
one of them returns must tie within 1e-5 at the border.

    python benchmarks/search_lexical.py --corpus recombined.jsonl --index indexes/recombined
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import bm25s
import numpy as np
import pyarrow as pa
import Stemmer
import tantivy
from build_lexical import TANTIVY
from recombine import queries
from report import record

import searchkit
from searchkit.index.index import Index
from searchkit.retrieve.bm25 import BM25Retriever, LexicalPart

K = 100
Search = Callable[[Sequence[str]], object]


def texts_of(corpus: Path) -> list[str]:
    rows = (json.loads(line) for line in corpus.open(encoding="utf-8"))
    return [f"{row['title']} {row['text']}" for row in rows]


def open_bm25s(texts: list[str]) -> Search:
    stemmer = Stemmer.Stemmer("english")
    cut = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
    peer.index(bm25s.tokenize(texts, **cut), show_progress=False)

    def search(asked: Sequence[str]) -> object:
        tokens = bm25s.tokenize(list(asked), **cut)
        return peer.retrieve(tokens, k=K, n_threads=2, show_progress=False)

    return search


def open_tantivy(corpus: Path) -> Search:
    import subprocess

    folder = Path(tempfile.mkdtemp()) / "tantivy"
    subprocess.run([sys.executable, "-c", TANTIVY, str(corpus), str(folder)], check=True)
    index = tantivy.Index.open(str(folder))
    searcher = index.searcher()

    def search(asked: Sequence[str]) -> object:
        found = []
        for query in asked:
            words = "".join(c if c.isalnum() else " " for c in query)
            parsed = index.parse_query(words, ["title", "text"])
            found.append(searcher.search(parsed, K).hits)
        return found

    return search


def differences(ours: BM25Retriever, texts: list[str], asked: Sequence[str]) -> dict[str, float]:
    """Documents that only one side returns and that do not tie with the 100th score."""
    runs = ours.analyzer.runs(pa.array(texts, pa.large_string()))
    tokens = [runs.ids[a:b].tolist() for a, b in pairwise(runs.starts)]
    vocabulary = {term: n for n, term in enumerate(runs.vocabulary)}
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    peer.index(bm25s.tokenization.Tokenized(tokens, vocabulary), show_progress=False)
    worst, wrong = 0.0, 0
    for query, ranking in zip(asked, ours.retrieve(asked, K), strict=True):
        known = [vocabulary[t] for t in ours.analyzer.terms(query) if t in vocabulary]
        if not known or not len(ranking):
            continue
        scores = peer.get_scores_from_ids(known)
        gap = np.abs(scores[ranking.rows] - ranking.scores) / ranking.scores
        worst = max(worst, float(gap.max()))
        border = float(ranking.scores[-1])
        above = set(np.flatnonzero(scores > border * (1 + 1e-5)).tolist())
        wrong += len(above - set(ranking.rows.tolist()))
    return {"n_queries": len(asked), "largest_relative_gap": worst, "documents_missed": wrong}


def rate(search: Search, asked: Sequence[str]) -> float:
    start = time.perf_counter()
    search(asked)
    return len(asked) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--n-queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if not given.index.exists():
        searchkit.build(given.corpus, out=given.index, encoders=[])
    index = Index.open(given.index)
    parts = [LexicalPart(base, postings) for base, postings in index.postings]
    ours = BM25Retriever(parts, analyzer=index.analyzer)
    texts = texts_of(given.corpus)
    peers: dict[str, Search] = {
        "searchkit": lambda asked: ours.retrieve(asked, K),
        "bm25s numba": open_bm25s(texts),
        "tantivy": open_tantivy(given.corpus),
    }
    for size in ((2, 4), (8, 12), (30, 40)):
        asked = queries(given.n_queries, n_terms=size)
        few = {"tantivy": asked[:200]}
        for peer, search in peers.items():
            search(few.get(peer, asked)[:100])  # compiles, maps, warms
        rates: dict[str, list[float]] = {peer: [] for peer in peers}
        for _ in range(given.rounds):
            for peer, search in peers.items():
                rates[peer].append(rate(search, few.get(peer, asked)))
        medians = {peer: round(statistics.median(found), 1) for peer, found in rates.items()}
        record(
            "search_lexical",
            {
                "n_docs": len(index),
                "terms": list(size),
                "queries_per_s": medians,
                "ratio_to_bm25s": round(medians["searchkit"] / medians["bm25s numba"], 2),
                "ratio_to_tantivy": round(medians["searchkit"] / medians["tantivy"], 2),
                "against_bm25s": differences(ours, texts, asked[:200]),
            },
        )


if __name__ == "__main__":
    main()
