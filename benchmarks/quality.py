"""How good is every stage on every judged collection, and is the difference to fusing real?

nDCG@10 and R@100 of BM25, the packaged MiniLM (one vector a document; where `--sentences` names
the collection one a sentence too), the factory fusion, the default reranker over it and the
pipeline that `searchkit tune` finds. Every stage is compared with the fusion by a paired
randomisation test over the queries; `holm` corrects its p for the number of collections in its
column. A collection whose language the models do not read (arabic_qa) runs BM25 alone by default:
there the fusion is what asking for it by name gives, and nothing reranks. bm25s with its own
tokenizer runs beside as a peer. A reranker drops what it does not read, 50 documents deep, so that
its R@100 is that of 50; its scores are kept, so that a second run costs minutes less.

With `--tune N` the first stage of each collection (BM25, weights, fusion, depth) is tuned as
`searchkit tune --reranker none` does it, in a copy of its index, on up to N queries of its train
split, evenly drawn, and judged on the split of the row, without a reranker like the fusion that it
is compared with. A collection
without a train split is tuned and judged within the row's own queries by cross-validation, which
the row says. The settings are judged whether or not the gate let them pass, which the row says
too. Tuning knows of no query that is a document itself (paperscape_astro), and so counts it.
Writes results/quality.md.

    python benchmarks/quality.py --indexes indexes --tune 400
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from judged import ARABIC, DATA, Judged, as_run, measure, open_index, read
from report import RESULTS, record

from searchkit.evaluate.compare import compare, holm
from searchkit.evaluate.measures import Evaluation
from searchkit.rerank import rerank
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher
from searchkit.tune.kept_pairs import kept
from searchkit.tune.tune import TuneOptions, tune
from searchkit.tune.tuning import settings_by_name
from searchkit.types import Query, Ranking

SETS = [
    ("scifact", "test"),
    ("scisumm_citance", "dev"),
    ("cranfield", "test"),
    ("pubmedqa", "dev"),
    ("paperscape_astro", "dev"),
    ("arabic_qa", "dev"),
    ("adi", "test"),
]
SENTENCES = ("cranfield",)  # collections that are cheap to encode sentence by sentence
PEER, BASELINE = "bm25s, its own tokens", "fused"
Row = dict[str, Any]


def peer_bm25s(judged: Judged, searcher: Searcher) -> Evaluation:
    texts = [f"{doc.title} {doc.text}" for doc in searcher.index]
    language = "arabic" if judged.name in ARABIC else "english"
    stop = [] if judged.name in ARABIC else "en"
    cut = {"stopwords": stop, "stemmer": Stemmer.Stemmer(language), "show_progress": False}
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    peer.index(bm25s.tokenize(texts, **cut), show_progress=False)
    k = min(101, len(texts))
    rows, scores = peer.retrieve(
        bm25s.tokenize(judged.texts, **cut), k=k, show_progress=False, n_threads=1
    )
    rankings = [
        Ranking.top(r[s > 0].astype(np.int64), s[s > 0].astype(np.float32), k)
        for r, s in zip(rows, scores, strict=True)
    ]
    return measure(as_run(judged, rankings, searcher), judged.qrels)


def evaluations(judged: Judged, indexes: Path, *, sentences: bool) -> dict[str, Evaluation]:
    """What every stage is worth, in the order of the table."""
    searcher = open_index(judged.name, indexes, reranker="auto")
    found = {PEER: peer_bm25s(judged, searcher)}
    ranked = searcher.stages.run(judged.texts, stage=BASELINE, k=1000).rankings
    if searcher.stages.scorer:
        with kept(searcher.stages.scorer.get()) as scorer:
            options, docs = searcher.pipeline.rerank, searcher.index
            first = ranked[BASELINE]
            ranked["reranked"] = rerank(judged.texts, first, scorer, docs, options=options)
    for stage, rankings in ranked.items():
        found[stage] = measure(as_run(judged, rankings, searcher), judged.qrels)
    if sentences:
        by_sentence = open_index(judged.name, indexes, passages="sentence")
        [encoder] = by_sentence.stages.dense
        best = by_sentence.stages.run(judged.texts, stage=encoder, k=1000).rankings[encoder]
        found[f"{encoder}, best sentence"] = measure(
            as_run(judged, best, by_sentence), judged.qrels
        )
    return found


def fused(judged: Judged, indexes: Path) -> Evaluation:
    searcher = open_index(judged.name, indexes)
    ranked = searcher.stages.run(judged.texts, stage=BASELINE, k=1000).rankings[BASELINE]
    return measure(as_run(judged, ranked, searcher), judged.qrels)


def row(judged: Judged, stage: str, found: Evaluation, baseline: Evaluation) -> Row:
    made: Row = {
        "collection": judged.label,
        "n_queries": found.n_queries,
        "stage": stage,
        "nDCG@10": round(found.mean["nDCG@10"], 4),
        "R@100": round(found.mean["R@100"], 4),
    }
    return made if stage == BASELINE else made | against(judged, values(judged, found), baseline)


def values(judged: Judged, found: Evaluation) -> list[float]:
    return [found.per_query[query]["nDCG@10"] for query in judged.ids]


def against(judged: Judged, found: Sequence[float], baseline: Evaluation) -> Row:
    gain = compare(found, values(judged, baseline), seed=1)
    return {
        "difference": round(gain.difference, 4),
        "interval": [round(gain.low, 4), round(gain.high, 4)],
        "p": round(gain.p, 5),
        "better": gain.n_better,
        "worse": gain.n_worse,
    }


def tuned_row(judged: Judged, indexes: Path, baseline: Evaluation, most: int) -> Row:
    """What the settings are worth that tuning finds on the train split, or by cross-validation."""
    split = DATA / judged.name / "qrels" / "train.tsv"
    learnt = read(judged.name, "train") if split.exists() else judged
    step = -(-len(learnt.ids) // most) if split.exists() else 1
    learnt = read(judged.name, learnt.split, step=step)
    with tempfile.TemporaryDirectory() as folder:
        index = Path(shutil.copytree(indexes / judged.name, Path(folder) / judged.name))
        asked = [Query(*pair) for pair in zip(learnt.ids, learnt.texts, strict=True)]
        options = TuneOptions(reranker=None, dry_run=True)
        tuning = tune(index, asked, learnt.qrels, options=options)
    print(judged.label, settings_by_name(tuning.tuned), file=sys.stderr, flush=True)
    how: Row = {
        "collection": judged.label,
        "n_queries": len(judged.ids),
        "stage": "tuned",
        "settings": settings_by_name(tuning.tuned),
        "tuned_on": f"{learnt.label}, {len(learnt.ids)} queries",
        "gate": tuning.verdict.passed,
        "cross_validated": not split.exists(),
    }
    if how["cross_validated"]:
        found = [tuning.per_query[query][1] for query in judged.ids]
        means = {"nDCG@10": round(tuning.quality, 4)}
    else:
        evaluation = judged_under(tuning.tuned, judged, indexes)
        found = values(judged, evaluation)
        means = {name: round(evaluation.mean[name], 4) for name in ("nDCG@10", "R@100")}
    return {**how, **means, **against(judged, found, baseline)}


def judged_under(pipeline: Pipeline, judged: Judged, indexes: Path) -> Evaluation:
    options = OpenOptions(pipeline=pipeline, reranker=None)
    with open_searcher(indexes / judged.name, options=options) as searcher:
        last = searcher.stages.default
        ranked = searcher.stages.run(judged.texts, stage=last, k=1000).rankings[last]
        return measure(as_run(judged, ranked, searcher), judged.qrels)


def corrected(rows: Sequence[Row]) -> list[Row]:
    """With Holm's p over the collections of each column."""
    adjusted = {}
    for stage in {row["stage"] for row in rows}:
        column = [n for n, row in enumerate(rows) if row["stage"] == stage and "p" in row]
        holms = holm([rows[n]["p"] for n in column])
        adjusted |= {n: round(p, 5) for n, p in zip(column, holms, strict=True)}
    return [{**row, "holm": adjusted[n]} if n in adjusted else row for n, row in enumerate(rows)]


