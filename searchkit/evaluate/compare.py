"""Two systems over the same queries -> difference, its interval, and whether it is chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchkit.evaluate.measures import Evaluation

N_EXACT = 12  # differences up to which all sign patterns are tried
_BLOCK = 1 << 20  # numbers drawn at once: 8 MB


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better a system is than a baseline, in the mean over queries."""

    difference: float
    low: float  # of the 95% interval of the difference
    high: float
    p: float  # two-sided: chance of a mean difference at least as large, were the systems alike
    n_queries: int
    n_better: int
    n_worse: int


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
    if len(values) != len(baseline) or not len(values):
        raise ValueError(f"need values for the same queries, got {len(values)}, {len(baseline)}")
    differences = np.asarray(values, np.float64) - np.asarray(baseline, np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("every value must be finite")
    low, high = _interval(differences, np.random.default_rng([seed, 1]), n_draws)
    return Comparison(
        difference=float(differences.mean()),
        low=low,
        high=high,
        p=_p_value(differences[differences != 0], np.random.default_rng([seed, 0]), n_draws),
        n_queries=len(differences),
        n_better=int((differences > 0).sum()),
        n_worse=int((differences < 0).sum()),
    )


def compare_evaluations(
    evaluation: Evaluation, baseline: Evaluation, *, measure: str, seed: int = 0
) -> Comparison:
    """`compare` by one measure of two evaluations over the same qrels."""
    if evaluation.per_query.keys() != baseline.per_query.keys():
        raise ValueError("the evaluations are over different queries")
    queries = sorted(baseline.per_query)
    return compare(
        [evaluation.per_query[query][measure] for query in queries],
        [baseline.per_query[query][measure] for query in queries],
        seed=seed,
    )


def _p_value(
    differences: NDArray[np.float64], generator: np.random.Generator, n_draws: int
) -> float:
    n = len(differences)
    exact = n <= N_EXACT

    def sums(start: int, stop: int) -> NDArray[np.float64]:
        if exact:
            swapped = np.arange(start, stop)[:, None] >> np.arange(n) & 1
        else:
            swapped = generator.integers(0, 2, (stop - start, n), dtype=np.int8)
        found: NDArray[np.float64] = (1.0 - 2.0 * swapped) @ differences
        return found

    rounding = 1e-12 * np.abs(differences).sum()
    seen = np.abs(_in_blocks(sums, 2**n if exact else n_draws, width=n))
    n_extreme = int((seen >= abs(differences.sum()) - rounding).sum())
    return n_extreme / 2**n if exact else (n_extreme + 1) / (n_draws + 1)


def _interval(
    differences: NDArray[np.float64], generator: np.random.Generator, n_draws: int
) -> tuple[float, float]:
    n = len(differences)

    def means(start: int, stop: int) -> NDArray[np.float64]:
        drawn = differences[generator.integers(0, n, (stop - start, n))]
        found: NDArray[np.float64] = drawn.mean(axis=1)
        return found

    low, high = np.quantile(_in_blocks(means, n_draws, width=n), [0.025, 0.975])
    return float(low), float(high)


def _in_blocks(
    draw: Callable[[int, int], NDArray[np.float64]], n: int, *, width: int
) -> NDArray[np.float64]:
    step = max(1, _BLOCK // max(1, width))
    return np.concatenate([draw(start, min(start + step, n)) for start in range(0, n, step)])
