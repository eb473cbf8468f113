"""Rankings of one query by several retrievers -> one ranking."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError
from searchkit.types import Ranking, Rows, Scores

Gains: TypeAlias = NDArray[np.float64]
Normaliser: TypeAlias = Callable[[Gains], Gains]  # scores of one ranking -> the same on a scale

K0 = 60.0  # Cormack et al.'s value
LOWS = {"bm25": 0.0}  # the least score a retriever can give
COSINE_LOW = -1.0  # of every other retriever: they are encoders
_WEIGHT = 1e6  # beyond it a float32 score runs out of digits


def rrf(
    rankings: Sequence[Ranking],
    k: int,
    *,
    k0: float = K0,
    weights: Sequence[float] | None = None,
) -> Ranking:
    """The k best documents by the sum of weight / (k0 + rank), ranks from 1.

    Sums are taken in float64, smallest part first, and rounded once, so the order of the
    rankings changes no bit. A document missing in a ranking gets nothing from it; a ranking
    of weight 0 is left out, with the documents that only it has.
    Source: Cormack, Clarke and Büttcher, SIGIR 2009, doi 10.1145/1571941.1572114; the weights
    are an addition.
    """
    if not (math.isfinite(k0) and k0 >= 0):
        raise ValueError(f"k0 must be a number >= 0, got {k0}")
    weights = [1.0] * len(rankings) if weights is None else weights
    parts = [_by_rank(ranking, k0) for ranking in rankings]
    return _weighted_sum(rankings, parts, k, weights=weights)


def convex(
    rankings: Sequence[Ranking],
    k: int,
    *,
    weights: Sequence[float],
    normalisers: Sequence[Normaliser],
) -> Ranking:
    """The k best documents by the weighted sum of normalised scores.

    Sums as in `rrf`. Weights that add up to 1 give scores in [0, 1]; they are used as they are.
    A document missing in a ranking gets 0 from it: with `min_max` no less than that ranking's
    last document, so that the depth of a ranking is a parameter of the method.
    Source: Bruch, Gai and Ingber, TOIS 2023, doi 10.1145/3596512; they score every document with
    every retriever, here a missing document counts 0.
    """
    if len(normalisers) != len(rankings):
        raise ValueError(f"{len(rankings)} rankings but {len(normalisers)} normalisers")
    parts = [
        normalise(ranking.scores.astype(np.float64))
        for ranking, normalise in zip(rankings, normalisers, strict=True)
    ]
    return _weighted_sum(rankings, parts, k, weights=weights)


def min_max(scores: Gains) -> Gains:
    """Scores moved to [0, 1] by the least and the best of this ranking; equal scores become 1."""
    if len(scores) == 0 or scores.min() == scores.max():
        return np.ones_like(scores)
    gains: Gains = (scores - scores.min()) / (scores.max() - scores.min())
    return gains


def identity(scores: Gains) -> Gains:
    """Scores as they are, for those that are on the scale of the sum already."""
    return scores


def theoretical_min(low: float) -> Normaliser:
    """Scores moved to [0, 1] by the least score the retriever could give and the best it gave.

    low: 0 for BM25, -1 for a cosine. Scores at or below it (by rounding) become 0.
    """

    def normalise(scores: Gains) -> Gains:
        best = scores.max(initial=low)
        if best == low:
            return np.zeros_like(scores)
        gains: Gains = np.maximum(scores - low, 0) / (best - low)
        return gains

    return normalise


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """How an index fuses its retrievers: a value that is stored with the pipeline.

    Without weights every retriever counts alike; with weights each must have one.
    """

    kind: str = "rrf"  # or "convex"
    weights: Mapping[str, float] = field(default_factory=dict)  # by name of the retriever
    normaliser: str = "min-max"  # or "theoretical-min"; of convex only
    k0: float = K0  # of rrf only

    def __post_init__(self) -> None:
        problems = [
            *_choice("kind", self.kind, ["rrf", "convex"]),
            *_choice("normaliser", self.normaliser, ["min-max", "theoretical-min"]),
            *_number("k0", self.k0),
        ]
        if isinstance(self.weights, Mapping):
            for name, weight in self.weights.items():
                problems += _number(f"weight of {name!r}", weight)
            if self.weights and not any(self.weights.values()):
                problems.append("at least one weight must be above 0")
        else:
            problems.append(f"weights must be numbers by retriever, not {self.weights!r}")
        if problems:
            raise ConfigError(f"fusion: {'; '.join(problems)}.")

    def fuse(self, rankings: Mapping[str, Ranking], k: int) -> Ranking:
        """The k best of the rankings, which come by name of their retriever."""
        lists, weights = list(rankings.values()), self.weights_of(list(rankings))
        return _weighted_sum(lists, self.gains(rankings), k, weights=weights)

    def gains(self, rankings: Mapping[str, Ranking]) -> list[Gains]:
        """What each ranking gives to each of its documents, in its order, before the weights."""
        if self.kind == "rrf":
            return [_by_rank(ranking, self.k0) for ranking in rankings.values()]
        return [
            self._normaliser_of(name)(ranking.scores.astype(np.float64))
            for name, ranking in rankings.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """What JSON stores; `from_dict` reads it back."""
        settings = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        return {**settings, "weights": dict(self.weights)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Fusion:
        known = [setting.name for setting in fields(cls)]
        for key in settings:
            if key not in known:
                near = get_close_matches(str(key), known, 1, cutoff=0.0)[0]
                raise ConfigError(f"fusion: there is no setting {key!r}. Did you mean {near!r}?")
        return cls(**settings)

    def weights_of(self, names: Sequence[str]) -> list[float]:
        """The weight of each retriever; ConfigError unless it names just these, or none."""
        if not self.weights:
            return [1.0 if self.kind == "rrf" else 1 / len(names) for _ in names]
        for name in sorted(self.weights.keys() ^ set(names)):
            what = "has no weight" if name in names else "has a weight but is not in the pipeline"
            raise ConfigError(
                f"fusion: retriever {name!r} {what}. "
                f"Give each of {sorted(names)} a weight, or none."
            )
        return [self.weights[name] for name in names]

    def _normaliser_of(self, name: str) -> Normaliser:
        if self.normaliser == "min-max":
            return min_max
        return theoretical_min(LOWS.get(name, COSINE_LOW))


def aligned(rankings: Sequence[Ranking], parts: Sequence[Gains]) -> tuple[Rows, Gains]:
    """Every document of the rankings once, by row, and what each ranking gives to it.

    parts: of each ranking, in its order. -> rows (n,), gains (n_rankings, n), 0 where a ranking
    does not have the document.
    """
    rows = np.sort(np.concatenate([np.empty(0, np.int64), *(one.rows for one in rankings)]))
    rows = rows[np.diff(rows, prepend=rows[:1] - 1) > 0]  # each once; np.unique takes longer
    table = np.zeros((len(rankings), len(rows)))
    for line, ranking, part in zip(table, rankings, parts, strict=True):
        line[np.searchsorted(rows, ranking.rows)] = part
    return rows, table


def weighted_sums(gains: Gains, weights: NDArray[np.float64]) -> Scores:
    """The fused score of each document under each choice of weights.

    gains (n_rankings, n), weights (n_choices, n_rankings) -> (n_choices, n) float32.
    """
    table = weights[:, :, None] * gains
    table.sort(axis=1)  # one order of addition for a document, whatever order the rankings have
    sums: Scores = table.sum(axis=1).astype(np.float32)
    return sums


def _by_rank(ranking: Ranking, k0: float) -> Gains:
    gains: Gains = 1 / (k0 + np.arange(1, len(ranking) + 1))
    return gains


def _weighted_sum(
    rankings: Sequence[Ranking], parts: Sequence[Gains], k: int, *, weights: Sequence[float]
) -> Ranking:
    if len(weights) != len(rankings):
        raise ValueError(f"{len(rankings)} rankings but {len(weights)} weights")
    if any(not 0 <= weight <= _WEIGHT for weight in weights):
        raise ValueError(f"weights must lie between 0 and {_WEIGHT:.0f}, got {list(weights)}")
    used = [n for n, weight in enumerate(weights) if weight > 0]
    rows, gains = aligned([rankings[n] for n in used], [parts[n] for n in used])
    sums = weighted_sums(gains, np.array([[weights[n] for n in used]]))
    return Ranking.top(rows, sums[0], k)


def _choice(name: str, value: object, choices: list[str]) -> list[str]:
    if value in choices:
        return []
    near = get_close_matches(str(value), choices, 1, cutoff=0.0)[0]
    return [f"there is no {name} {value!r}, did you mean {near!r}?"]


def _number(name: str, value: object) -> list[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= float(value) <= _WEIGHT:  # type: ignore[arg-type]
        return []
    return [f"{name} must be a number from 0 to {_WEIGHT:.0f}, not {value!r}"]
