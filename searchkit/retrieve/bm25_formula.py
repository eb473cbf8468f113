"""The BM25 family as arithmetic: which number a term gives to a document.

Every variant is weight * (floor + gain * (tf + p) / (tf + q)), where p and q depend on the
length of the document alone; one kernel serves them all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError

Variant = Literal["lucene", "okapi", "l", "plus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BM25Params:
    """Chosen at query time: nothing of it is in the index.

    Source of `lucene`: Kamphuis, de Vries, Boytsov, Lin, "Which BM25 do you mean?", ECIR 2020.
    `okapi` is rank-bm25's BM25Okapi with its floor for negative idf. `l` and `plus`: Lv and Zhai,
    SIGIR and CIKM 2011; a document without a query term gets nothing for it. Fields: Robertson,
    Zaragoza, Taylor, "Simple BM25 extension to multiple weighted fields", CIKM 2004.
    """

    variant: Variant = "lucene"
    k1: float = 1.2  # term saturation; Lucene's default
    b: float = 0.75  # length normalisation, 0 (none) to 1 (full); Lucene's default
    delta: float | None = None  # l: 0.5, plus: 1.0, as in the papers; the others have none
    title_weight: float = 1.0
    text_weight: float = 1.0

    def __post_init__(self) -> None:
        problems = []
        if self.variant not in get_args(Variant):
            problems.append(f"variant {self.variant!r} is none of {', '.join(get_args(Variant))}")
        if not 0 <= self.k1 <= 1000:
            problems.append(f"k1 must be 0 to 1000, not {self.k1}")
        if not 0 <= self.b <= 1:
            problems.append(f"b must be 0 to 1, not {self.b}")
        if self.delta is not None and not 0 <= self.delta <= 100:
            problems.append(f"delta must be 0 to 100, not {self.delta}")
        weights = (self.title_weight, self.text_weight)
        if not all(0 <= w <= 1000 for w in weights) or not any(weights):
            problems.append(f"field weights must be 0 to 1000 and not both 0, not {weights}")
        if problems:
            raise ConfigError("BM25: " + "; ".join(problems) + ".")

    @property
    def weighs_fields(self) -> bool:
        return (self.title_weight, self.text_weight) != (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Collection:
    """What BM25 has to know of all segments together; integers, so that they add up exactly."""

    n_docs: int
    title_length: int
    text_length: int

    def __add__(self, other: Collection) -> Collection:
        return Collection(
            self.n_docs + other.n_docs,
            self.title_length + other.title_length,
            self.text_length + other.text_length,
        )

    def mean_length(self, params: BM25Params) -> float:
        total = params.title_weight * self.title_length + params.text_weight * self.text_length
        return total / self.n_docs if self.n_docs and total else 1.0


@dataclass(frozen=True, slots=True)
class Curve:
    """floor + gain * (tf + p) / (tf + q), with p and q by document."""

    floor: float
    gain: float
    p_by_q: float  # p = p_by_q * q / q_by_norm
    q_by_norm: float

    def q(self, lengths: NDArray[Any], params: BM25Params, mean: float) -> NDArray[np.float64]:
        """(n,) from (2, n) lengths in title and text."""
        length = params.title_weight * lengths[0] + params.text_weight * lengths[1]
        q: NDArray[np.float64] = self.q_by_norm * (1.0 - params.b + params.b * length / mean)
        return q

    def share(self, tf: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a posting of weight 1 gives: the same operations in the same order everywhere."""
        return self.floor + self.gain * ((tf + self.p_by_q * q) / (tf + q))


def curve(params: BM25Params) -> Curve:
    k1 = params.k1
    if params.variant == "lucene":
        return Curve(0.0, 1.0, 0.0, k1)
    if params.variant == "okapi":
        return Curve(0.0, k1 + 1.0, 0.0, k1)
    if params.variant == "plus":
        return Curve(1.0 if params.delta is None else params.delta, k1 + 1.0, 0.0, k1)
    delta = 0.5 if params.delta is None else params.delta
    return Curve(0.0, k1 + 1.0, delta / (k1 + delta) if k1 + delta else 0.0, k1 + delta)


def idf(variant: Variant, n_docs: int, df: int) -> float:
    """Inverse document frequency of one term; okapi's may be negative here."""
    if variant == "lucene":
        return math.log(1 + (n_docs - df + 0.5) / (df + 0.5))
    if variant == "okapi":
        return math.log(n_docs - df + 0.5) - math.log(df + 0.5)
    if variant == "l":
        return math.log((n_docs + 1) / (df + 0.5))
    return math.log((n_docs + 1) / df)


def okapi_floor(n_docs: int, dfs: Sequence[int] | NDArray[Any]) -> float:
    """What rank-bm25 gives to terms in more than half of the documents: 0.25 of the mean idf."""
    dfs = np.asarray(dfs, np.float64)
    if not len(dfs):
        return 0.0
    return 0.25 * math.fsum(np.log(n_docs - dfs + 0.5) - np.log(dfs + 0.5)) / len(dfs)
