"""Makes the golden index of the format that is written now: python tests/golden/make.py

An index once made is never made again: what it holds is what the code of its time wrote. It has
two segments, deleted documents, a graph over the first vectors, and one snapshot.
"""

import json
import shutil
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

import searchkit
from searchkit import sample
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index, delete_rows
from searchkit.index.collect import CommitOptions
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import FORMAT
from searchkit.index.sorter import UPDATE
from searchkit.index.vectors import VectorConfig
from searchkit.models.encoder import EncoderOptions, open_encoder

STAGES = ("bm25", "minilm", "fused")
QUERIES = ("distance from water masers", "how does a black hole grow", "star formation and dust")


def make(index):
    docs = list(
        islice(read_docs([str(sample.corpus_path())], ReadOptions(), ledger=ReadLedger()), 24)
    )
    encoder = open_encoder("minilm", options=EncoderOptions())
    choices = [DenseChoice(encoder, VectorConfig(), EncoderOptions().to_dict())]
    build_index(index, docs[:18], BuildConfig(dense=choices, ann=AnnConfig(kind="hnsw")))
    change_index(index, docs[18:], ChangeConfig(dense=lambda live: choices))
    newer = [replace(doc, title=f"{doc.title}, revisited") for doc in docs[3:5]]
    change_index(index, newer, ChangeConfig(rule=UPDATE, dense=lambda live: choices))
    gone = ("astro-002", "astro-010", "astro-020")
    keep = CommitOptions(keep=1)
    delete_rows(index, lambda opened: np.array(list(opened.rows_of(gone).values())), commit=keep)


def rankings(index, stages=STAGES):
    """Stage -> query -> [[id, score], ...], the first ten."""
    with searchkit.open(index, reranker=None) as searcher:
        ranked = {stage: searcher.rank(QUERIES, 10, stage=stage) for stage in stages}
    return {
        stage: dict(zip(QUERIES, ([list(hit) for hit in run] for run in runs), strict=True))
        for stage, runs in ranked.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parent / f"v{FORMAT}"
    if folder.exists():
        sys.exit(f"{folder} is there already.")
    make(folder)
    for left in ("lock", "drafts", "shards"):
        shutil.rmtree(folder / left, ignore_errors=True)
        (folder / left).unlink(missing_ok=True)
    content = json.dumps(rankings(folder), indent=1, ensure_ascii=False)
    folder.with_suffix(".json").write_text(content + "\n", "utf-8")