def table(rows: Sequence[Row]) -> str:
    names = ["collection", "n_queries", "stage", "nDCG@10", "R@100", "difference", "p", "holm"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(r.get(name, "")) for name in names) + " |" for r in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    known = [name for name, _ in SETS]
    parser.add_argument("--indexes", type=Path, default=Path("indexes"))
    parser.add_argument("--sets", nargs="+", choices=known, default=known)
    parser.add_argument("--sentences", nargs="*", choices=known, default=SENTENCES)
    parser.add_argument("--tune", type=int, default=0, metavar="N", help="0: tune nothing")
    parser.add_argument(
        "--only-tuned", action="store_true", help="leave the other stages as last recorded"
    )
    given = parser.parse_args()
    rows: list[Row] = []
    for name, split in SETS:
        if name not in given.sets:
            continue
        judged = read(name, split)
        if given.only_tuned:
            made, baseline = [], fused(judged, given.indexes)
        else:
            found = evaluations(judged, given.indexes, sentences=name in given.sentences)
            baseline = found[BASELINE]
            made = [row(judged, stage, of, baseline) for stage, of in found.items()]
        if given.tune:
            made.append(tuned_row(judged, given.indexes, baseline, given.tune))
        print(table(made), file=sys.stderr, flush=True)
        rows += made
    rows = corrected(rows)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "quality.md").write_text(table(rows), encoding="utf-8")
    record("quality", {"rows": rows})


if __name__ == "__main__":
    main()
