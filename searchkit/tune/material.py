"""An index -> what adapting learns from, and what it is measured by, with no document in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from searchkit.errors import CorpusError
from searchkit.index.index import Index
from searchkit.protocols import Progress
from searchkit.train.citations import Citation, citation_clozes
from searchkit.train.cloze import (
    KINDS,
    Cloze,
    ClozeCounts,
    ClozeOptions,
    Kind,
    clozes,
    drawn,
    place,
)
from searchkit.train.held_out import Leakage, Split, split_documents
from searchkit.types import Doc

_YEAR = "year"  # metadata column
_EVERY = 512  # documents between two reports


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherOptions:
    """How many queries are made, and which documents are held out."""

    n_queries: int = 10_000  # to learn from, at most
    n_held_out: int = 400  # documents, at most
    share: float = 0.2  # of the documents that are held out, at most
    clozes: ClozeOptions = field(default_factory=ClozeOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Queries to learn from, and queries to be measured by."""

    split: Split
    train: list[Cloze]
    held_out: list[Cloze]  # of a document at most one that asks for it, and no two kinds
    counts: ClozeCounts
    leaked: dict[str, int]  # why queries to learn from were removed -> how many
    clozes: ClozeOptions

    def by_kind(self, found: Iterable[Cloze]) -> dict[str, int]:
        """Queries of each kind; a query with several answers is one."""
        ids: dict[str, set[str]] = {}
        for one in found:
            ids.setdefault(one.kind, set()).add(one.query_id)
        return {kind: len(ids[kind]) for kind in KINDS if kind in ids}

    def to_dict(self) -> dict[str, Any]:
        return {
            "split_by": self.split.by,
            "held_out_since": self.split.since,
            "held_out_documents": len(self.split.held_out),
            "training_queries": self.by_kind(self.train),
            "held_out_queries": self.by_kind(self.held_out),
            "not_made": self.counts.left,
            "leaking_removed": self.leaked,
        }


def gather(
    index: Index,
    citations: Sequence[Citation],
    options: GatherOptions,
    *,
    progress: Progress = lambda done, total: None,
) -> Material:
    """Queries made from the documents of an index, split by document.

    A held-out document asks with its title, with a sentence or, where it cites, with its title
    for what it cites: the seed decides which. Citations train only between documents that are
    both not held out; what a held-out document cites may be any document.
    CorpusError where nothing is left to learn from or to be measured by.
    """
    seed = options.clozes.seed
    ids = index.all_ids()
    split = split_documents(
        ids, _years(index), share=options.share, most=options.n_held_out, seed=seed
    )
    others = (id_ for id_ in ids if id_ not in split.held_out)
    learning = sorted(others, key=lambda id_: place(id_, seed))[: options.n_queries]
    counts = ClozeCounts()
    found = clozes(
        walked(index, progress), options.clozes, counts, among={*learning, *split.held_out}
    )
    found += citation_clozes(index, citations, counts)
    held_out = one_each([one for one in found if _asker(one) in split.held_out], seed)
    train = [
        one
        for one in found
        if one.doc_id not in split.held_out and _asker(one) not in split.held_out
    ]
    leakage = Leakage(_docs(index, split.held_out), held_out)
    train, leaked = leakage.remove(train, _docs(index, {one.doc_id for one in train}))
    if not train or not held_out:
        side = "to learn from" if not train else "to be measured by"
        why = (
            f"its {len(index):,} documents give no query {side}. They need titles, or abstracts of "
            "at least 3 sentences"
        )
        raise CorpusError(index.path, None, why)
    return Material(
        split=split,
        train=drawn(train, options.n_queries, seed=seed),
        held_out=held_out,
        counts=counts,
        leaked=leaked,
        clozes=options.clozes,
    )


def kind_of(doc_id: str, seed: int, kinds: Sequence[Kind] = KINDS[:2]) -> Kind:
    """The kind that chance gives to a document among those that it could have."""
    return kinds[place(f"kind\0{doc_id}", seed) % len(kinds)]


def one_each(found: Sequence[Cloze], seed: int) -> list[Cloze]:
    """Of the queries that a document asks, those of one kind, and one sentence of it."""
    asked: dict[str, dict[Kind, list[Cloze]]] = {}
    for one in found:
        asked.setdefault(_asker(one), {}).setdefault(one.kind, []).append(one)
    kept: list[Cloze] = []
    for id_, by_kind in asked.items():
        chosen = by_kind[kind_of(id_, seed, sorted(by_kind))]
        kept += chosen if chosen[0].kind == "citation" else chosen[:1]
    citing = {one.query_id for one in kept if one.kind == "citation"}  # these are not searched
    return [one for one in kept if one.doc_id not in citing]


def walked(index: Index, progress: Progress) -> Iterable[Doc]:
    """Every document in `seq` order, while progress hears how far it is."""
    for n, doc in enumerate(index, 1):
        yield doc
        if n % _EVERY == 0 or n == len(index):
            progress(n, len(index))


def _asker(one: Cloze) -> str:
    """Id of the document from which the query is."""
    return one.query_id if one.kind == "citation" else one.doc_id


def _years(index: Index) -> list[float | None]:
    """Year of each document, None where it has none or the column is no number."""
    if _YEAR not in index.table.column_names:
        return [None] * len(index)
    column = index.table[_YEAR]
    if index.alive is not None:
        column = column.filter(index.alive)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return [None] * len(index)
    return [None if year is None else float(year) for year in column.to_pylist()]


def _docs(index: Index, ids: Iterable[str]) -> Iterable[Doc]:
    return (index[row] for row in sorted(index.rows_of(set(ids)).values()))
