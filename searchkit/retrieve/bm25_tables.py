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
_ALL, _NOWHERE = np.empty(0, np.bool_), np.empty(0, np.int64)


class Weighted(Protocol):
    """One query: weights of its terms, and their ids in each segment."""

    @property
    def weights(self) -> NDArray[np.float64]: ...  # (n,)

    @property
    def ids(self) -> NDArray[np.int64]: ...  # (n_segments, n), -1 where a segment has none


class KernelTables:
    """Tables of all segments for one choice of parameters; threads may share them."""

    def __init__(
        self,
        segments: Sequence[tuple[Postings, NDArray[np.float64], Mask | None]],
        params: BM25Params,
    ) -> None:
        """Segments: postings, (n_docs,) length norms, rows that may be found (None: all may)."""
        shape = curve(params)
        curves = np.array([shape.floor, shape.gain, shape.p_by_q])
        fields = np.array([params.title_weight, params.text_weight])
        self.arrays: list[tuple[NDArray[Any], ...]] = [
            (*_counts(p), q, curves, fields, *_packed(p, q, params)) for p, q, _ in segments
        ]
        self._alive = [_ALL if alive is None else alive for _, _, alive in segments]
        # terms of all segments, one segment after another
        starts = [postings.starts for postings, _, _ in segments]
        self._bases = np.cumsum([0, *(len(of) - 1 for of in starts)])[:-1]
        self._firsts = np.concatenate([_NOWHERE, *(of[:-1] for of in starts)])
        self._lasts = np.concatenate([_NOWHERE, *(of[1:] for of in starts)])
        # threads may fill one place twice, with the same numbers
        self._tops = np.full((len(self._firsts), len(_TOP_RANKS)), np.nan)

    def asked(
        self, queries: Sequence[Weighted], k: int
    ) -> tuple[list[tuple[NDArray[Any], ...]], NDArray[np.float64]]:
        """What `walk_all` takes of the queries, for each segment; a score that k documents reach.

        Where each query's terms start, their postings, weights and bounds. The score,
        (n_queries,), holds where no document is masked.
        """
        ids = np.concatenate([query.ids for query in queries], axis=1)  # (n_segments, n_terms)
        weights = np.concatenate([query.weights for query in queries])
        ends = np.cumsum([0, *(len(query.weights) for query in queries)])
        held = ids >= 0
        before = np.zeros((len(ids), len(weights) + 1), np.int64)
        np.cumsum(held, axis=1, out=before[:, 1:])
        terms = (ids + self._bases[:, None])[held]  # of one segment after another
        shares = self._top_shares(terms)
        weighing = np.broadcast_to(weights, held.shape)[held]
        bounds = weighing * shares[:, 0] * (1 + 1e-9)
        columns = (self._firsts[terms], self._lasts[terms], weighing, bounds)
        cuts = [0, *np.cumsum(before[:, -1]).tolist()]
        walks = [
            (starts, *(column[a:b] for column in columns))
            for starts, (a, b) in zip(
                np.ascontiguousarray(before[:, ends]), pairwise(cuts), strict=True
            )
        ]
        given = np.zeros((*held.shape, len(_TOP_RANKS)))
        given[held] = shares
        least = np.zeros(len(queries))
        owners = np.repeat(np.arange(len(queries)), np.diff(ends))
        np.maximum.at(least, owners, weights * _at_least(given, k) * (1 - _SLACK))
        return walks, least

    def _top_shares(self, terms: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the best posting of each term gives with weight 1, the 10th best, the 100th...

        (n_terms, 5), 0 where a term has fewer postings. Found once a term.
        """
        for term in np.unique(terms[np.isnan(self._tops[terms, -1])]).tolist():
            n = int(np.searchsorted(self._bases, term, "right")) - 1
            best = np.empty(len(_TOP_RANKS))
            place = int(self._firsts[term]), int(self._lasts[term])
            tops(*place, self._alive[n], _TOP_RANKS, best, *self.arrays[n])
            self._tops[term] = best
        found: NDArray[np.float64] = self._tops[terms]
        return found


def _at_least(shares: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """What k documents or more get from each term alone, those of all segments together: (n,).

    shares: (n_segments, n, 5), so that a segment has 1 document at the first, 9 more at the next.
    """
    n_terms = shares.shape[1]
    if not shares.size:
        return np.zeros(n_terms)
    flat = shares.transpose(1, 0, 2).reshape(n_terms, -1)
    order = np.argsort(-flat, axis=1)
    more = np.tile(np.diff(_TOP_RANKS, prepend=0), len(shares))
    enough = np.cumsum(more[order], axis=1) >= k
    at = order[np.arange(n_terms), np.argmax(enough, axis=1)]
    best: NDArray[np.float64] = flat[np.arange(n_terms), at] * enough[:, -1]
    return best


def _counts(p: Postings) -> tuple[NDArray[Any], ...]:
    return p.rows, p.counts, p.title_counts, p.overflow


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
