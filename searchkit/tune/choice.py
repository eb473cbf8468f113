"""Settings, judged queries and perhaps a limit on time -> the setting to take, cross-validated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError
from searchkit.search.pipeline import Pipeline
from searchkit.tune.folds import FoldedTwice, cross_validate_twice
from searchkit.tune.plan import Plan
from searchkit.tune.stopwatch import Costs, Timer
from searchkit.tune.tuning import FLAT, Near

_SHOWN = 5  # settings near the top
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How long an answer may take, and who knows how long it takes."""

    max_ms: float
    timer: Timer
    costs: Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The setting to take, and what stands beside it."""

    folded: FoldedTwice
    fitted: float  # mean of the setting on the queries that chose it
    near: tuple[Near, ...]
    n_near: int  # settings within FLAT of the best, by all queries
    measured_ms: float  # p95 of the setting; 0 without a limit
    n_dropped: int  # first stages beyond the limit
    n_refused: int  # settings that were chosen and took too long when they were run


class Choice:
    """A choice among the settings of a plan: the first stage, then the way to rerank it.

    values: of every first stage, (n_queries, n_firsts). then: what each way to rerank a first
    stage is worth, (n_queries, n_options).
    """

    def __init__(
        self, plan: Plan, values: Values, then: Callable[[int], Values], limit: Limit | None
    ) -> None:
        self._plan, self._values, self._then, self._limit = plan, values, cache(then), limit
        self._costs_ms = np.zeros(len(plan.firsts))
        if limit is not None:
            self._costs_ms = np.array([limit.costs.of(one) for one in plan.firsts])
            if self._costs_ms.min() > limit.max_ms:
                raise _too_slow(limit.max_ms, self._costs_ms.min())

    def take(self, *, n_folds: int, seed: int) -> Chosen:
        """The best setting; under a limit the best one that keeps it when it is run.

        Where one takes longer than it should, so do all that should take as long: none of them is
        chosen then.
        """
        below_ms, n_refused, limit = np.inf, 0, self._limit
        while True:
            first_values = np.where(self._may(self._costs_ms, below_ms), self._values, -np.inf)
            then = self._then_below(below_ms)
            folded = cross_validate_twice(first_values, then, n_folds=n_folds, seed=seed)
            measured_ms, pipeline = 0.0, self._plan.pipeline(*folded.setting)
            if limit is None or (measured_ms := limit.timer.p95(pipeline)) <= limit.max_ms:
                break
            below_ms, n_refused = limit.costs.of(pipeline), n_refused + 1
            if not self._may(self._costs_ms, below_ms).any():
                raise _too_slow(limit.max_ms, measured_ms)
        known = self._known([first for first, _ in {*folded.chosen, folded.setting}], then)
        best = max(one.fitted for one in known)
        return Chosen(
            folded=folded,
            fitted=float(then(folded.setting[0])[:, folded.setting[1]].mean()),
            near=tuple(known[:_SHOWN]),
            n_near=sum(one.fitted >= best - FLAT for one in known),
            measured_ms=measured_ms,
            n_dropped=int((~self._may(self._costs_ms, np.inf)).sum()),
            n_refused=n_refused,
        )

    def _may(self, costs_ms: NDArray[np.float64], below_ms: float) -> NDArray[np.bool_]:
        if self._limit is None:
            return np.ones(len(costs_ms), np.bool_)
        return (costs_ms <= self._limit.max_ms) & (costs_ms < below_ms)

    def _then_below(self, below_ms: float) -> Callable[[int], Values]:
        limit, plan = self._limit, self._plan
        if limit is None:
            return self._then

        def then(first: int) -> Values:
            pipelines = [plan.pipeline(first, option) for option in range(len(plan.options))]
            costs_ms = np.array([limit.costs.of(one) for one in pipelines])
            return np.where(self._may(costs_ms, below_ms), self._then(first), -np.inf)

        return then

    def _known(self, firsts: Sequence[int], then: Callable[[int], Values]) -> list[Near]:
        """Every setting of which all queries tell the value, the best first."""
        found: list[tuple[float, int, int]] = []
        if self._plan.reranker is None:
            means = self._values.mean(axis=0)
            allowed = self._may(self._costs_ms, np.inf)
            found = [(mean, n, 0) for n, mean in enumerate(means.tolist()) if allowed[n]]
        else:
            for first in sorted(set(firsts)):
                means = then(first).mean(axis=0).tolist()
                found += [(mean, first, n) for n, mean in enumerate(means) if mean > -np.inf]
        found.sort(key=lambda one: (-one[0], one[1:]))
        pipelines: list[Pipeline] = [self._plan.pipeline(*one[1:]) for one in found]
        return [Near(pipeline=p, fitted=one[0]) for p, one in zip(pipelines, found, strict=True)]


def _too_slow(max_ms: float, fastest_ms: float) -> ConfigError:
    return ConfigError(
        f"no setting answers within {max_ms:g} ms on this machine: the fastest one takes "
        f"{fastest_ms:.1f} ms (p95). Allow more time."
    )
