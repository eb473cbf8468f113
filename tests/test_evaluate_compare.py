from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from searchkit.evaluate.compare import compare, compare_evaluations
from searchkit.evaluate.measures import evaluate, parse_measures

# few distinct values, so that zero differences and equal sums are common
values = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 1.0])
pairs = st.lists(st.tuples(values, values), min_size=1, max_size=9)


@given(pairs)
def test_few_differences_get_the_p_of_all_swaps(drawn):
    ours, baseline = zip(*drawn, strict=True)
    differences = [round(10 * (a - b)) for a, b in drawn]  # whole, so that equal sums are equal
    swaps = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product([1, -1], repeat=len(drawn))
    ]
    expected = sum(swap >= abs(sum(differences)) for swap in swaps) / len(swaps)
    assert compare(ours, baseline).p == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.06])
def test_many_differences_get_the_p_of_scipy(shift):
    generator = np.random.default_rng(7)
    baseline = generator.random(120)
    ours = baseline + generator.normal(shift, 0.2, 120)
    reference = stats.permutation_test(
        (ours, baseline),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=generator,
    )
    error = 5 * np.sqrt(max(reference.pvalue, 1e-4) / 10_000)
    assert compare(ours, baseline).p == pytest.approx(reference.pvalue, abs=error)


def test_the_interval_is_the_percentile_bootstrap_of_scipy():
    generator = np.random.default_rng(3)
    baseline = generator.random(80)
    ours = baseline + generator.normal(0.05, 0.2, 80)
    reference = stats.bootstrap(
        (ours - baseline,), np.mean, n_resamples=20_000, method="percentile", rng=generator
    ).confidence_interval
    found = compare(ours, baseline)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=2e-3)
    assert found.low < found.difference < found.high


@given(pairs)
def test_a_comparison_turns_round_with_its_systems(drawn):
    ours, baseline = zip(*drawn, strict=True)
    there, back = compare(ours, baseline), compare(baseline, ours)
    assert there.p == back.p
    assert there.difference == -back.difference
    assert (there.n_better, there.n_worse) == (back.n_worse, back.n_better)


def test_systems_that_never_differ_have_p_one():
    found = compare([0.5, 0.7, 0.1], [0.5, 0.7, 0.1])
    assert (found.p, found.difference, found.low, found.high) == (1.0, 0.0, 0.0, 0.0)


def test_thirteen_wins_get_the_least_p_that_a_random_test_can_give():
    ours = np.linspace(1, 2, 40)
    assert compare(ours, np.zeros(40)).p == 1 / 10_001
    assert compare(ours[:12], np.zeros(12)).p == 2 / 2**12


def test_the_seed_alone_decides_the_draws():
    generator = np.random.default_rng(1)
    ours, baseline = generator.random(2000), generator.random(2000)
    assert compare(ours, baseline, seed=4) == compare(ours, baseline, seed=4)
    assert compare(ours, baseline, seed=4) != compare(ours, baseline, seed=5)


def test_a_true_null_is_rejected_as_often_as_the_level_says():
    generator = np.random.default_rng(11)
    found = [
        compare(generator.random(30), generator.random(30), n_draws=500).p < 0.1 for _ in range(300)
    ]
    assert 0.05 < np.mean(found) < 0.16


@pytest.mark.parametrize(
    ("ours", "baseline", "why"),
    [
        ([], [], "same queries"),
        ([1.0], [1.0, 2.0], "same queries"),
        ([np.nan], [1.0], "finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(ours, baseline, why):
    with pytest.raises(ValueError, match=why):
        compare(ours, baseline)


def test_evaluations_are_compared_query_by_query():
    measures = parse_measures(["RR"])
    qrels = {f"q{i}": {"a": 1} for i in range(8)}
    good = evaluate({query: [("a", 1.0)] for query in qrels}, qrels, measures)
    half = evaluate({query: [("b", 1.0), ("a", 0.5)] for query in reversed(qrels)}, qrels, measures)
    found = compare_evaluations(good, half, measure="RR")
    assert (found.difference, found.p, found.n_better) == (0.5, 2 / 2**8, 8)
    other = evaluate({"q1": [("a", 1.0)]}, {"q1": {"a": 1}}, measures)
    with pytest.raises(ValueError, match="different queries"):
        compare_evaluations(good, other, measure="RR")
