"""A built ANN and its vectors -> what a search has to visit for a wished recall, measured.

No rule of thumb holds on all corpora, so a sample of the vectors themselves is searched with rising
effort until it finds its true neighbours. Queries lie outside of the vectors and miss more:
titles of held-out papers over sentences of others missed up to half as many again at 10,000 and
100,000, fewer at 60,000 (benchmarks/ann_curves.py); the most is allowed for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.index.vectors import VectorPart
from searchkit.types import Vectors

DEPTH = 100  # neighbours that are to be found
SPARE = 32  # vectors asked of a graph beyond k, so that most border ties need no second search
REFINED = 8  # ivfpq scores are coarse: ask for so many times k and let the stored vectors decide
LEAST = 2_000  # vectors; fewer are scanned by most searches whatever ANN they have

Ids: TypeAlias = NDArray[np.int64]
Search: TypeAlias = Callable[[Vectors, int], Ids]  # queries, effort -> ids (n_queries, n)

_SAMPLE = 200
_OUTSIDE = 1.5  # times as many neighbours of a query are missed as of a vector in the index
_BLOCK = 16_384
_STEP = 1.25  # from one effort to the next
_SEED = 20_240_229


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out about an ANN when it was built."""

    effort: int  # efSearch of a graph, nprobe of lists
    measured: float  # recall of the 100 nearest of a sample of its vectors, at this effort


def measure(
    part: VectorPart, search: Search, *, least: int, most: int, recall: float
) -> Measured | None:
    """The least effort that reaches the recall, or the most where none does.

    None where the part is too small to need one. Costs a scan with 200 queries and a few times as
    many searches.
    """
    if part.n_vectors < LEAST:
        return None
    rows = np.sort(np.random.default_rng(_SEED).choice(part.n_vectors, _SAMPLE, replace=False))
    queries = np.ascontiguousarray(part.vectors[rows], np.float32)
    near = nearest(part, queries, rows)
    wanted = 1 - (1 - recall) / _OUTSIDE
    seen: dict[int, float] = {}

    def reached(effort: int) -> bool:
        found = search(queries, effort)
        seen[effort] = _share(found, near)
        return seen[effort] >= wanted

    steps = _efforts(least, most)
    place = min(bisect_left(steps, True, key=reached), len(steps) - 1)
    effort = steps[place]
    if effort not in seen:
        reached(effort)
    return Measured(effort, round(seen[effort], 4))


def nearest(part: VectorPart, queries: Vectors, rows: Ids) -> Ids:
    """The DEPTH nearest of each query beside its own row: (n_queries, DEPTH), by an exact scan."""
    scores: NDArray[np.float32] = np.empty((len(rows), 0), np.float32)
    ids: Ids = np.empty((len(rows), 0), np.int64)
    for start in range(0, part.n_vectors, _BLOCK):
        vectors = np.ascontiguousarray(part.vectors[start : start + _BLOCK], np.float32)
        here = np.arange(start, start + len(vectors))
        fresh = queries @ vectors.T
        fresh[here[None] == rows[:, None]] = -np.inf
        scores = np.hstack([scores, fresh])
        ids = np.hstack([ids, np.broadcast_to(here, fresh.shape)])
        best = np.argpartition(-scores, DEPTH - 1, axis=1)[:, :DEPTH]
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    return ids


def _share(found: Ids, near: Ids) -> float:
    """Exact rescoring puts what is near before all else that was found, so nothing is scored."""
    hits = (len(np.intersect1d(f, n)) for f, n in zip(found, near, strict=True))
    return sum(hits) / near.size


def _efforts(least: int, most: int) -> list[int]:
    n_steps = math.ceil(math.log(most / least, _STEP)) if most > least else 0
    return sorted({min(most, math.ceil(least * _STEP**n)) for n in range(n_steps + 1)} | {most})
