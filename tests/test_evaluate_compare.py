from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from searchkit.evaluate.compare import compare, compare_evaluations, compare_strata, holm
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


def two_strata(generator, sizes=(40, 160), shift=(0.1, 0.0)):
    base = [generator.random(n) for n in sizes]
    ours = [b + generator.normal(s, 0.2, len(b)) for b, s in zip(base, shift, strict=True)]
    return {name: pair for name, *pair in zip("ab", ours, base, strict=True)}


@given(pairs, st.sampled_from(["queries", "strata"]))
def test_one_stratum_is_a_plain_comparison(drawn, mean_over):
    ours, baseline = zip(*drawn, strict=True)
    found = compare_strata({"all": (ours, baseline)}, mean_over=mean_over, seed=3)
    assert found == compare(ours, baseline, seed=3)


@given(st.lists(pairs, min_size=1, max_size=3), st.sampled_from(["queries", "strata"]))
def test_the_difference_is_the_mean_that_was_asked_for(drawn, mean_over):
    strata = {str(n): tuple(zip(*rows, strict=True)) for n, rows in enumerate(drawn)}
    found = compare_strata(strata, mean_over=mean_over, n_draws=50)
    of_each = [[a - b for a, b in rows] for rows in drawn]
    expected = np.mean([np.mean(one) for one in of_each])
    if mean_over == "queries":
        expected = np.mean(np.concatenate(of_each))
    assert found.difference == pytest.approx(expected, abs=1e-12)
    assert found.n_queries == sum(map(len, of_each))
    backwards = dict(reversed(strata.items()))
    assert found == compare_strata(backwards, mean_over=mean_over, n_draws=50)


def test_few_queries_of_two_strata_get_the_p_of_all_swaps():
    strata = {"a": ([0.9, 0.8], [0.1, 0.2]), "b": ([0.3, 0.5, 0.5], [0.4, 0.2, 0.1])}
    weighted = [0.8 / 2, 0.6 / 2, -0.1 / 3, 0.3 / 3, 0.4 / 3]
    swaps = [
        abs(sum(s * d for s, d in zip(signs, weighted, strict=True)))
        for signs in product([1, -1], repeat=5)
    ]
    expected = sum(swap >= sum(weighted) - 1e-9 for swap in swaps) / 32
    assert compare_strata(strata, mean_over="strata").p == expected


def test_a_mean_of_strata_gets_the_p_and_the_interval_of_its_own_draws():
    generator = np.random.default_rng(5)
    strata = two_strata(generator)
    found = compare_strata(strata, mean_over="strata")
    differences = [np.subtract(*pair) for pair in strata.values()]
    signs = [generator.choice([-1, 1], (20_000, len(d))) for d in differences]
    drawn = np.mean([(s * d).mean(axis=1) for s, d in zip(signs, differences, strict=True)], axis=0)
    expected = (np.abs(drawn) >= abs(found.difference)).mean()
    assert found.p == pytest.approx(expected, abs=5 * np.sqrt(max(expected, 1e-4) / 10_000))
    again = [generator.choice(d, (20_000, len(d))).mean(axis=1) for d in differences]
    interval = np.quantile(np.mean(again, axis=0), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(interval, abs=3e-3)


def test_the_bootstrap_keeps_the_size_of_every_stratum():
    strata = {"a": ([1.0] * 3, [0.0] * 3), "b": ([0.5] * 9, [0.0] * 9)}  # no spread within
    pooled = compare_strata(strata, mean_over="queries")
    assert (pooled.low, pooled.high) == pytest.approx((0.625, 0.625))
    strata_wise = compare_strata(strata, mean_over="strata")
    assert (strata_wise.low, strata_wise.high) == pytest.approx((0.75, 0.75))


def test_no_stratum_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        compare_strata({}, mean_over="queries")


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_rejects_what_stepping_down_rejects(p_values):
    adjusted, level = holm(p_values), 0.05
    rejected = set()
    for n, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] * (len(p_values) - n) > level:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(adjusted) if p <= level} == rejected
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
