"""Does the test of `eval --baseline` reject as often as it says, and see what it calls detectable?

Differences of two systems query by query are drawn as nDCG@10 gives them: most are zero, a few
large gains stand against many small losses (`skewed`), or either system may be the one ahead
(`alike`, the null that the randomisation test is exact for). Without a true difference, 1,000
comparisons should be significant at .05 about 50 times: bar .03 to .07.

For the power, the true difference is as large as the comparison calls detectable from the spread it
saw, which should be seen four times in five: each sample's own figure is added to every query of a
fresh one (`shifted`), bar .75 to .85. Beside it, without a bar, stands a difference that changes
the spread and the skew too: so many more queries are helped that the true mean is what samples
with as many helped call detectable on average (`more helped`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import report
from numpy.typing import NDArray

from searchkit.evaluate.compare import Comparison, compare
from searchkit.evaluate.power import detectable_difference

Differences: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = Callable[[np.random.Generator, int], Differences]

GAIN, LOSS = (2.0, 3.0), (1.2, 7.0)  # of Beta: gains of .4 in the mean, losses of .15
MOVED = 0.4  # share of queries that move at all
LEVEL = 0.05
N_DRAWS = 2_000  # of each test: enough beside .05, and a fifth of the command's time
BARS = {"false positives": (0.03, 0.07), "power, shifted": (0.75, 0.85)}


def mean_of(beta: tuple[float, float]) -> float:
    return beta[0] / sum(beta)


def skewed(generator: np.random.Generator, n: int, *, true: float = 0.0) -> Differences:
    """Few large gains, many small losses; `true` more in the mean, by helping more queries."""
    helped = (true + MOVED * mean_of(LOSS)) / (mean_of(GAIN) + mean_of(LOSS))
    kind = generator.random(n)
    gains, losses = generator.beta(*GAIN, n), -generator.beta(*LOSS, n)
    return np.where(kind < helped, gains, np.where(kind < MOVED, losses, 0.0))


def alike(generator: np.random.Generator, n: int) -> Differences:
    """Either system may be the one that is ahead."""
    return skewed(generator, n) * generator.choice([-1, 1], n)


def tested(differences: Differences, seed: int) -> Comparison:
    return compare(differences, np.zeros(len(differences)), n_draws=N_DRAWS, seed=seed)


def false_positives(draw: Draw, *, n: int, n_times: int) -> float:
    generator = np.random.default_rng([n, 0])
    return float(np.mean([tested(draw(generator, n), k).p < LEVEL for k in range(n_times)]))


def power_when_shifted(draw: Draw, *, n: int, n_times: int) -> tuple[float, float]:
    """Share of true differences seen, each as large as another sample called detectable."""
    generator, seen, sizes = np.random.default_rng([n, 1]), [], []
    for k in range(n_times):
        sizes.append(tested(draw(generator, n), k).detectable)
        seen.append(tested(draw(generator, n) + sizes[-1], k).p < LEVEL)
    return float(np.mean(seen)), float(np.mean(sizes))


def power_when_more_are_helped(*, n: int, n_times: int) -> tuple[float, float]:
    """Share of samples that see the true mean which such samples call detectable on average."""
    generator, true = np.random.default_rng([n, 2]), 0.0
    for _ in range(8):
        drawn = [detectable_difference(skewed(generator, n, true=true)) for _ in range(400)]
        true = float(np.mean(drawn))
    draw = partial(skewed, true=true)
    return false_positives(draw, n=n, n_times=n_times), true


def measured(n: int, n_times: int) -> Iterator[dict[str, Any]]:
    for draw in (alike, skewed):
        share = false_positives(draw, n=n, n_times=n_times)
        yield {"what": "false positives", "drawn": draw.__name__, "n_queries": n, "share": share}
        share, size = power_when_shifted(draw, n=n, n_times=n_times)
        row = {"drawn": draw.__name__, "n_queries": n, "share": share, "true": round(size, 4)}
        yield {"what": "power, shifted", **row}
    share, size = power_when_more_are_helped(n=n, n_times=n_times)
    row = {"drawn": "skewed", "n_queries": n, "share": share, "true": round(size, 4)}
    yield {"what": "power, more helped", **row}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-queries", type=int, nargs="+", default=[50, 300])
    parser.add_argument("--n-times", type=int, default=1000, help="comparisons of each kind")
    options = parser.parse_args()
    rows = [row for n in options.n_queries for row in measured(n, options.n_times)]
    bars = {
        f"{what} {low} to {high}": all(
            low <= row["share"] <= high for row in rows if row["what"] == what
        )
        for what, (low, high) in BARS.items()
    }
    report.record(
        "significance",
        {"n_times": options.n_times, "n_draws": N_DRAWS, "measured": rows, "bars": bars},
    )


if __name__ == "__main__":
    main()
