"""Does each of the five recipes train, end to end, on data of its shape with its class of model?

Every recipe runs at least 50 steps with a small base of its architecture class, on real examples
of its shape, and leaves a model that plain sentence-transformers and a search load. The two of
BERT-base's size (12 layers of 768, random) take a step as well. What was changed about a recipe
stands in the line; figures of quality are for the eye: bases are random or cut.

    python benchmarks/train_recipes.py [--only NAME]
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from bases import BERT_BASE, TINYBERT, Size, save_base
from judged import DATA, as_run, measure, read
from report import record

import searchkit
from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.queries import read_queries
from searchkit.corpus.read import ReadOptions
from searchkit.rerank import RerankOptions
from searchkit.search.api import IndexOptions, OpenOptions, open_searcher
from searchkit.search.pipeline import Pipeline
from searchkit.train.examples import Examples, read_examples
from searchkit.train.mining import MineCounts, MineOptions
from searchkit.train.negatives import mine
from searchkit.train.overlap import refuse_overlap
from searchkit.train.recipe import Recipe, Shape, named, with_settings
from searchkit.train.run import train

CARD = (  # what the published cards show
    *("model-index:", "## Usage", "## Limits", "## Cost", "### Metrics", "* Samples:", "* Loss:"),
    *("#### Non-Default Hyperparameters", "#### All Hyperparameters", "### Training Logs"),
    *("### Framework Versions", "## Citation", "## Provenance", "sha256"),
)
MIN_STEPS = 50


@dataclass(frozen=True, slots=True)
class Trial:
    """What a recipe is tried with."""

    base: str
    architecture: str
    train: Examples
    dev: Examples
    settings: list[str]  # changes to the recipe
    search: Callable[[Path], dict[str, Any]]  # a model folder -> what a search made of it
    full: list[str] = field(default_factory=list)  # changes for a step at BERT-base's size


def rows_of(path: Path, n: int | None = None) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:  # type: ignore[operator]
        yield from islice((json.loads(line) for line in file), n)


def written(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def both(
    folder: Path, rows: Sequence[dict[str, Any]], n_dev: int, shape: Shape, **columns: str
) -> list[Examples]:
    """Training and development examples; the last n rows are held out."""
    parts = {"train": rows[:-n_dev], "dev": rows[-n_dev:]}
    found = [
        read_examples(
            [str(written(folder / f"{name}.jsonl", part))],
            shape,
            columns=columns,
            cache=folder / "cache",
        )
        for name, part in parts.items()
    ]
    refuse_overlap(found[0], found[1])
    return found


def tinybert(folder: Path) -> Trial:
    rows = list(rows_of(DATA / "paperscape_astro/triples_train.jsonl.gz", 3000))
    seen = {row["query_id"] for row in rows[:-200]}
    rows = [*rows[:-200], *(row for row in rows[-200:] if row["query_id"] not in seen)]
    n_dev = sum(row["query_id"] not in seen for row in rows)
    data = both(folder, rows, n_dev, "triplets")
    index = lexical(folder, "paperscape_astro")
    settings = ["max_steps=60", "warmup_steps=6", "evaluate_every=30", "workers=0"]
    settings += ["max_tokens=64", "learning_rate=2e-4", "batch_size=16", "layers=0,5"]
    return Trial(
        "minilm",
        "bert 2 x 384, MiniLM's layers 0 and 5 under a new head",
        *data,
        settings,
        search=lambda out: reranks(index, out, "paperscape_astro", step=2, depth=20),
    )


def minilm(folder: Path) -> Trial:
    index = lexical(folder, "scisumm_citance")
    data = both(folder, list(lists(index, 90)), 30, "lists")
    settings = ["max_steps=80", "evaluate_every=40", "max_tokens=64", "learning_rate=2e-4"]
    return Trial(
        "minilm",
        "bert 6 x 384, MiniLM's encoder under a new head",
        *data,
        settings,
        search=lambda out: reranks(index, out, "scisumm_citance", step=84, depth=20),
    )


def lists(index: Path, n: int) -> Iterator[dict[str, Any]]:
    """Citing sentences of the train split, with the cited paper and four mined by BM25."""
    folder = DATA / "scisumm_citance"
    qrels = read_qrels(folder / "qrels/train.tsv")
    asked = [one for one in read_queries(folder / "queries.jsonl") if one.id in qrels]
    texts: set[str] = set()
    queries = [q for q in asked if not (q.text in texts or texts.add(q.text))][: 12 * n : 12]  # type: ignore[func-returns-value]
    with open_searcher(index, options=OpenOptions(reranker=None)) as searcher:
        bm25 = searcher.stages.retrievers["bm25"].get()
        found: dict[str, dict[str, Any]] = {}
        options = MineOptions(n=4, first=5, last=50)
        mined = mine(
            searcher.index, queries, qrels, rank=bm25.retrieve, options=options, counts=MineCounts()
        )
        for one in mined:
            row = found.setdefault(
                one.query, {"query": one.query, "positives": [], "negatives": []}
            )
            if one.positive not in row["positives"]:
                row["positives"].append(one.positive)
            row["negatives"].append(one.negative)
    yield from found.values()


def astro(folder: Path) -> Trial:
    """For both SPECTER2 and astroBERT: pairs of sentences, in-batch negatives."""
    rows = list(rows_of(DATA / "astro_pairs/pairs.jsonl"))
    data = both(folder, rows, 100, "pairs", sentence_0="text_a", sentence_1="text_b")
    settings = ["max_steps=60", "evaluator=retrieval", "evaluate_every=30", "max_tokens=96"]
    return Trial(
        str(save_base(folder / "base", TINYBERT)),
        f"{TINYBERT}, random",
        *data,
        [*settings, "learning_rate=5e-4"],
        search=lambda out: encodes(folder, out),
        full=["max_steps=1", "batch_size=8", "max_tokens=96"],
    )


def araelectra(folder: Path) -> Trial:
    """ELECTRA from scratch: nothing Arabic is packaged."""
    source = DATA / "arabic_qa"
    rows = list(rows_of(source / "pairs_train.jsonl.gz"))
    texts = [row[side] for row in rows for side in ("question", "passage")]
    size = Size(layers=2, width=128, kind="electra")
    base = save_base(folder / "base", size, texts=texts)
    dev = list(rows_of(source / "pairs_dev.jsonl.gz", 500))
    data = both(folder, [*rows, *dev], len(dev), "labelled", query="question", document="passage")
    index = lexical(folder, "arabic_qa")
    settings = ["max_steps=150", "learning_rate=5e-4", "max_tokens=128", "evaluate_every=75"]
    return Trial(
        str(base),
        f"{size}, random",
        *data,
        settings,
        search=lambda out: reranks(index, out, "arabic_qa", step=3, depth=10),
    )


def lexical(folder: Path, name: str) -> Path:
    analyzer = "arabic" if name == "arabic_qa" else "english"
    options = IndexOptions(analyzer=analyzer, read=ReadOptions(on_error="skip"))
    searchkit.build(DATA / name, out=folder / "index", encoders=[], options=options)
    return folder / "index"


def reranks(index: Path, out: Path, name: str, *, step: int, depth: int) -> dict[str, Any]:
    """The first stage's and the model's order of the same candidates."""
    judged = read(name, "dev", step=step)
    pipeline = Pipeline(rerank=RerankOptions(depth=depth))
    opening = OpenOptions(reranker=str(out), device="cpu", pipeline=pipeline)
    found: dict[str, Any] = {"collection": judged.label, "n_queries": len(judged.ids)}
    with open_searcher(index, options=opening) as searcher:
        staged = searcher.stages.run(judged.texts, stage="reranked", k=depth)
        for stage, rankings in staged.rankings.items():
            heads = [ranking.head(depth) for ranking in rankings]
            measured = measure(as_run(judged, heads, searcher), judged.qrels)
            found[f"nDCG@10 {stage}"] = round(measured.mean["nDCG@10"], 4)
        first, last = (staged.rankings[stage] for stage in ("bm25", "reranked"))
        same = sum(
            list(a.head(10).rows) == list(b.head(10).rows) for a, b in zip(first, last, strict=True)
        )
    return {**found, "depth": depth, "reordered": len(judged.ids) - same}


def encodes(folder: Path, out: Path) -> dict[str, Any]:
    corpus = written(folder / "few.jsonl", rows_of(DATA / "astro_abstracts/corpus.jsonl.gz", 100))
    index = folder / f"index-{out.name}"
    searchkit.build(corpus, out=index, encoders=[str(out)], options=IndexOptions(replace=True))
    with open_searcher(index, options=OpenOptions(reranker=None, device="cpu")) as searcher:
        titles = [searcher.index[row].title for row in range(0, 100, 5)]
        ranked = searcher.rank(titles, k=1, stage="dense")
        wanted = searcher.index.ids(np.arange(0, 100, 5))
    right = sum(hits[0][0] == id_ for hits, id_ in zip(ranked, wanted, strict=True))
    return {"collection": "100 of astro_abstracts", "own titles found first": right / len(wanted)}


TRIALS: dict[str, Callable[[Path], Trial]] = {
    "tinybert-scirepeval": tinybert,
    "minilm-scidocs": minilm,
    "specter2-astro": astro,
    "astrobert-astro": astro,
    "araelectra-qa": araelectra,
}


def attempt(name: str, folder: Path) -> dict[str, Any]:
    """Train, check what came out, and say what it was."""
    start = time.perf_counter()
    trial = TRIALS[name](folder)
    chosen = with_settings(named(name), [*trial.settings, "log_every=1", f'base="{trial.base}"'])
    begin = time.perf_counter()
    out = folder / "model"
    result = train(chosen, trial.train, trial.dev, out, device="cpu")
    time_s = time.perf_counter() - begin
    losses = [row["loss"] for row in rows_of(out / "training/log.jsonl") if "loss" in row]
    fifth = max(1, len(losses) // 5)
    first, last = statistics.mean(losses[:fifth]), statistics.mean(losses[-fifth:])
    card = (out / "README.md").read_text("utf-8")
    found = {
        "architecture": trial.architecture,
        "changed": trial.settings,
        "rows": trial.train.n_rows,
        "steps": result.n_steps,
        "train_s": round(time_s, 1),
        "loss_first_fifth": round(first, 4),
        "loss_last_fifth": round(last, 4),
        "metrics": {key: round(value, 4) for key, value in result.metrics.items()},
        "missing_in_card": [part for part in CARD if part not in card],
        "plain_sentence_transformers": loads(chosen, trial, out),
        "search": trial.search(out),
    }
    if trial.full:
        found["bert_base"] = step_of_full_size(name, trial, folder)
    return {**found, "seconds": round(time.perf_counter() - start, 1)}


def step_of_full_size(name: str, trial: Trial, folder: Path) -> dict[str, Any]:
    base = save_base(folder / "bert-base", BERT_BASE)
    chosen = with_settings(named(name), [*trial.full, f'base="{base}"', "log_every=1"])
    begin = time.perf_counter()
    result = train(chosen, trial.train, None, folder / "full", device="cpu")
    time_s = round(time.perf_counter() - begin, 1)
    found = {"architecture": f"{BERT_BASE}, random", "changed": trial.full, "train_s": time_s}
    return {**found, "steps": result.n_steps, "loss": round(result.loss, 4)}


def loads(recipe: Recipe, trial: Trial, out: Path) -> bool:
    """Whether the library alone opens the folder, and scores or encodes what it learned from."""
    from sentence_transformers import CrossEncoder, SentenceTransformer

    row = trial.train.data[0]
    texts = [value for value in row.values() if isinstance(value, str)][:2]
    if recipe.family == "cross-encoder":
        model = CrossEncoder(str(out), device="cpu", local_files_only=True)
        return bool(model.predict([texts], show_progress_bar=False).shape == (1,))
    encoder = SentenceTransformer(str(out), device="cpu", local_files_only=True)
    return bool(encoder.encode(texts, show_progress_bar=False).shape[0] == 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=list(TRIALS), help="print this one, record nothing")
    given = parser.parse_args()
    found = {}
    for name in [given.only] if given.only else TRIALS:
        with TemporaryDirectory(prefix="searchkit-") as folder:
            found[name] = attempt(name, Path(folder))
        print(name, json.dumps(found[name], ensure_ascii=False), flush=True)
    if given.only:
        return
    bars = {
        "50 steps or more": all(one["steps"] >= MIN_STEPS for one in found.values()),
        "loss falls": all(
            one["loss_last_fifth"] < one["loss_first_fifth"] for one in found.values()
        ),
        "card complete": not any(one["missing_in_card"] for one in found.values()),
        "loads": all(one["plain_sentence_transformers"] for one in found.values()),
    }
    record("train_recipes", {"recipes": found, "bars": bars})


if __name__ == "__main__":
    main()
