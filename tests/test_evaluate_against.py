import numpy as np
import pytest

from searchkit.evaluate.against import (
    ALL_COLLECTIONS,
    ALL_QUERIES,
    compare_all,
    means,
    most_moved,
)
from searchkit.evaluate.compare import compare, compare_strata, holm
from searchkit.evaluate.measures import Evaluation

GENERATOR = np.random.default_rng(2)


def evaluation(values, names=("RR", "AP")):
    per_query = {f"q{n:02d}": dict.fromkeys(names, float(v)) for n, v in enumerate(values)}
    mean = dict.fromkeys(names, float(np.mean(values)))
    return Evaluation(per_query, mean, len(values), 0, 0, 0.0)


def collection(n, gain=0.1):
    base = GENERATOR.random(n)
    gains = {"base": 0.0, "new": gain, "other": 0.0}
    return {name: base + GENERATOR.normal(g, 0.2, n) for name, g in gains.items()}


VALUES = {"big": collection(80), "small": collection(20)}
BOTH = {
    name: {run: evaluation(values) for run, values in runs.items()} for name, runs in VALUES.items()
}


def test_one_collection_gives_a_comparison_for_each_run_and_measure():
    found = compare_all({"": BOTH["big"]}, baseline="base", seed=4)
    assert [(one.collection, one.run, one.measure) for one in found] == [
        ("", run, measure) for run in ("new", "other") for measure in ("RR", "AP")
    ]
    assert found[0].found == compare(VALUES["big"]["new"], VALUES["big"]["base"], seed=4)


def test_every_p_of_a_call_is_corrected_for_all_the_others():
    found = compare_all(BOTH, baseline="base")
    assert len(found) == 2 * 2 * 4
    assert [one.p_holm for one in found] == holm([one.found.p for one in found])
    assert found[0].p_holm == min(1.0, 16 * min(one.found.p for one in found))


def test_two_collections_are_compared_each_and_in_both_means():
    found = compare_all(BOTH, baseline="base")[:8]  # of the first run
    by_place = {one.collection: one for one in found if one.measure == "RR"}
    assert list(by_place) == ["big", "small", ALL_QUERIES, ALL_COLLECTIONS]
    big, small = (by_place[name].found.difference for name in ("big", "small"))
    assert by_place[ALL_QUERIES].found.difference == pytest.approx(0.8 * big + 0.2 * small)
    assert by_place[ALL_COLLECTIONS].found.difference == pytest.approx((big + small) / 2)
    strata = {name: (runs["new"], runs["base"]) for name, runs in VALUES.items()}
    n_draws = 100 * 16 * 20
    alike = compare_strata(strata, mean_over="strata", n_draws=n_draws)
    assert by_place[ALL_COLLECTIONS].found == alike
    assert by_place["small"].found.n_queries == 20


def test_the_means_of_two_collections_are_taken_both_ways():
    found = means(BOTH)
    big, small = VALUES["big"]["new"], VALUES["small"]["new"]
    assert found[ALL_QUERIES]["new"]["RR"] == pytest.approx(np.concatenate([big, small]).mean())
    assert found[ALL_COLLECTIONS]["new"]["AP"] == pytest.approx((big.mean() + small.mean()) / 2)
    assert means({"big": BOTH["big"]}) == {}


def test_progress_counts_the_comparisons():
    told = []
    compare_all({"": BOTH["small"]}, baseline="base", progress=lambda *n: told.append(n))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_most_moved_queries_come_first_and_the_unmoved_never():
    runs = {
        "base": evaluation([0.5, 0.5, 0.5, 0.5, 0.5, 0.0]),
        "new": evaluation([0.7, 0.4, 0.5, 1.0, 0.1, 0.2]),
    }
    helped, hurt = most_moved({"": runs}, run="new", baseline="base", measure="RR", n=2)
    assert [(one.query, round(one.difference, 6)) for one in helped] == [("q03", 0.5), ("q00", 0.2)]
    assert [(one.query, round(one.difference, 6)) for one in hurt] == [("q04", -0.4), ("q01", -0.1)]
    assert (hurt[0].value, hurt[0].baseline) == (0.1, 0.5)


def test_moves_of_several_collections_are_ranked_together():
    helped, hurt = most_moved(BOTH, run="new", baseline="base", measure="RR", n=100)
    assert {one.collection for one in helped} == {"big", "small"}
    assert len(helped) + len(hurt) == 100
    assert [one.difference for one in hurt] == sorted(one.difference for one in hurt)
