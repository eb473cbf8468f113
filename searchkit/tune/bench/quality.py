"""Queries through every stage, each score computed once -> what a stage is worth for each query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from searchkit.evaluate.measures import Evaluation, evaluate, parse_measures
from searchkit.index.index import Index
from searchkit.protocols import Progress
from searchkit.rerank import combine, raw_scores
from searchkit.search.searcher import clean
from searchkit.tune.bench.stages import BenchStage, Lineup
from searchkit.types import Qrels, Query, Ranking, Row, Scores

NDCG, RR, RECALL = MEASURES = ("nDCG@10", "RR@10", "R@100")
SHOWN = 10  # documents that nDCG@10 looks at, and that a report may show
BATCH = 32  # queries that are asked together
_DEPTHS = (1, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


@dataclass(slots=True)
class Tally:
    """One stage, query by query."""

    values: dict[str, dict[str, float]] = field(default_factory=dict)  # query -> measure -> value
    first: dict[str, list[Row]] = field(default_factory=dict)  # query -> rows of the first 10
    n_shown: int = 0  # documents among the first 10
    n_unjudged: int = 0
    time_s: float = 0.0  # of all batches

    def add(self, queries: Sequence[Query], rankings: Sequence[Ranking], found: Evaluation) -> None:
        self.values |= {
            query: {name: values[name] for name in MEASURES}
            for query, values in found.per_query.items()
        }
        heads = [ranking.rows[:SHOWN].tolist() for ranking in rankings]
        self.first |= {query.id: head for query, head in zip(queries, heads, strict=True)}
        n_shown = sum(map(len, heads))
        self.n_shown += n_shown
        self.n_unjudged += round(found.unjudged_at_10 * n_shown)

    def mean(self, measure: str) -> float:
        return float(np.mean([values[measure] for values in self.values.values()]))

    def unjudged(self) -> float:
        return self.n_unjudged / self.n_shown if self.n_shown else 0.0

    def evaluation(self, measure: str) -> Evaluation:
        """One measure of it, as it is compared."""
        per_query = {query: {measure: values[measure]} for query, values in self.values.items()}
        return Evaluation(
            per_query=per_query,
            mean={measure: self.mean(measure)},
            n_queries=len(per_query),
            n_missing=sum(not rows for rows in self.first.values()),
            n_ignored=0,
            unjudged_at_10=self.unjudged(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What every stage is worth, and what none behind it could exceed."""

    tallies: dict[str, Tally]
    recall: dict[str, dict[int, float]]  # retrieving stage -> candidates -> recall
    by_depth: dict[str, dict[int, float]]  # reranked stage -> documents read -> nDCG@10
    oracle: dict[int, float]  # documents read -> nDCG@10, were they in the best order
    read_recall: dict[int, float]  # documents read -> recall of the baseline among them
    n_absent: int  # relevant documents that the index does not hold


class Judge:
    """Judgements by row of one index, so that no id is looked up for what nobody judged."""

    def __init__(self, index: Index, queries: Sequence[Query], qrels: Qrels) -> None:
        rows = index.rows_of({id_ for query in queries for id_ in qrels[query.id]})
        self.grades = {
            query.id: {rows.get(id_, f"absent {id_}"): n for id_, n in qrels[query.id].items()}
            for query in queries
        }
        self.n_absent = sum(
            grade > 0 and isinstance(row, str)
            for grades in self.grades.values()
            for row, grade in grades.items()
        )

    def values(
        self, queries: Sequence[Query], rankings: Sequence[Ranking], measures: Sequence[str]
    ) -> Evaluation:
        run = {
            query.id: [(str(row), 0.0) for row in ranking.rows.tolist()]
            for query, ranking in zip(queries, rankings, strict=True)
        }
        judged = {
            query.id: {str(row): grade for row, grade in self.grades[query.id].items()}
            for query in queries
        }
        return evaluate(run, judged, parse_measures(measures))

    def ideal(self, query: Query, head: Ranking) -> Ranking:
        """The same documents, the highest grades first."""
        grades = self.grades[query.id]
        gains = np.array([grades.get(row, 0) for row in head.rows.tolist()], np.float32)
        return Ranking.top(head.rows, gains, max(1, len(head)))


def measure_quality(
    lineup: Lineup,
    index: Index,
    queries: Sequence[Query],
    qrels: Qrels,
    *,
    depth: int,
    progress: Progress = lambda done, total: None,
) -> Quality:
    """Every stage over the same queries; a reranker scores each document of a query once.

    depth: documents that a reranker reads for its curve, at least what its pipeline reads.
    Rankings are let go batch by batch: what stays grows with the queries, not with the depth.
    """
    judge = Judge(index, queries, qrels)
    walk = _Walk(lineup, judge, depth, {one.name: Tally() for one in lineup.stages})
    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        share = len(batch) / max(1, len(lineup.reranked) * len(batch))
        first = walk.retrieve(batch)
        done = 0

        def told(start: int = start, share: float = share) -> None:
            nonlocal done
            done += 1
            progress(start + int(done * share), len(queries))

        walk.rerank(batch, first, told)
        progress(start + len(batch), len(queries))
    return walk.result()


