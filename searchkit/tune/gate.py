"""Values per query with a model and without -> whether it may run, and why, in one sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from searchkit.evaluate.compare import N_EXACT, Comparison, compare
from searchkit.evaluate.power import ALPHA, detectable_difference

_DRAWS = 10_000
_MOST_DRAWS = 200_000
_DRAWS_BELOW = 100  # draws that should lie beyond a threshold, so that a p near it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says of a model, and on what evidence."""

    overall: Comparison
    subsets: dict[str, Comparison] = field(default_factory=dict)
    n_attempts: int  # against the same judgements, this one counted
    threshold: float  # p has to lie below it
    detectable: float  # gain that would have passed in four of five samples of so many queries
    passed: bool
    why: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def judge(
    with_: Mapping[str, float],
    without: Mapping[str, float],
    *,
    subsets: Mapping[str, Collection[str]] | None = None,
    n_attempts_before: int = 0,
    alpha: float = ALPHA,
    seed: int = 0,
    measure: str = "nDCG@10",
) -> Verdict:
    """Pass a model that is better at a corrected p and significantly worse nowhere.

    with_, without: value of each query by its id, the same queries; higher is better. `with_`
    has to be cross-validated where anything was fitted. subsets: name -> ids of its queries.

    The test is two-sided. The m-th attempt against the same judgements passes below alpha / m
    (Bonferroni): of m models that are worth nothing the last passes with a chance of alpha / m, and
    any of them with at most alpha (1 + 1/2 + ... + 1/m). A subset is worse where its own p lies
    below alpha, uncorrected: a correction would let harm pass more easily the more subsets are
    watched.
    """
    if with_.keys() != without.keys() or not with_:
        raise ValueError("need values of the same queries, at least one")
    if n_attempts_before < 0 or not 0 < alpha < 1:
        raise ValueError(f"got alpha {alpha} after {n_attempts_before} attempts")
    threshold = alpha / (n_attempts := n_attempts_before + 1)
    overall = _compared(with_, without, sorted(with_), threshold=threshold, seed=seed)
    by_subset = {
        name: _compared(with_, without, sorted(own), threshold=alpha, seed=seed)
        for name, own in (subsets or {}).items()
    }
    harmed = [name for name, one in by_subset.items() if one.difference < 0 and one.p < alpha]
    better = overall.difference > 0 and overall.p < threshold
    detectable = detectable_difference([with_[q] - without[q] for q in with_], alpha=threshold)
    counted = f", attempt {n_attempts} on these judgements" if n_attempts_before else ""
    reason = ""
    if not better:
        reason = f": {_not_better(overall, threshold, detectable, alpha=alpha, n=n_attempts)}"
    elif harmed:
        listed = "; ".join(f"{name} {spell(by_subset[name])}" for name in harmed)
        reason = f": better on the whole, and significantly worse on {listed}"
    return Verdict(
        overall=overall,
        subsets=by_subset,
        n_attempts=n_attempts,
        threshold=threshold,
        detectable=detectable,
        passed=better and not harmed,
        why=f"{measure} {spell(overall)}, {_queries(overall.n_queries)}{counted}{reason}.",
    )


def spell(found: Comparison) -> str:
    """Difference, 95% interval and p, as they stand in every sentence."""
    p = f"{found.p:.4f}" if found.p >= 0.0001 else f"{found.p:.1g}"
    return f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p {p}"


def _compared(
    with_: Mapping[str, float],
    without: Mapping[str, float],
    queries: Sequence[str],
    *,
    threshold: float,
    seed: int,
) -> Comparison:
    return compare(
        [with_[query] for query in queries],
        [without[query] for query in queries],
        n_draws=int(min(_MOST_DRAWS, max(_DRAWS, _DRAWS_BELOW / threshold))),
        seed=seed,
    )


def _not_better(
    found: Comparison, threshold: float, detectable: float, *, alpha: float, n: int
) -> str:
    limit = f"{threshold:.4g}" + (f" ({alpha:g} over {n} attempts)" if n > 1 else "")
    n_differ = found.n_better + found.n_worse
    if n_differ == 0:
        return "no query ranks better or worse"
    if found.difference <= 0:
        return "not better"
    if n_differ <= N_EXACT and 2 ** (1 - n_differ) >= threshold:
        differ = "1 query differs" if n_differ == 1 else f"{n_differ} queries differ"
        return f"only {differ}, too few for any p below {limit}; judge more queries"
    return (
        f"p is not below {limit}, so the gain may be chance; a true gain of {detectable:.4f} would "
        f"be seen on so many queries four times in five"
    )


def _queries(n: int) -> str:
    return "1 query" if n == 1 else f"{n:,} queries"
