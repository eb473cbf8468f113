"""How far may the packaged reranker be believed without harm?

    python benchmarks/house_weight.py --indexes indexes

On training queries that trained nothing: the gain in nDCG@10 over the fused first stage and the
lower end of its 95% interval, for several weights of the first stage (w to 1) and depths. What
ships is the least weight at which no set's lower end is below -.01.
Writes results/house_weight.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from house_quality import spared, values
from judged import open_index
from report import record

from searchkit.evaluate.compare import compare
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.rerank import RerankOptions, combine, raw_scores

SETS = [("scifact", 8), ("scisumm_citance", 6), ("pubmedqa", 1)]  # every so many queries
WEIGHTS, DEPTHS = (10, 14, 20, 25, 30, 40, 50, 70, 100), (50, 100)
HARM = -0.01


def gains(indexes: Path, model: str) -> list[dict[str, Any]]:
    scorer, rows = open_cross_encoder(model), []
    for name, step in SETS:
        judged, searcher = spared(name, step), open_index(name, indexes)
        first = searcher.stages.run(judged.texts, stage="fused", k=100).rankings["fused"]
        before = values(judged, first, searcher)
        heads = [head.head(max(DEPTHS)) for head in first]
        raw = [
            raw_scores(text, head, scorer, searcher.index)
            for text, head in zip(judged.texts, heads, strict=True)
        ]
        for depth in DEPTHS:
            for weight in WEIGHTS:
                options = RerankOptions(
                    depth=depth, interpolation=weight / (weight + 1), scale="raw"
                )
                after = [
                    combine(head.head(depth), scores[:depth], options).ranking
                    for head, scores in zip(heads, raw, strict=True)
                ]
                found = compare(values(judged, after, searcher), before, seed=1)
                row = {"set": name, "n_queries": found.n_queries, "depth": depth, "weight": weight}
                row |= {"gain": round(found.difference, 4), "low": round(found.low, 4)}
                rows.append(row)
                print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--indexes", type=Path, default=Path("indexes"))
    parser.add_argument("--model", default="house-small", help="alias or folder")
    given = parser.parse_args()
    rows = gains(given.indexes, given.model)
    least = {
        depth: min(
            weight
            for weight in WEIGHTS
            if all(
                row["low"] > HARM
                for row in rows
                if row["depth"] == depth and row["weight"] == weight
            )
        )
        for depth in DEPTHS
    }
    record("house_weight", {"model": given.model, "rows": rows, "least weight by depth": least})


if __name__ == "__main__":
    main()
