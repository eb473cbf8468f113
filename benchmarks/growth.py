"""Straight lines through logarithms: how cost grows with size, and the laws of words in text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import linregress


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """y ~ factor * x ** exponent, by least squares over the logarithms."""

    exponent: float
    standard_error: float  # of the exponent
    factor: float
    r2: float
    n_points: int

    def to_dict(self) -> dict[str, float]:
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw | None:
    """None where fewer than three points or two sizes leave nothing to judge the line by."""
    if len(x) < 3 or len(set(x)) < 2:
        return None
    line = linregress(np.log(x), np.log(y))
    return PowerLaw(
        exponent=float(line.slope),
        standard_error=float(line.stderr),
        factor=float(np.exp(line.intercept)),
        r2=float(line.rvalue**2),
        n_points=len(x),
    )


def growth(runs: dict[int, Sequence[float]]) -> dict[str, float] | None:
    """Of n -> the times of every round at that size: time ~ n ** exponent."""
    points = [(n, seconds) for n, found in runs.items() for seconds in found]
    law = power_law([n for n, _ in points], [seconds for _, seconds in points])
    return law.to_dict() if law else None


def spaced(most: int, *, least: int = 1, n: int = 40) -> list[int]:
    """Up to n whole numbers from least to most, evenly spread over their logarithms."""
    return sorted({round(value) for value in np.geomspace(least, most, n)})
