"""Two systems over the same queries -> difference, its interval, and whether it is chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.evaluate.measures import Evaluation
from searchkit.evaluate.power import error_of

N_EXACT = 12  # differences up to which all sign patterns are tried
_BLOCK = 1 << 20  # numbers drawn at once: 8 MB
Values: TypeAlias = Sequence[float]  # of one system, by query
Unit: TypeAlias = Literal["queries", "strata"]  # what counts alike in the mean


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better a system is than a baseline, in the mean over queries."""

    difference: float
    low: float  # of the 95% interval of the difference
    high: float
    p: float  # two-sided: chance of a mean difference at least as large, were the systems alike
    n_queries: int
    n_better: int
    n_ties: int  # no difference at all
    n_worse: int
    p_t: float  # of the paired t-test, two-sided, for those who ask for it
    detectable: float  # true difference that shows at .05 on so many queries with 80% power


def compare(
    values: Sequence[float], baseline: Sequence[float], *, n_draws: int = 10_000, seed: int = 0
) -> Comparison:
    """Paired randomisation test and bootstrap interval of the mean difference.

    values[i] and baseline[i] belong to one query. The test swaps the systems' names on a random
    half of the queries; with at most 12 queries that differ it tries every swap. The p of the
    random test counts the observed one in, so it is never 0. The interval is the percentile
    bootstrap over queries. The same seed gives the same numbers.
    Source: Smucker, Allan and Carterette, CIKM 2007, doi 10.1145/1321440.1321528.
    """
    return compare_strata({"": (values, baseline)}, mean_over="queries", n_draws=n_draws, seed=seed)


def compare_strata(
    strata: Mapping[str, tuple[Values, Values]],
    *,
    mean_over: Unit,
    n_draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """`compare` over several collections at once: name -> (values, baseline) of its queries.

    mean_over says what the difference is: "queries" is the mean over all of them, so that a large
    collection counts for much; "strata" is the mean of the collections' means, each of which
    counts alike. The test swaps names query by query, so every collection keeps its size in every
    draw; the bootstrap draws as many queries from each as it has. One stratum alone gives what
    `compare` gives. The order of the strata changes nothing.
    """
    if not strata:
        raise ValueError("need at least one stratum")
    differences = [_differences(*strata[name]) for name in sorted(strata)]
    sizes = np.array([len(found) for found in differences])
    shares = sizes / sizes.sum() if mean_over == "queries" else np.full(len(sizes), 1 / len(sizes))
    error = error_of(differences, shares.tolist())
    whole = np.concatenate(differences)
    weighted = whole * np.repeat(shares * sizes.sum() / sizes, sizes)
    low, high = _interval(differences, shares, np.random.default_rng([seed, 1]), n_draws)
    return Comparison(
        difference=float(weighted.mean()),
        low=low,
        high=high,
        p=_p_value(weighted[weighted != 0], np.random.default_rng([seed, 0]), n_draws),
        n_queries=len(whole),
        n_better=int((whole > 0).sum()),
        n_ties=int((whole == 0).sum()),
        n_worse=int((whole < 0).sum()),
        p_t=error.p_t(float(weighted.mean())),
        detectable=error.detectable(),
    )


def compare_evaluations(
    evaluation: Evaluation, baseline: Evaluation, *, measure: str, seed: int = 0
) -> Comparison:
    """`compare` by one measure of two evaluations over the same qrels."""
    return compare(*paired(evaluation, baseline, measure), seed=seed)


def paired(
    evaluation: Evaluation, baseline: Evaluation, measure: str
) -> tuple[list[float], list[float]]:
    """The values of both by one measure, query by query in the order of their ids."""
    if evaluation.per_query.keys() != baseline.per_query.keys():
        raise ValueError("the evaluations are over different queries")
    queries = sorted(baseline.per_query)
    return (
        [evaluation.per_query[query][measure] for query in queries],
        [baseline.per_query[query][measure] for query in queries],
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p, adjusted for the number of comparisons, in the order given; at most 1.

    Rejecting what lies below a level keeps the chance of any false rejection below that level,
    whatever the comparisons share. Source: Holm, Scandinavian Journal of Statistics 1979.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for n_smaller, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - n_smaller) * p_values[place]))
        adjusted[place] = least
    return adjusted


def _differences(values: Values, baseline: Values) -> NDArray[np.float64]:
    if len(values) != len(baseline) or not len(values):
        raise ValueError(f"need values for the same queries, got {len(values)}, {len(baseline)}")
    differences = np.asarray(values, np.float64) - np.asarray(baseline, np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("every value must be finite")
    return differences


def _p_value(
    differences: NDArray[np.float64], generator: np.random.Generator, n_draws: int
) -> float:
    n = len(differences)
    exact = n <= N_EXACT
    sums = _signed_sums(differences) if exact else _drawn_sums(differences, generator, n_draws)
    rounding = 1e-12 * np.abs(differences).sum()
    n_extreme = int((np.abs(sums) >= abs(differences.sum()) - rounding).sum())
    return n_extreme / 2**n if exact else (n_extreme + 1) / (n_draws + 1)


def _signed_sums(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum under every pattern of signs: (2 ** n,)."""
    n = len(differences)
    swapped = np.arange(2**n)[:, None] >> np.arange(n) & 1
    found: NDArray[np.float64] = (1.0 - 2.0 * swapped) @ differences
    return found


def _drawn_sums(
    differences: NDArray[np.float64], generator: np.random.Generator, n_draws: int
) -> NDArray[np.float64]:
    """Sums under random signs: a random byte picks one of the 256 sums of eight differences."""
    total = np.zeros(n_draws)
    for start in range(0, len(differences), 8):
        sums = _signed_sums(differences[start : start + 8])
        total += sums[generator.integers(0, len(sums), n_draws, dtype=np.uint8)]
    return total


def _interval(
    strata: Sequence[NDArray[np.float64]],
    shares: NDArray[np.float64],
    generator: np.random.Generator,
    n_draws: int,
) -> tuple[float, float]:
    total = np.zeros(n_draws)
    for differences, share in zip(strata, shares, strict=True):
        n = len(differences)

        def means(
            start: int, stop: int, n: int = n, of: NDArray[np.float64] = differences
        ) -> NDArray[np.float64]:
            drawn = generator.integers(0, n, (stop - start, n), np.min_scalar_type(n - 1).type)
            found: NDArray[np.float64] = of[drawn].mean(axis=1)
            return found

        total += share * _in_blocks(means, n_draws, width=n)
    low, high = np.quantile(total, [0.025, 0.975])
    return float(low), float(high)


def _in_blocks(
    draw: Callable[[int, int], NDArray[np.float64]], n: int, *, width: int
) -> NDArray[np.float64]:
    step = max(1, _BLOCK // max(1, width))
    return np.concatenate([draw(start, min(start + step, n)) for start in range(0, n, step)])