@dataclass(slots=True)
class _Walk:
    """One walk over all queries, a batch at a time."""

    lineup: Lineup
    judge: Judge
    depth: int
    tallies: dict[str, Tally]
    recalls: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    curves: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    ideals: dict[int, list[float]] = field(default_factory=dict)
    reads: dict[int, list[float]] = field(default_factory=dict)

    def retrieve(self, batch: Sequence[Query]) -> list[Ranking]:
        """Tally what retrieves; the rankings that rerankers read."""
        texts = [clean(query.text) for query in batch]
        first: list[Ranking] = []
        for one in self.lineup.retrieved:
            start, candidates = perf_counter(), one.stages.pipeline.depth
            staged = one.stages.run(texts, stage=one.stage, k=max(100, candidates))
            time_s = perf_counter() - start
            rankings = staged.rankings[staged.last]
            names = [*MEASURES, *(f"R@{n}" for n in depths_to(candidates))]
            found = self.judge.values(batch, rankings, names)
            self.recalls.setdefault(one.name, []).extend(found.per_query.values())
            self.tallies[one.name].add(batch, rankings, found)
            readers = self.lineup.reranked if one.name == self.lineup.baseline else []
            for name in (one.name, *(reader.name for reader in readers)):
                self.tallies[name].time_s += time_s
            first = rankings if one.name == self.lineup.baseline else first
        return first

    def rerank(
        self, batch: Sequence[Query], first: Sequence[Ranking], told: Callable[[], None]
    ) -> None:
        """Tally every reranker at every depth, by scores computed once."""
        judged: set[int] = set()  # depths whose best order was judged on this batch
        for one in self.lineup.reranked:
            own = one.stages.pipeline.rerank.depth
            raws = []
            for query, ranking in zip(batch, first, strict=True):
                raw, time_s = _scored(one, query, ranking, deepest=max(self.depth, own))
                self.tallies[one.name].time_s += time_s
                raws.append(raw)
                told()
            for n in depths_of(own, self.depth):
                self._judge(one, batch, first, raws, n=n)
                if n not in judged:
                    judged.add(n)
                    self._idealise(batch, first, n)

    def _judge(
        self,
        one: BenchStage,
        batch: Sequence[Query],
        first: Sequence[Ranking],
        raws: Sequence[Scores],
        *,
        n: int,
    ) -> None:
        """What a reranker is worth where it reads n documents."""
        options = one.stages.pipeline.rerank
        rankings = [
            combine(ranking.head(n), raw[:n], replace(options, depth=n)).ranking
            for ranking, raw in zip(first, raws, strict=True)
        ]
        found = self.judge.values(batch, rankings, MEASURES)
        curve = self.curves.setdefault(one.name, {}).setdefault(n, [])
        curve += [values[NDCG] for values in found.per_query.values()]
        if n == options.depth:
            self.tallies[one.name].add(batch, rankings, found)

    def _idealise(self, batch: Sequence[Query], first: Sequence[Ranking], n: int) -> None:
        best = [
            self.judge.ideal(query, ranking.head(n))
            for query, ranking in zip(batch, first, strict=True)
        ]
        found = self.judge.values(batch, best, [NDCG, f"R@{n}"]).per_query.values()
        self.ideals.setdefault(n, []).extend(values[NDCG] for values in found)
        self.reads.setdefault(n, []).extend(values[f"R@{n}"] for values in found)

    def result(self) -> Quality:
        return Quality(
            tallies=self.tallies,
            recall={name: _mean_recall(values) for name, values in self.recalls.items()},
            by_depth={
                name: {n: float(np.mean(values)) for n, values in sorted(curve.items())}
                for name, curve in self.curves.items()
            },
            oracle={n: float(np.mean(values)) for n, values in sorted(self.ideals.items())},
            read_recall={n: float(np.mean(values)) for n, values in self.reads.items()},
            n_absent=self.judge.n_absent,
        )


def depths_to(most: int) -> list[int]:
    """Round depths below `most`, and `most`."""
    return [*(n for n in _DEPTHS if n < most), most]


def depths_of(own: int, curve: int) -> list[int]:
    """Depths of a reranker's curve, rising: its own among them."""
    return sorted({own, *(n for n in depths_to(max(own, curve)) if n >= SHOWN)})


def _scored(one: BenchStage, query: Query, first: Ranking, *, deepest: int) -> tuple[Scores, float]:
    """The reranker's scores of the first documents, and the seconds for those it serves."""
    scorer, text = one.stages.scorer, clean(query.text)
    if scorer is None:
        raise ValueError(f"{one.name} has no scorer")
    head, own = first.head(deepest), one.stages.pipeline.rerank.depth
    start = perf_counter()
    served = raw_scores(text, head.head(own), scorer.get(), one.stages.docs)
    time_s = perf_counter() - start
    beyond = Ranking(head.rows[own:], head.scores[own:])
    rest = raw_scores(text, beyond, scorer.get(), one.stages.docs)
    return np.concatenate([served, rest]), time_s


def _mean_recall(values: Sequence[Mapping[str, float]]) -> dict[int, float]:
    names = sorted((int(name[2:]), name) for name in values[0] if name.startswith("R@"))
    return {n: float(np.mean([one[name] for one in values])) for n, name in names}
