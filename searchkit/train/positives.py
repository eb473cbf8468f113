"""Judgements and an index -> the rows of each query's positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from searchkit.index.index import Index
from searchkit.train.mining import MineCounts
from searchkit.types import Qrels, Query, Row


@dataclass(frozen=True, slots=True)
class Positives:
    """What is known about the queries of one index."""

    rows: dict[str, dict[str, Row]]  # query id -> id and row of its positives, at least one
    own: dict[str, Row]  # query id -> the document of this id: citations are judged by paper

    @classmethod
    def find(
        cls, index: Index, queries: Sequence[Query], qrels: Qrels, *, counts: MineCounts
    ) -> Positives:
        """Positives (a grade above 0) that the index holds; what is not there is counted."""
        right = {
            query_id: [doc_id for doc_id, grade in grades.items() if grade > 0]
            for query_id, grades in qrels.items()
        }
        asked = {query.id for query in queries}
        wanted = {doc_id for query_id in asked for doc_id in right.get(query_id, [])}
        known = index.rows_of(wanted | asked)
        found: dict[str, dict[str, Row]] = {}
        for query_id in asked:
            ids = right.get(query_id, [])
            held = {doc_id: known[doc_id] for doc_id in ids if doc_id in known}
            counts.n_unjudged += not ids
            counts.n_lost += len(ids) - len(held)
            if held:
                found[query_id] = held
        counts.n_unknown = sum(bool(ids) and id_ not in asked for id_, ids in right.items())
        own = {query_id: known[query_id] for query_id in asked if query_id in known}
        return cls(found, own)
