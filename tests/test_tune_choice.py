"""Which setting is taken of values that are written down, with and without a limit on time."""

from dataclasses import replace

import numpy as np
import pytest

from searchkit.errors import ConfigError
from searchkit.models.fakes import OverlapScorer
from searchkit.rerank import RerankOptions
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.search.pipeline import Pipeline
from searchkit.tune.choice import Choice, Limit
from searchkit.tune.folds import cross_validate, cross_validate_twice, split
from searchkit.tune.plan import Plan
from searchkit.tune.stopwatch import Costs, parts_of

FIRSTS = [replace(Pipeline(), bm25=BM25Params(k1=k1), depth=10) for k1 in (0.5, 1.0, 1.5, 2.0)]
OPTIONS = [RerankOptions(depth=50), None, RerankOptions(depth=5)]
SCORER = OverlapScorer()


def plan(reranker=None):
    return Plan(
        current=FIRSTS[0],
        firsts=FIRSTS,
        options=OPTIONS if reranker else [None],
        reranker=reranker,
        scorers={"overlap": SCORER},
        is_apart=False,
        untried=(),
    )


class Runs:
    """A timer: what pipelines take when they run."""

    def __init__(self, p95):
        self.of, self.asked = p95, []

    def costs(self, pipelines):
        raise AssertionError

    def p95(self, pipeline):
        self.asked.append(pipeline)
        return self.of(pipeline)


def limit(max_ms, parts_ms, p95):
    everything = {
        part: 1.0 for one in [*FIRSTS, plan("overlap").pipeline(0, 0)] for part in parts_of(one)
    }
    everything |= {"overlap, 5 documents": 10.0, "overlap, 50 documents": 100.0, **parts_ms}
    return Limit(max_ms=max_ms, timer=Runs(p95), costs=Costs(everything))


FIRST = np.tile([0.1, 0.4, 0.3, 0.2], (6, 1))  # of 6 queries
SECOND = np.tile([0.9, 0.5, 0.7], (6, 1))


def test_both_steps_take_the_best():
    found = Choice(plan("overlap"), FIRST, lambda first: SECOND + first, None)
    chosen = found.take(n_folds=3, seed=0)
    assert chosen.folded.setting == (1, 0)
    assert set(chosen.folded.chosen) == {(1, 0)}
    assert chosen.fitted == pytest.approx(1.9)
    assert [one.fitted for one in chosen.near] == pytest.approx([1.9, 1.7, 1.5])
    assert chosen.near[0].pipeline == plan("overlap").pipeline(1, 0)
    assert chosen.near[0].pipeline.reranker_fingerprint == SCORER.fingerprint
    assert chosen.near[2].pipeline == FIRSTS[1]
    alone = Choice(plan(), FIRST, lambda first: FIRST[:, [first]], None)
    taken = alone.take(n_folds=3, seed=0)
    assert (taken.folded.setting, taken.n_near) == ((1, 0), 1)


def test_a_way_to_rerank_that_takes_too_long_is_not_taken():
    within = limit(50.0, {}, lambda pipeline: 12.0)
    chosen = Choice(plan("overlap"), FIRST, lambda _: SECOND, within).take(n_folds=2, seed=0)
    assert (chosen.folded.setting, chosen.measured_ms, chosen.n_refused) == ((1, 2), 12.0, 0)
    assert set(chosen.folded.chosen) == {(1, 2)}
    assert within.timer.asked == [plan("overlap").pipeline(1, 2)]


def test_one_that_takes_longer_when_it_runs_gives_way_to_a_faster_one():
    within = limit(50.0, {}, lambda pipeline: 70.0 if pipeline.reranker else 3.0)
    chosen = Choice(plan("overlap"), FIRST, lambda _: SECOND, within).take(n_folds=2, seed=0)
    assert (chosen.folded.setting, chosen.measured_ms, chosen.n_refused) == ((1, 1), 3.0, 1)
    assert set(chosen.folded.chosen) == {(1, 1)}  # folds choose under the same rule


def test_a_limit_that_nothing_keeps_is_refused():
    with pytest.raises(ConfigError, match=r"within 1 ms.*takes 2\.0 ms"):
        Choice(plan(), FIRST, lambda first: FIRST[:, [first]], limit(1.0, {}, lambda _: 1.0))
    slow = Choice(plan(), FIRST, lambda first: FIRST[:, [first]], limit(5.0, {}, lambda _: 9.0))
    with pytest.raises(ConfigError, match=r"within 5 ms.*takes 9\.0 ms"):
        slow.take(n_folds=2, seed=0)


def test_a_choice_in_two_steps_values_a_query_by_neither():
    """A query that alone makes a setting the best does not meet it in its own fold."""
    first = np.zeros((4, 2))
    first[:, 0] = 0.1
    first[2, 1] = 5.0
    then = {0: np.tile([0.3, 0.2], (4, 1)), 1: np.tile([0.5, 0.6], (4, 1))}
    found = cross_validate_twice(first, then.__getitem__, n_folds=4)
    assert found.setting == (1, 1)
    own = next(n for n, fold in enumerate(split(4, n_folds=4)) if 2 in fold)
    assert found.chosen[own] == (0, 0)
    assert found.values[2] == 0.3
    assert sorted(found.values) == [0.3, 0.6, 0.6, 0.6]
    once = cross_validate(first, n_folds=4)
    assert once.chosen[own] == 0
