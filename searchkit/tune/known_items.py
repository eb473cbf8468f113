"""Held-out queries and an index -> a small index in which what was asked stands nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from searchkit.index.ann_choice import FLAT
from searchkit.index.build import BuildConfig, Watch, build_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.index import Index
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.search.pipeline import Pipeline
from searchkit.train.cloze import Cloze, judged, place, reduced
from searchkit.tune.material import Material, kind_of
from searchkit.types import Doc, Query

MAX_DOCS = 5_000  # among which a known item is looked for; enough to be lost in, quick to encode


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItems:
    """An index, queries, and the documents that are known to answer them."""

    path: Path
    queries: list[Query]
    qrels: dict[str, dict[str, int]]
    kinds: dict[str, list[str]]  # kind -> ids of its queries
    n_docs: int


def build_known_items(
    out: Path,
    index: Index,
    material: Material,
    *,
    dense: Sequence[DenseChoice],
    pipeline: Pipeline,
    watch: Watch,
) -> KnownItems:
    """Build the index at `out`, which may hold one, with this pipeline in it.

    It holds the documents that are asked for, without what is asked, and others by seeded chance.
    Every document is written as one of its kind is: half of them without titles, half with a
    sentence less. Documents that ask for what they cite are left out. In the whole index a query
    would find its own words: BM25 would look perfect.
    """
    wanted = {one.doc_id: one for one in material.held_out}
    chosen = _chosen(index, material, wanted)
    config = BuildConfig(analyzer=index.analyzer.name, dense=dense, ann=FLAT, replace=True)
    built = build_index(out, _written(index, material, chosen), config, watch=watch)
    with unchanged(out, built.number) as live:
        switch_pipeline(out, live, pipeline.to_dict())
    kinds: dict[str, list[str]] = {}
    for query_id, kind in {one.query_id: one.kind for one in material.held_out}.items():
        kinds.setdefault(kind, []).append(query_id)
    queries, qrels = judged(material.held_out)
    return KnownItems(
        path=out,
        queries=queries,
        qrels=qrels,
        kinds=kinds,
        n_docs=built.n_docs,
    )


def _chosen(index: Index, material: Material, wanted: dict[str, Cloze]) -> set[str]:
    """Ids of the documents: all that are asked for, filled up with others."""
    asking = {one.query_id for one in material.held_out if one.kind == "citation"}
    others = [id_ for id_ in index.all_ids() if id_ not in wanted and id_ not in asking]
    seed = material.clozes.seed
    room = max(0, MAX_DOCS - len(wanted))
    return {*wanted, *sorted(others, key=lambda id_: place(f"other\0{id_}", seed))[:room]}


def _written(index: Index, material: Material, chosen: set[str]) -> Iterator[Doc]:
    """The documents in the order of the index; one that would be empty stays whole."""
    asked = {one.doc_id: one for one in material.held_out if one.kind != "citation"}
    for doc in index:
        if doc.id not in chosen:
            continue
        if doc.id in asked:
            yield asked[doc.id].document
            continue
        less = reduced(doc, kind_of(doc.id, material.clozes.seed), material.clozes)
        yield less if less.title or less.text else Doc(doc.id, doc.title, doc.text)
