"""Judged queries and an index -> triplets whose negatives rank high and are not known to be right.

Source of the margins: Moreira et al., NV-Retriever, 2024, doi 10.48550/arXiv.2407.15831 (their
TopK-MarginPos and TopK-PercPos).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

import numpy as np

from searchkit.errors import CorpusError
from searchkit.index.index import Index
from searchkit.models.names import render
from searchkit.protocols import PairScorer, Progress
from searchkit.train.false_negatives import Judged, Twins
from searchkit.train.mining import MineCounts, MineOptions, Triplet
from searchkit.train.positives import Positives
from searchkit.types import Qrels, Query, Ranking, Row

Rank: TypeAlias = Callable[[Sequence[str], int], list[Ranking]]  # queries, k -> a ranking of each

_BATCH = 64  # queries ranked together


class _Candidate(NamedTuple):
    rank: int  # from 1
    row: Row
    score: float


def mine(
    index: Index,
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    rank: Rank,
    options: MineOptions,
    judge: PairScorer | None = None,
    counts: MineCounts,
    progress: Progress | None = None,
) -> Iterator[Triplet]:
    """Triplets in the order of queries, judgements and ranks; counts are filled on the way.

    A positive is a document with a grade above 0. Filters, in order: known positives and the
    query's own document (by id); margins against the positive's score in this ranking, which no
    candidate passes where the positive was not found; near-duplicates of any positive; the
    judge's score of the pair against that of the positive. The last two look at candidates in
    the order of `pick` only until n are found, so they count what they looked at. The choice of
    a pair depends on its ids and the seed, never on other pairs.
    CorpusError where no query has a positive in the index.
    """
    positives = Positives.find(index, queries, qrels, counts=counts)
    asked = [query for query in queries if query.id in positives.rows]
    if not asked:
        why = "no query has a judged document in this index. Check the queries and judgements"
        raise CorpusError(index.path, None, why)
    counts.n_queries = len(asked)
    for start in range(0, len(asked), _BATCH):
        batch = asked[start : start + _BATCH]
        rankings = rank([query.text for query in batch], options.depth)
        for query, ranking in zip(batch, rankings, strict=True):
            twins = Twins(index, list(positives.rows[query.id].values()), options.near_duplicate)
            judged = Judged(index, query.text, judge) if judge else None
            mining = _Mining(index, query, ranking, options, counts, twins, judged)
            yield from mining.triplets(positives.rows[query.id], positives.own.get(query.id))
        if progress:
            progress(start + len(batch), len(asked))


@dataclass(frozen=True, slots=True)
class _Mining:
    """One query, its ranking, and what the filters have read of it."""

    index: Index
    query: Query
    ranking: Ranking
    options: MineOptions
    counts: MineCounts
    twins: Twins
    judged: Judged | None

    def triplets(self, positives: dict[str, Row], own: Row | None) -> Iterator[Triplet]:
        window = self._window(set(positives.values()), own)
        for positive_id, row in positives.items():
            self.counts.n_pairs += 1
            place = self.ranking.rank_of(row)
            score = None if place is None else float(self.ranking.scores[place - 1])
            self.counts.n_unranked += score is None
            able = self._below(window, score)
            chosen = sorted(self._choose(self._ordered(able, positive_id), row))
            self.counts.n_short += len(chosen) < self.options.n
            self.counts.n_empty += not chosen
            self.counts.n_triplets += len(chosen)
            for one in chosen:
                yield self._triplet(positive_id, row, one, score)

    def _window(self, known: set[Row], own: Row | None) -> list[_Candidate]:
        """The ranks wanted, without what is known to be right and the query's own document."""
        first, last = self.options.first, self.options.last
        found = []
        for rank, (row, score) in enumerate(self.ranking.head(last), 1):
            if rank < first:
                continue
            self.counts.n_candidates += 1
            if row in known:
                self.counts.drop("known positives")
            elif row == own:
                self.counts.drop("the query's own document")
            else:
                found.append(_Candidate(rank, row, score))
        return found

    def _below(self, window: list[_Candidate], score: float | None) -> list[_Candidate]:
        """Candidates that keep the margins to a positive of this score."""
        if not self.options.has_margin:
            return window
        limit = -np.inf if score is None else self.options.limit(score)
        able = [one for one in window if one.score <= limit]
        if len(able) < len(window):
            self.counts.drop("by the margin", len(window) - len(able))
        return able

    def _ordered(self, able: list[_Candidate], positive_id: str) -> list[_Candidate]:
        if self.options.pick == "top":
            return able
        pair = f"{self.query.id}\0{positive_id}"  # an id holds no NUL
        code = int.from_bytes(blake2b(pair.encode(), digest_size=8).digest(), "big")
        order = np.random.default_rng([self.options.seed, code]).permutation(len(able))
        return [able[i] for i in order]

    def _choose(self, ordered: list[_Candidate], positive: Row) -> list[_Candidate]:
        """The first n that are no near-duplicate and, where there is a judge, not as good."""
        chosen: list[_Candidate] = []
        n = self.options.n
        for start in range(0, len(ordered), n):  # a judge reads n at a time
            unlike = []
            for one in ordered[start : start + n]:
                if self.twins.holds(one.row):
                    self.counts.drop("near-duplicates of a positive")
                else:
                    unlike.append(one)
            chosen += self._worse(unlike, positive)
            if len(chosen) >= n:
                break
        return chosen[:n]

    def _worse(self, unlike: list[_Candidate], positive: Row) -> list[_Candidate]:
        if self.judged is None or not unlike:
            return unlike
        gaps = self.judged.gaps(positive, [one.row for one in unlike])
        worse = [
            one for one, gap in zip(unlike, gaps, strict=True) if gap > self.options.judge_margin
        ]
        if len(worse) < len(unlike):
            self.counts.drop("by the judge", len(unlike) - len(worse))
        return worse

    def _triplet(
        self, positive_id: str, row: Row, negative: _Candidate, score: float | None
    ) -> Triplet:
        margin = None if score is None else score - negative.score
        if self.judged is not None:
            [margin] = self.judged.gaps(row, [negative.row])
        positive, text = (
            render(self.options.template, self.index[one], "[SEP]") for one in (row, negative.row)
        )
        return Triplet(
            query_id=self.query.id,
            positive_id=positive_id,
            negative_id=self.index.id(negative.row),
            query=self.query.text,
            positive=positive,
            negative=text,
            rank=negative.rank,
            margin=margin,
        )
