"""One segment as the kernel takes it: what a posting gives, bounds on every term."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from searchkit.index.postings import Postings
from searchkit.retrieve.bm25_formula import BM25Params, curve
from searchkit.retrieve.bm25_posting_kernel import CODE_BITS, MOST_PACKED, pack, tops
from searchkit.types import Mask

_TOP_RANKS = np.array([1, 10, 100, 1000, 10_000])
_SLACK = 1e-6  # more than float32 rounds


class Weighted(Protocol):
    """One query: weights of its terms, and their ids in each segment."""

    @property
    def weights(self) -> NDArray[np.float64]: ...  # (n,)

    @property
    def ids(self) -> NDArray[np.int64]: ...  # (n_segments, n), -1 where a segment has none


class KernelTables:
    """Tables of one segment for one choice of parameters; threads may share them."""

    def __init__(
        self,
        postings: Postings,
        q: NDArray[np.float64],
        params: BM25Params,
        *,
        alive: Mask | None = None,
    ) -> None:
        """q: (n_docs,) length norms; alive: rows that may be found, None where all may."""
        self._postings = postings
        self._alive = np.empty(0, np.bool_) if alive is None else alive
        shape = curve(params)
        self.arrays: tuple[NDArray[Any], ...] = (
            *(postings.rows, postings.counts, postings.title_counts, postings.overflow, q),
            np.array([shape.floor, shape.gain, shape.p_by_q]),
            np.array([params.title_weight, params.text_weight]),
            *_packed(postings, q, params),
        )
        # threads may fill one place twice, with the same numbers
        self._tops = np.full((len(postings.terms), len(_TOP_RANKS)), np.nan)

    def asked(
        self, n: int, queries: Sequence[Weighted], k: int
    ) -> tuple[tuple[NDArray[Any], ...], NDArray[np.float64]]:
        """What `walk_all` takes of the queries, for segment n; a bound that k documents reach.

        Where each query's terms start, their postings, weights and bounds. The bound,
        (n_queries,), holds where no document is masked.
        """
        held = [query.ids[n] >= 0 for query in queries]
        starts = np.cumsum([0, *(int(there.sum()) for there in held)], dtype=np.int64)
        terms = np.concatenate([q.ids[n][there] for q, there in zip(queries, held, strict=True)])
        weights = np.concatenate([q.weights[t] for q, t in zip(queries, held, strict=True)])
        shares = self._top_shares(terms)
        given = weights * _at_least(shares, k) * (1 - _SLACK)
        sure = [given[a:b].max() if b > a else 0.0 for a, b in pairwise(starts.tolist())]
        firsts, lasts = self._postings.starts[terms], self._postings.starts[terms + 1]
        bounds = weights * shares[:, 0] * (1 + 1e-9)
        return (starts, firsts, lasts, weights, bounds), np.array(sure)

    def _top_shares(self, terms: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the best posting of each term gives with weight 1, the 10th best, the 100th...

        (n_terms, 5), 0 where a term has fewer postings. Found once a term.
        """
        known, starts = self._tops, self._postings.starts
        for term in np.unique(terms[np.isnan(known[terms, -1])]).tolist():
            best = np.empty(len(_TOP_RANKS))
            first, last = int(starts[term]), int(starts[term + 1])
            tops(first, last, self._alive, _TOP_RANKS, best, *self.arrays)
            known[term] = best
        found: NDArray[np.float64] = known[terms]
        return found


def _at_least(shares: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """What k documents or more get from each term alone: (n_terms,)."""
    column = int(np.searchsorted(_TOP_RANKS, k))
    return shares[:, column] if column < len(_TOP_RANKS) else np.zeros(len(shares))


def _packed(
    postings: Postings, q: NDArray[np.float64], params: BM25Params
) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Count and length of each posting in 16 bits, and what it gives with weight 1, by them.

    Read in order, they spare a jump to the length and a division. Empty where fields are weighed
    or lengths are too many; the kernel then computes.
    """
    bits = None if params.weighs_fields else _bits(postings)
    if bits is None:
        return np.empty(0, np.uint16), np.empty(0)
    packed, examples = bits
    shares, norms = np.zeros((MOST_PACKED + 1) << CODE_BITS), q[examples]
    for count in range(1, MOST_PACKED + 1):
        first = count << CODE_BITS
        tf = np.full(len(norms), float(count))
        shares[first : first + len(norms)] = curve(params).share(tf, norms)
    return packed, shares


# What postings look like packed depends on nothing that a query chooses or a commit elsewhere
# changes, so that it is made once for all parameters and all generations that share the part.
_KNOWN: WeakKeyDictionary[Postings, tuple[NDArray[np.uint16], NDArray[np.int64]] | None] = (
    WeakKeyDictionary()
)


def _bits(p: Postings) -> tuple[NDArray[np.uint16], NDArray[np.int64]] | None:
    """(n_postings,) count and code of the length; a row of each code. None: too many lengths."""
    if p not in _KNOWN:
        lengths = p.lengths.sum(axis=0, dtype=np.int64)
        distinct, examples, codes = np.unique(lengths, return_index=True, return_inverse=True)
        _KNOWN[p] = None
        if len(distinct) <= 1 << CODE_BITS:
            packed = np.empty(len(p.rows), np.uint16)
            pack(p.rows, p.counts, codes.astype(np.uint16), packed)
            _KNOWN[p] = packed, examples
    return _KNOWN[p]
