"""Does a bi-encoder that this package adapts find more of what citing sentences cite?

    python benchmarks/adapt_citances.py WORK --indexes indexes

Trains the packaged MiniLM on citing sentences and the papers they cite (scisumm_citance, train),
indexes the collection with it, and compares dense retrieval on the dev split with the packaged
MiniLM: nDCG@10 and R@100, paired randomisation tests. What is there is not made again.
Writes results/adapt_citances.json.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

import torch
from judged import DATA, Judged, as_run, measure, open_index, read
from report import record

import searchkit
from searchkit.corpus.atomic import replaced
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.evaluate.compare import compare_evaluations
from searchkit.evaluate.measures import Evaluation
from searchkit.models.encoder import EncoderOptions
from searchkit.search.api import IndexOptions, OpenOptions, open_searcher
from searchkit.search.searcher import Searcher
from searchkit.train.examples import read_examples
from searchkit.train.recipe import named
from searchkit.train.run import train

NAME = "scisumm_citance"
MAX_TOKENS = 96  # of a citing sentence or a paper, in training and in the index
SEED = 5


def pairs(out: Path, n: int) -> Path:
    """Citing sentences with a paper they cite, n of them."""
    if out.exists():
        return out
    judged = read(NAME, "train")
    docs = {
        d.id: d
        for d in read_docs([str(DATA / NAME)], ReadOptions(on_error="skip"), ledger=ReadLedger())
    }
    rows = [
        {"sentence_0": text, "sentence_1": f"{docs[doc].title} {docs[doc].text}"}
        for query, text in zip(judged.ids, judged.texts, strict=True)
        for doc in sorted(judged.qrels[query])
        if judged.qrels[query][doc] > 0 and doc in docs
    ]
    random.Random(SEED).shuffle(rows)
    with replaced(out) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows[:n])
    return out


def adapted(work: Path, n: int) -> Path:
    recipe = replace(
        named("adapt-bi-encoder"), base="minilm", shape="pairs", max_tokens=MAX_TOKENS,
        batch_size=32, epochs=1, learning_rate=1e-4, warmup_ratio=0.1, sampler="no-duplicates",
        evaluator="", keep_best=False, patience=0, best_metric="", log_every=10,
        evaluate_every=50,
    )  # fmt: skip
    source = str(pairs(work / "pairs.jsonl", n))
    examples = read_examples([source], "pairs", cache=work / "cache")
    out = work / "minilm-citances"
    if not (out / "modules.json").exists():
        train(recipe, examples, None, out, resume=(out / "training").exists())
    return out


def index(work: Path, model: Path) -> Searcher:
    place = work / "index"
    if not (place / "CURRENT").exists():
        options = IndexOptions(
            encoder=EncoderOptions(max_tokens=MAX_TOKENS), read=ReadOptions(on_error="skip")
        )
        searchkit.build(DATA / NAME, out=place, encoders=[str(model)], options=options)
    return open_searcher(place, options=OpenOptions(reranker=None))


def dense(searcher: Searcher, judged: Judged) -> Evaluation:
    found = searcher.stages.run(judged.texts, stage="dense", k=100)
    return measure(as_run(judged, found.rankings[found.last], searcher), judged.qrels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--indexes", type=Path, default=Path("indexes"))
    parser.add_argument("--n", type=int, default=3_200, help="training pairs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    searcher = index(given.work, adapted(given.work, given.n))
    judged = read(NAME, "dev")
    before, after = dense(open_index(NAME, given.indexes), judged), dense(searcher, judged)
    rows = []
    for name in ("nDCG@10", "R@100"):
        gain = compare_evaluations(after, before, measure=name, seed=1)
        rows.append(
            {
                "measure": name,
                "MiniLM": round(before.mean[name], 4),
                "adapted": round(after.mean[name], 4),
                "difference": round(gain.difference, 4),
                "interval": [round(gain.low, 4), round(gain.high, 4)],
                "p": round(gain.p, 5),
                "n_queries": gain.n_queries,
            }
        )
    record("adapt_citances", {"n_pairs": given.n, "max_tokens": MAX_TOKENS, "rows": rows})


if __name__ == "__main__":
    main()
