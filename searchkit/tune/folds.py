"""What each setting is worth for each query -> the one to take, and what taking one is worth."""

from __future__ import annotations

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
    n_queries = len(values)
    if n_queries < 2:
        raise ConfigError(f"cross-validation needs at least 2 judged queries, not {n_queries}.")
    if n_folds < 2:
        raise ConfigError(f"cross-validation needs at least 2 folds, not {n_folds}.")
    order = np.random.default_rng(seed).permutation(n_queries)
    held, chosen = np.empty(n_queries), []
    for fold in np.array_split(order, min(n_folds, n_queries)):
        rest = np.setdiff1d(order, fold, assume_unique=True)
        chosen.append(_best(values[rest]))
        held[fold] = values[fold, chosen[-1]]
    return Folded(held, tuple(chosen), _best(values))


def _best(values: NDArray[np.float64]) -> int:
    means = values.mean(axis=0)
    # equal settings may differ in the last bits of their sums
    return int(np.flatnonzero(means >= means.max() - 1e-12)[0])
