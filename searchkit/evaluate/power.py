"""Differences between two systems -> their t-test, and what so many queries could have shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

ALPHA = 0.05
POWER = 0.8  # chance at which a true difference is called one that would have been seen


@dataclass(frozen=True, slots=True)
class Error:
    """The standard error of a mean difference, its degrees of freedom, and queries behind it."""

    size: float
    freedom: float
    n: int

    def p_t(self, difference: float) -> float:
        """Two-sided p of the paired t-test; 1 where a single query or no spread and no gain."""
        if self.n < 2 or difference == 0:
            return 1.0
        t = abs(difference) / self.size if self.size else inf
        return float(2 * special.stdtr(self.freedom, -t))

    def detectable(self, alpha: float = ALPHA) -> float:
        """The true mean difference that shows with 80% power in a two-sided test at alpha.

        From the spread that was seen, 0 where there is none; infinite where so few queries can
        give no p below alpha, however much better a system is on each of them.
        """
        if 2.0 ** (1 - self.n) >= alpha:
            return inf
        limits = special.stdtrit(self.freedom, [1 - alpha / 2, POWER])
        return self.size * float(sum(limits))


def error_of(strata: Sequence[NDArray[np.float64]], shares: Sequence[float]) -> Error:
    """The error of the weighted mean of the strata's mean differences, share by share.

    Each stratum has a spread of its own; degrees of freedom by Satterthwaite, n - 1 for one
    stratum. For a stratum of one query, which has no spread, the square of its difference stands.
    Source: Satterthwaite, Biometrics Bulletin 1946, doi 10.2307/3002019.
    """
    spreads = [
        _variance(one) * share**2 / len(one) for one, share in zip(strata, shares, strict=True)
    ]
    total = sum(spreads)
    by_freedom = [
        spread**2 / max(1, len(one) - 1) for spread, one in zip(spreads, strata, strict=True)
    ]
    n = sum(map(len, strata))
    freedom = total**2 / sum(by_freedom) if total else max(1, n - len(strata))
    return Error(sqrt(total), freedom, n)


def detectable_difference(differences: Sequence[float], *, alpha: float = ALPHA) -> float:
    """`Error.detectable` of the plain mean of differences, one a query."""
    return error_of([np.asarray(differences, np.float64)], [1.0]).detectable(alpha)


def _variance(differences: NDArray[np.float64]) -> float:
    if len(differences) < 2:
        return float(differences @ differences)
    return float(np.var(differences, ddof=1))
