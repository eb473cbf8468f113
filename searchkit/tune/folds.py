"""What each setting is worth for each query -> the one to take, and what taking one is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError

N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Folded:
    """What came of choosing one of several settings by their mean over queries."""

    values: NDArray[np.float64]  # (n_queries,), each by the setting chosen without its fold
    chosen: tuple[int, ...]  # setting by fold
    setting: int  # chosen on all queries: the one to use


def cross_validate(values: NDArray[np.float64], *, n_folds: int = N_FOLDS, seed: int = 0) -> Folded:
    """Choose a setting by k-fold cross-validation over queries.

    values: (n_queries, n_settings), any measure, higher is better. Each query is valued by the
    setting that is best on the other folds, so that no query takes part in the choice that it
    judges; the mean over these values is what the choice is worth, and that of the best column is
    too good. The earlier of equal settings wins: put the most careful one first. Fewer queries
    than folds leave one out at a time. ConfigError for fewer than two queries or folds.
    """
    found = cross_validate_twice(
        values, lambda first: values[:, [first]], n_folds=n_folds, seed=seed
    )
    return Folded(found.values, tuple(first for first, _ in found.chosen), found.setting[0])


@dataclass(frozen=True, slots=True)
class FoldedTwice:
    """What came of choosing a setting, and then a second one that goes with it."""

    values: NDArray[np.float64]  # (n_queries,), each by the settings chosen without its fold
    chosen: tuple[tuple[int, int], ...]  # both settings by fold
    setting: tuple[int, int]  # chosen on all queries: the ones to use


def cross_validate_twice(
    values: NDArray[np.float64],
    then: Callable[[int], NDArray[np.float64]],
    *,
    n_folds: int = N_FOLDS,
    seed: int = 0,
) -> FoldedTwice:
    """`cross_validate` of a choice in two steps, both without the fold that they are valued on.

    values: of the first step alone, by which it is chosen. then: what the queries are worth by
    each second setting after a first one, (n_queries, n_second). -inf is a setting that may not
    be chosen.
    """
    held, chosen = np.empty(len(values)), []
    for fold in split(len(values), n_folds=n_folds, seed=seed):
        rest = np.setdiff1d(np.arange(len(values)), fold, assume_unique=True)
        first = _best(values[rest])
        after = then(first)
        chosen.append((first, _best(after[rest])))
        held[fold] = after[fold, chosen[-1][1]]
    first = _best(values)
    return FoldedTwice(held, tuple(chosen), (first, _best(then(first))))


def split(n_queries: int, *, n_folds: int = N_FOLDS, seed: int = 0) -> list[NDArray[np.int64]]:
    """The queries of each fold, by their places; every query is in one."""
    if n_queries < 2:
        raise ConfigError(f"cross-validation needs at least 2 judged queries, not {n_queries}.")
    if n_folds < 2:
        raise ConfigError(f"cross-validation needs at least 2 folds, not {n_folds}.")
    order = np.random.default_rng(seed).permutation(n_queries)
    return np.array_split(order, min(n_folds, n_queries))


def _best(values: NDArray[np.float64]) -> int:
    means = values.mean(axis=0)
    # equal settings may differ in the last bits of their sums
    return int(np.flatnonzero(means >= means.max() - 1e-12)[0])
