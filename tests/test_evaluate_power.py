import math

import numpy as np
import pytest
from scipy import stats

from searchkit.evaluate.compare import compare, compare_strata
from searchkit.evaluate.power import detectable_difference, error_of

GENERATOR = np.random.default_rng(5)


@pytest.mark.parametrize("n", [2, 5, 50])
def test_the_t_test_is_the_paired_one_of_scipy(n):
    ours, baseline = GENERATOR.random(n) + 0.1, GENERATOR.random(n)
    assert compare(ours, baseline).p_t == pytest.approx(stats.ttest_rel(ours, baseline).pvalue)


@pytest.mark.parametrize(("difference", "p"), [(0.0, 1.0), (0.25, 0.0)])
def test_where_nothing_varies_the_t_test_knows_all(difference, p):
    assert compare([0.5 + difference] * 6, [0.5] * 6).p_t == p
    assert compare([0.5 + difference], [0.5]).p_t == 1.0  # but a single query knows nothing


@pytest.mark.parametrize("n", [8, 50, 300])
def test_what_is_detectable_is_seen_by_the_t_test_four_times_in_five(n):
    drawn = GENERATOR.normal(0, 0.2, n)
    found = compare(drawn, np.zeros(n)).detectable
    noncentral = found / (np.std(drawn, ddof=1) / math.sqrt(n))
    power = stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, noncentral)
    assert power == pytest.approx(0.8, abs=0.02)
    assert found == detectable_difference(drawn)
    assert found < detectable_difference(drawn, alpha=0.01)


def test_too_few_queries_for_any_p_could_show_nothing():
    assert compare([1.0] * 5, [0.0] * 5).p > 0.05
    assert compare([0.1, 0.2, 0.4, 0.3, 0.9], [0.0] * 5).detectable == math.inf
    assert compare([1.0] * 6, [0.0] * 6).p < 0.05
    assert compare([0.1, 0.2, 0.4, 0.3, 0.9, 0.7], [0.0] * 6).detectable < math.inf


def test_of_two_collections_alike_the_t_test_is_the_one_of_welch():
    first, second = GENERATOR.normal(0.1, 0.1, 12), GENERATOR.normal(0, 0.4, 40)
    error = error_of([first, second], [0.5, 0.5])
    welch = stats.ttest_ind(first, -second, equal_var=False)  # of the sum of two means
    assert error.freedom == pytest.approx(welch.df)
    assert error.p_t((first.mean() + second.mean()) / 2) == pytest.approx(welch.pvalue)


@pytest.mark.parametrize("mean_over", ["queries", "strata"])
def test_the_error_of_a_mean_of_collections_is_that_of_its_bootstrap(mean_over):
    sizes, spreads = (30, 200), (0.1, 0.3)
    strata = {
        str(n): (GENERATOR.normal(0.02, s, n), np.zeros(n))
        for n, s in zip(sizes, spreads, strict=True)
    }
    found = compare_strata(strata, mean_over=mean_over)
    error = found.detectable / 2.8
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_a_collection_of_one_query_counts_its_square():
    error = error_of([np.array([0.4]), np.array([0.1, 0.3])], [0.5, 0.5])
    assert error.size == pytest.approx(0.5 * math.sqrt(0.16 + 0.02 / 2))


def test_wins_ties_and_losses_are_all_queries():
    found = compare([0.5, 0.7, 0.1, 0.1], [0.5, 0.2, 0.1, 0.3])
    assert (found.n_better, found.n_ties, found.n_worse) == (1, 2, 1)


def skewed(generator, n=60):
    """Differences as nDCG@10 gives them, with no mean: many zeros, few gains, more small losses."""
    kind = generator.random(n)
    gains, losses = generator.beta(2, 3, n), -generator.beta(1.2, 7, n)
    return np.where(kind < 0.1072, gains, np.where(kind < 0.4, losses, 0.0))


def test_skewed_differences_keep_the_level_and_the_power():
    generator, null, seen = np.random.default_rng(21), [], []
    zeros = np.zeros(60)
    for _ in range(250):
        sample = compare(skewed(generator), zeros, n_draws=300)
        null.append(sample.p < 0.05)
        better = skewed(generator) + sample.detectable
        seen.append(compare(better, zeros, n_draws=300).p < 0.05)
    assert 0.02 <= np.mean(null) <= 0.09
    assert 0.72 <= np.mean(seen) <= 0.88
