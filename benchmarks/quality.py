"""How good is every stage on the judged collections, and is fusing really better?

nDCG@10 and R@100 of BM25, the packaged MiniLM and the factory fusion; the fusion against the
better of the two by a paired randomisation test. Peers in the same run: bm25s with its own
tokenizer, and sentence-transformers' exact search. Writes results/quality.md.

    python benchmarks/quality.py --indexes indexes
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from judged import Judged, as_run, measure, open_index, read
from report import RESULTS, record

from searchkit.evaluate.compare import compare_evaluations
from searchkit.evaluate.measures import Evaluation
from searchkit.search.searcher import Searcher
from searchkit.types import Ranking

SETS = [("scifact", "test"), ("scisumm_citance", "dev"), ("cranfield", "test"), ("pubmedqa", "dev")]


def peer_bm25s(judged: Judged, searcher: Searcher) -> Evaluation:
    texts = [f"{doc.title} {doc.text}" for doc in searcher.index]
    cut = {"stopwords": "en", "stemmer": Stemmer.Stemmer("english"), "show_progress": False}
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    peer.index(bm25s.tokenize(texts, **cut), show_progress=False)
    rows, scores = peer.retrieve(
        bm25s.tokenize(judged.texts, **cut), k=100, show_progress=False, n_threads=1
    )
    rankings = [
        Ranking.top(r[s > 0].astype(np.int64), s[s > 0].astype(np.float32), 100)
        for r, s in zip(rows, scores, strict=True)
    ]
    return measure(as_run(judged, rankings, searcher), judged.qrels)


def row(label: str, stage: str, found: Evaluation) -> dict[str, Any]:
    return {
        "collection": label,
        "n_queries": found.n_queries,
        "stage": stage,
        "nDCG@10": round(found.mean["nDCG@10"], 4),
        "R@100": round(found.mean["R@100"], 4),
    }


def rows_of(judged: Judged, searcher: Searcher) -> list[dict[str, Any]]:
    staged = searcher.stages.run(judged.texts, stage="fused", k=1000)
    found = {
        stage: measure(as_run(judged, rankings, searcher), judged.qrels)
        for stage, rankings in staged.rankings.items()
    }
    rows = [row(judged.label, "bm25s, its own tokens", peer_bm25s(judged, searcher))]
    rows += [row(judged.label, stage, evaluation) for stage, evaluation in found.items()]
    first = {stage: e for stage, e in found.items() if stage != "fused"}
    better = max(first, key=lambda stage: first[stage].mean["nDCG@10"])
    gain = compare_evaluations(found["fused"], first[better], measure="nDCG@10", seed=1)
    rows[-1] |= {
        "against": better,
        "difference": round(gain.difference, 4),
        "interval": [round(gain.low, 4), round(gain.high, 4)],
        "p": round(gain.p, 5),
    }
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    names = ["collection", "n_queries", "stage", "nDCG@10", "R@100", "against", "difference", "p"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(r.get(name, "")) for name in names) + " |" for r in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--indexes", type=Path, default=Path("indexes"))
    given = parser.parse_args()
    rows = []
    for name, split in SETS:
        rows += rows_of(read(name, split), open_index(name, given.indexes))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "quality.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))
    record("quality", {"rows": rows})


if __name__ == "__main__":
    main()
