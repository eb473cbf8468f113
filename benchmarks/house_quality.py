"""Does the packaged reranker help, where, and what does it cost?

    python benchmarks/house_quality.py --indexes indexes           the four judged sets
    python benchmarks/house_quality.py --indexes indexes --curve   quality against latency

The first compares the fused first stage with and without house-small at its shipped settings:
nDCG@10 of each set, the difference with its bootstrap interval and a paired randomisation test,
and both over all sets together (swaps and draws within each set). The second uses training
queries that trained nothing: pairs of 32 to 80 tokens, 20 to 100 candidates.
Writes results/house_quality.json, results/house_curve.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from house_small import HELD_OUT, held_out
from judged import Judged, as_run, measure, open_index, read
from report import record

from searchkit.evaluate.compare import Comparison, compare, compare_strata
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.names import resolve
from searchkit.rerank import RerankOptions, combine, raw_scores, rerank
from searchkit.search.searcher import Searcher
from searchkit.types import Ranking

SETS = [("scifact", "test"), ("scisumm_citance", "dev"), ("cranfield", "test"), ("pubmedqa", "dev")]
CURVE = [("scifact", 24), ("scisumm_citance", 18), ("pubmedqa", 3)]  # every so many queries
LENGTHS, DEPTHS = (32, 48, 64, 80), (20, 50, 100)
N_TIMED = 12


def values(judged: Judged, rankings: Sequence[Ranking], searcher: Searcher) -> list[float]:
    found = measure(as_run(judged, rankings, searcher), judged.qrels).per_query
    return [found[query]["nDCG@10"] for query in judged.ids]


def row(label: str, before: Sequence[float], after: Sequence[float]) -> dict[str, Any]:
    gain = compare(after, before, seed=1)
    means = {"fused": float(np.mean(before)), "reranked": float(np.mean(after))}
    return {"collection": label, **{k: round(v, 4) for k, v in means.items()}, **spell(gain)}


def spell(gain: Comparison) -> dict[str, Any]:
    return {
        "n_queries": gain.n_queries,
        "difference": round(gain.difference, 4),
        "interval": [round(gain.low, 4), round(gain.high, 4)],
        "p": round(gain.p, 5),
        "better": gain.n_better,
        "worse": gain.n_worse,
    }


def gains(indexes: Path, model: str) -> None:
    scorer = open_cross_encoder(model)
    options = RerankOptions(**resolve(model, "cross-encoder").serving.rerank)
    rows, strata = [], {}
    for name, split in SETS:
        judged, searcher = read(name, split), open_index(name, indexes)
        first = searcher.stages.run(judged.texts, stage="fused", k=100).rankings["fused"]
        second = rerank(judged.texts, first, scorer, searcher.index, options=options)
        before, after = values(judged, first, searcher), values(judged, second, searcher)
        strata[name] = (after, before)
        rows.append(row(judged.label, before, after))
        print(rows[-1], flush=True)
    pooled = {
        unit: spell(compare_strata(strata, mean_over=unit, seed=1))
        for unit in ("queries", "strata")
    }
    settings = {"depth": options.depth, "interpolation": options.interpolation}
    settings |= {"scale": options.scale, "max_tokens": scorer.max_tokens}
    record("house_quality", {"model": model, **settings, "rows": rows, "pooled": pooled})


def spared(name: str, step: int) -> Judged:
    """Training queries of a set that trained nothing."""
    judged = read(name, "train")
    kept = [q for q in judged.ids if name not in HELD_OUT or held_out(name, q)][::step]
    texts = dict(zip(judged.ids, judged.texts, strict=True))
    return Judged(
        name, "spared", kept, [texts[q] for q in kept], {q: judged.qrels[q] for q in kept}
    )


def curve(indexes: Path, model: str) -> None:
    options = RerankOptions(**resolve(model, "cross-encoder").serving.rerank)
    gained: dict[tuple[int, int], list[float]] = {}
    took: dict[tuple[int, int], list[float]] = {}
    before = []
    for name, step in CURVE:
        judged, searcher = spared(name, step), open_index(name, indexes)
        first = searcher.stages.run(judged.texts, stage="fused", k=100).rankings["fused"]
        before.append(round(float(np.mean(values(judged, first, searcher))), 4))
        for length in LENGTHS:
            scorer = open_cross_encoder(model, options=CrossEncoderOptions(max_tokens=length))
            pairs = list(zip(judged.texts, (head.head(100) for head in first), strict=True))
            raw = [raw_scores(text, head, scorer, searcher.index) for text, head in pairs]
            for depth in DEPTHS:
                cut = [
                    combine(head.head(depth), scores[:depth], options).ranking
                    for (_, head), scores in zip(pairs, raw, strict=True)
                ]
                quality = float(np.mean(values(judged, cut, searcher)))
                gained.setdefault((length, depth), []).append(quality)
                for text, head in pairs[:N_TIMED]:
                    begin = time.perf_counter()
                    raw_scores(text, head.head(depth), scorer, searcher.index)
                    took.setdefault((length, depth), []).append(time.perf_counter() - begin)
        print(name, before[-1], {k: round(v[-1], 4) for k, v in gained.items()}, flush=True)
    rows = [
        {
            "max_tokens": length,
            "depth": depth,
            "mean nDCG@10": round(float(np.mean(found)), 4),
            "by set": [round(value, 4) for value in found],
            "ms": round(1000 * median(took[length, depth]), 1),
        }
        for (length, depth), found in gained.items()
    ]
    sets = [f"{name}, every {step}" for name, step in CURVE]
    record("house_curve", {"model": model, "sets": sets, "fused": before, "rows": rows})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--indexes", type=Path, default=Path("indexes"))
    parser.add_argument("--model", default="house-small", help="alias or folder")
    parser.add_argument("--curve", action="store_true")
    given = parser.parse_args()
    (curve if given.curve else gains)(given.indexes, given.model)


if __name__ == "__main__":
    main()
