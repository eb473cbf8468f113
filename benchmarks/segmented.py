"""An index, or a corpus -> an index in many segments, a share of its documents deleted.

An index of one segment is copied, and nothing is analysed or encoded again: each segment of the
copy is a merge of which all other rows are deleted. A corpus (JSONL) is indexed lexically. Without
--out the documents are deleted where they are. `searchkit compact --all` makes of any of them the
index that a build of what is left would be, byte for byte but for the numbers of its documents.

    python benchmarks/segmented.py indexes/scifact --out /somewhere/cut --segments 10 --deleted .05
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from lexical_peers import rows_of

from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import delete_rows
from searchkit.index.collect import publish
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Segment
from searchkit.index.index import Index
from searchkit.index.merge import merge
from searchkit.index.rederive import rederive_tombstones
from searchkit.index.writer import changing
from searchkit.types import Doc, Rows


def cut(index: Path, out: Path, n_segments: int) -> None:
    """Copy an index of one segment into one of several of like size."""
    shutil.copytree(index, out)
    with changing(out) as (live, drafts):
        [whole] = live.segments
        publish(out, replace(live, segments=tuple(_slices(drafts, whole, n_segments))))


def _slices(drafts: Drafts, whole: Segment, n_segments: int) -> Iterator[Segment]:
    postings = whole.part("postings")
    assert postings is not None
    for rows in np.array_split(np.arange(whole.n_docs), n_segments):
        others = np.setdiff1d(np.arange(whole.n_docs), rows)
        stones = rederive_tombstones(drafts, whole, postings, others)
        made = merge(drafts, [replace(whole, parts=(*whole.parts, stones))])
        assert made is not None
        yield made


def delete_share(index: Path, share: float, *, seed: int = 1) -> None:
    """Delete a share of the documents, drawn at random."""

    def drawn(opened: Index) -> Rows:
        rows = np.arange(opened.n_rows) if opened.alive is None else np.flatnonzero(opened.alive)
        n = round(share * len(rows))
        return np.sort(np.random.default_rng(seed).choice(rows, n, replace=False))

    delete_rows(index, drawn)


def build(corpus: Path, out: Path, n_segments: int) -> None:
    """Index a JSONL file lexically in segments of like size."""
    with corpus.open("rb") as lines:
        n_docs = sum(1 for _ in lines)
    docs = (Doc(row["_id"], row["title"], row["text"]) for row in rows_of(corpus))
    build_index(out, docs, BuildConfig(segment_docs=-(-n_docs // n_segments)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="an index, or a JSONL file")
    parser.add_argument("--out", type=Path, help="default: the index itself, where it only deletes")
    parser.add_argument("--segments", type=int, default=10)
    parser.add_argument("--deleted", type=float, default=0.05, help="share of the documents")
    given = parser.parse_args()
    if given.out:
        (cut if given.source.is_dir() else build)(given.source, given.out, given.segments)
    if given.deleted:
        delete_share(given.out or given.source, given.deleted)


if __name__ == "__main__":
    main()
