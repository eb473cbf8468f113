"""Two stages over the same queries -> the queries that moved most, with their first hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from searchkit.evaluate.against import most_moved
from searchkit.index.index import Index
from searchkit.tune.bench.quality import NDCG, Quality, Tally
from searchkit.tune.bench.result import MovedQuery, Placed, Seen
from searchkit.types import Qrels, Query, Row

N_MOVED = 10
_N_SEEN = 3


def moved_queries(
    queries: Sequence[Query],
    qrels: Qrels,
    quality: Quality,
    *,
    index: Index,
    focus: str,
    against: str,
) -> tuple[tuple[MovedQuery, ...], tuple[MovedQuery, ...]]:
    """The ten queries that gained most by nDCG@10 and the ten that lost most, most first."""
    if not against:
        return (), ()
    pair = _Pair(index, qrels, quality.tallies[against], quality.tallies[focus])
    runs = {focus: pair.after.evaluation(NDCG), against: pair.before.evaluation(NDCG)}
    moved = most_moved({"": runs}, run=focus, baseline=against, measure=NDCG, n=N_MOVED)
    by_id = {query.id: query for query in queries}
    helped, hurt = (tuple(pair.moved(by_id[one.query]) for one in side) for side in moved)
    return helped, hurt


@dataclass(frozen=True, slots=True)
class _Pair:
    index: Index
    qrels: Qrels
    before: Tally
    after: Tally

    def moved(self, query: Query) -> MovedQuery:
        before, after = self.before.first[query.id], self.after.first[query.id]
        return MovedQuery(
            id=query.id,
            text=query.text,
            before=self.before.values[query.id][NDCG],
            after=self.after.values[query.id][NDCG],
            relevant=self._placed(query, before, after),
            first_before=self._seen(query, before),
            first_after=self._seen(query, after),
        )

    def _placed(
        self, query: Query, before: Sequence[Row], after: Sequence[Row]
    ) -> tuple[Placed, ...]:
        ranks = {row: rank for rank, row in enumerate(before, 1)}
        later = {row: rank for rank, row in enumerate(after, 1)}
        found = []
        for row in dict.fromkeys([*after, *before]):
            doc = self.index[row]
            if self.qrels[query.id].get(doc.id, 0) > 0 and ranks.get(row) != later.get(row):
                found.append(
                    Placed(id=doc.id, title=doc.title, before=ranks.get(row), after=later.get(row))
                )
        return tuple(found)

    def _seen(self, query: Query, rows: Sequence[Row]) -> tuple[Seen, ...]:
        docs, grades = [self.index[row] for row in rows[:_N_SEEN]], self.qrels[query.id]
        return tuple(Seen(id=doc.id, title=doc.title, grade=grades.get(doc.id)) for doc in docs)
