"""Vectors and a query -> the scores that rank, the same bits however they were found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchkit.types import Scores

_CHUNK = 128  # rows at once: larger temporaries leave the cache and cost page faults, 3 ms in 4


def exact_scores(
    vectors: NDArray[Any], query: NDArray[np.float32], ids: NDArray[np.int64]
) -> Scores:
    """Dot products of the stored vectors `ids` of (n, dim) with a query (dim,): float32.

    Products and their sum in float64, row by row, rounded once: neither batch, chunk, threads nor
    the way a row was found can change a bit.
    """
    wide, scores = query.astype(np.float64), np.empty(len(ids), np.float32)
    for start in range(0, len(ids), _CHUNK):
        products = vectors[ids[start : start + _CHUNK]].astype(np.float64)
        products *= wide
        scores[start : start + _CHUNK] = products.sum(axis=1)
    return scores


def margin(query: NDArray[np.float32]) -> float:
    """How far apart two fast float32 scores can stand in the wrong order, whatever made them.

    Twice the bound of a dot product's rounding errors, in any order of summation, for stored
    vectors no longer than 1.01.
    """
    length = float(np.linalg.norm(query.astype(np.float64)))
    return 2 * 1.01 * (len(query) + 4) * 2.0**-24 * length


def best_per_doc(docs: NDArray[np.int64], scores: Scores) -> tuple[NDArray[np.int64], Scores]:
    """Each document once with the largest of its scores; docs must be ascending."""
    if not len(docs):
        return docs, scores
    first = np.flatnonzero(np.diff(docs, prepend=docs[0] - 1))
    return docs[first], np.maximum.reduceat(scores, first)
