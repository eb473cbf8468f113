"""A vector part with an ANN index -> candidates; an exact scan where the index would miss some."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from searchkit.index.ann import AnnIndex
from searchkit.index.ann_effort import REFINED, SPARE
from searchkit.index.vectors import VectorPart
from searchkit.retrieve.exact import margin
from searchkit.retrieve.flat import FlatScan, Ids, spread
from searchkit.types import Mask, Scores, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class AnnScan:
    """Proposes, for each query, vectors of at least k documents, border ties included.

    Few allowed documents, a k near the size of the segment, or an index that finds too few: then
    the exact scan proposes, so that a filter costs no recall.
    """

    part: VectorPart
    ann: AnnIndex
    flat: FlatScan

    def propose(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Ids]:
        """Ids of vectors, ascending, of allowed documents only."""
        n_docs = self.part.n_docs if allowed is None else int(np.count_nonzero(allowed))
        visible = None if allowed is None else spread(self.part, allowed)
        n_visible = self.part.n_vectors if visible is None else int(np.count_nonzero(visible))
        n = k * REFINED if self.ann.kind == "ivfpq" else k + SPARE
        n = math.ceil(n * self.part.n_vectors / max(self.part.n_docs, 1))
        found: dict[int, Ids] = {}
        pending = list(range(len(queries)))
        while pending and self._is_worth_it(n, n_visible):
            scores, ids = self.ann.search(queries[pending], n, allowed=visible)
            for place, of_query, near in zip(pending, scores, ids, strict=True):
                if self._is_enough(near, of_query, k=min(k, n_docs), slack=margin(queries[place])):
                    found[place] = np.sort(near[near >= 0])
            pending = [place for place in pending if place not in found]
            n *= 2
        if pending:
            found |= zip(pending, self.flat.propose(queries[pending], k, allowed), strict=True)
        return [found[place] for place in range(len(queries))]

    def _is_worth_it(self, n: int, n_visible: int) -> bool:
        """Whether the index is faster than a scan of what is allowed.

        A scan takes about 1 us a vector, a graph 4 us for each of the 2 n it visits, and as many
        times more as vectors are hidden.
        """
        return n_visible * n_visible > 8 * n * self.part.n_vectors

    def _is_enough(self, ids: Ids, scores: Scores, *, k: int, slack: float) -> bool:
        """Whether k documents were found and every vector that ties with the last of them."""
        n = int(np.count_nonzero(ids >= 0))
        _, first = np.unique(self.part.docs_of(ids[:n]), return_index=True)
        if len(first) < k:
            return False
        if self.ann.kind == "ivfpq" or n < len(ids) or k == 0:
            return True
        kth = scores[np.sort(first)[k - 1]]
        return bool(scores[n - 1] < kth - slack)
