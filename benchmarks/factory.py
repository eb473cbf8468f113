"""Which fusion is the factory default: kind, weights, depth, k1 and b?

Chosen by the mean nDCG@10 over the train splits of five collections; a collection whose language
the encoder does not read (arabic_qa) runs BM25 alone by default, so that there only k1 and b
count. The winner is reported once on SciFact test. Writes results/factory.md.

    python benchmarks/factory.py --indexes indexes
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean

from judged import as_run, measure, open_index, read
from report import RESULTS, record

from searchkit.fuse import Fusion
from searchkit.retrieve.bm25 import BM25Retriever
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.search.searcher import Searcher
from searchkit.types import Ranking

TRAIN = {  # every n-th query, so that no collection takes hours
    "scifact": 1,
    "scisumm_citance": 8,
    "paperscape_astro": 2,
    "pubmedqa": 1,
    "arabic_qa": 1,
}
BM25 = [(0.9, 0.4), (1.2, 0.75), (1.5, 0.75), (1.2, 0.9)]
DEPTHS = [100, 1000]
WEIGHTS = [0.3, 0.4, 0.5, 0.6, 0.7]  # of the dense list


@dataclass(frozen=True, slots=True)
class Setting:
    k1: float
    b: float
    depth: int
    fusion: Fusion

    def __str__(self) -> str:
        f = self.fusion
        how = f"rrf, k0 {f.k0:g}" if f.kind == "rrf" else f"convex {f.normaliser}"
        weight = f.weights["minilm"]
        return f"k1 {self.k1} b {self.b}, depth {self.depth}, {how}, dense {weight:g}"


def settings() -> list[Setting]:
    found = []
    for (k1, b), depth in product(BM25, DEPTHS):
        weights = [{"bm25": 1 - w, "minilm": w} for w in WEIGHTS]
        fusions = [Fusion(kind="rrf", k0=k0, weights=weights[2]) for k0 in (20, 60)]
        fusions += [Fusion(kind="convex", weights=w) for w in weights]
        high = [{"bm25": 1 - w, "minilm": w} for w in (0.6, 0.7, 0.8)]
        fusions += [Fusion(kind="convex", weights=w, normaliser="theoretical-min") for w in high]
        found += [Setting(k1, b, depth, fusion) for fusion in fusions]
    return found


def lexical(searcher: Searcher, texts: list[str], k1: float, b: float) -> list[Ranking]:
    bm25 = searcher.stages.retrievers["bm25"].get()
    params = BM25Params(k1=k1, b=b)
    again = BM25Retriever(bm25.parts, analyzer=bm25.analyzer, params=params, engine="kernel")
    return again.retrieve(texts, max(DEPTHS))


def scores_of(
    name: str, split: str, step: int, *, folder: Path, tried: list[Setting]
) -> dict[str, float]:
    """nDCG@10 of every setting on one split; its stages run once."""
    searcher, judged = open_index(name, folder), read(name, split, step=step)
    by_bm25 = {pair: lexical(searcher, judged.texts, *pair) for pair in BM25}
    reads = bool(searcher.pipeline.encoders)
    dense = searcher.stages.retrievers["minilm"].get().retrieve(judged.texts, max(DEPTHS))
    found = {}
    for setting in tried:
        first = by_bm25[setting.k1, setting.b]
        if reads:
            first = [
                setting.fusion.fuse(
                    {"bm25": a.head(setting.depth), "minilm": b.head(setting.depth)}, 101
                )
                for a, b in zip(first, dense, strict=True)
            ]
        evaluation = measure(as_run(judged, first, searcher), judged.qrels)
        found[str(setting)] = evaluation.mean["nDCG@10"]
    print(f"{judged.label}: {len(judged.ids)} queries", flush=True)
    return found


def table(tried: list[Setting], found: dict[str, dict[str, float]]) -> str:
    means = {s: mean(scores[s] for scores in found.values()) for s in map(str, tried)}
    best = sorted(means, key=means.__getitem__, reverse=True)
    lines = ["| setting | mean | " + " | ".join(found) + " |", "|---|---|" + "---|" * len(found)]
    for setting in best:
        columns = " | ".join(f"{scores[setting]:.4f}" for scores in found.values())
        lines.append(f"| {setting} | {means[setting]:.4f} | {columns} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--indexes", type=Path, default=Path("indexes"))
    given = parser.parse_args()
    tried = settings()
    found = {
        name: scores_of(name, "train", step, folder=given.indexes, tried=tried)
        for name, step in TRAIN.items()
    }
    means = {s: mean(scores[s] for scores in found.values()) for s in map(str, tried)}
    best = max(tried, key=lambda setting: means[str(setting)])
    test = scores_of("scifact", "test", 1, folder=given.indexes, tried=[best])[str(best)]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "factory.md").write_text(table(tried, found), encoding="utf-8")
    record(
        "factory",
        {
            "tried": len(tried),
            "best": str(best),
            "mean_ndcg_at_10": round(means[str(best)], 4),
            "train": {name: round(scores[str(best)], 4) for name, scores in found.items()},
            "scifact_test": round(test, 4),
        },
    )


if __name__ == "__main__":
    main()
