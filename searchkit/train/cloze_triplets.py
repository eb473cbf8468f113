"""Queries made from documents, and an index -> triplets whose texts do not give the answer away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from searchkit.index.index import Index
from searchkit.models.names import PLAIN, render
from searchkit.protocols import Progress
from searchkit.train.cloze import Cloze, ClozeOptions, judged, reduced
from searchkit.train.mining import MineCounts, MineOptions, Triplet
from searchkit.train.negatives import Rank, mine

_BATCH = 500  # triplets whose negatives are looked up together


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How the documents of a triplet become texts."""

    template: str = PLAIN  # [SEP] in it stays as it is
    clozes: ClozeOptions


def cloze_triplets(
    index: Index,
    found: Sequence[Cloze],
    *,
    rank: Rank,
    options: MineOptions,
    writing: Writing,
    counts: MineCounts,
    progress: Progress | None = None,
) -> Iterator[Triplet]:
    """Triplets in the order of the queries, their negatives mined as `mine` does.

    The positive is the query's document without what was asked. Negatives are written in the
    same way: where a title asks none has a title, where a sentence asks each lacks one.
    """
    queries, qrels = judged(found)
    of_pair = {(one.query_id, one.doc_id): one for one in found}
    mined = mine(
        index, queries, qrels, rank=rank, options=options, counts=counts, progress=progress
    )
    while batch := list(islice(mined, _BATCH)):
        rows = index.rows_of({triplet.negative_id for triplet in batch})
        for triplet in batch:
            one = of_pair[triplet.query_id, triplet.positive_id]
            negative = reduced(index[rows[triplet.negative_id]], one.kind, writing.clozes)
            texts = [render(writing.template, doc, "[SEP]") for doc in (one.document, negative)]
            if all(texts):
                yield triplet._replace(positive=texts[0], negative=texts[1])
            else:
                counts.n_triplets -= 1
                counts.drop("without a text")
