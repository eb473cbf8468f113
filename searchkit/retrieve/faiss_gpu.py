"""A vector part -> candidates by FAISS on a GPU, where the FAISS that is installed is built for it.

FAISS's GPU indexes ignore id selectors without a word and end at 2,048 results. So hidden vectors
are dropped here, and a search that needs more results goes to the exact scan without FAISS.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.index.ann import AnnIndex
from searchkit.index.ann_effort import REFINED, SPARE
from searchkit.index.vectors import VectorPart
from searchkit.retrieve.cuda import fits, number
from searchkit.retrieve.exact import margin
from searchkit.retrieve.flat import Ids, Proposer, spread
from searchkit.types import Mask, Scores, Vectors

if TYPE_CHECKING:
    from faiss import Index, StandardGpuResources

MOST = 2_048  # results of one search; FAISS refuses more, and to read more lists of an IVF
BLOCK = 1 << 20  # vectors copied to the GPU at once, a shard

# Queries (n_queries, dim), n -> scores and ids (n_queries, n), best first, id -1 where fewer.
Search: TypeAlias = Callable[[Vectors, int], tuple[Scores, Ids]]

_lock = Lock()  # all indexes share scratch memory that FAISS does not guard against threads
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class FaissScan:
    """Proposes like `FlatScan`, or like `AnnScan` where the index is not exact."""

    part: VectorPart
    search: Search
    rest: Callable[[], Proposer]  # answers where so many results are too few; opened when needed
    is_exact: bool = True
    most: int = MOST

    def propose(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Ids]:
        """Ids of vectors, ascending, of allowed documents only; border ties included."""
        n_docs = self.part.n_docs if allowed is None else int(np.count_nonzero(allowed))
        if not n_docs or not k:
            return [np.empty(0, np.int64)] * len(queries)
        visible = None if allowed is None else spread(self.part, allowed)
        n, n_vectors = k + SPARE if self.is_exact else k * REFINED, self.part.n_vectors
        n = min(math.ceil(n * n_vectors / n_docs), n_vectors)
        found: dict[int, Ids] = {}
        pending = list(range(len(queries)))
        for size in sorted({n, min(self.most, n_vectors)}) if n <= self.most else ():
            if pending:
                with _lock:
                    results = self.search(queries[pending], size)
                for place, scores, ids in zip(pending, *results, strict=True):
                    slack = margin(queries[place])
                    near = self._near(scores, ids, visible, k=min(k, n_docs), slack=slack)
                    found |= {} if near is None else {place: near}
                pending = [place for place in pending if place not in found]
        if pending:
            rest = self.rest().propose(queries[pending], k, allowed)
            found |= zip(pending, rest, strict=True)
        return [found[place] for place in range(len(queries))]

    def _near(
        self, scores: Scores, ids: Ids, visible: NDArray[np.bool_] | None, *, k: int, slack: float
    ) -> Ids | None:
        """What may be the best of k visible documents; None where some of it was not found."""
        is_all, lowest = len(ids) == self.part.n_vectors, scores[-1]
        seen = ids >= 0 if visible is None else (ids >= 0) & visible[ids]
        ids, scores = ids[seen], scores[seen]
        _, first = np.unique(self.part.docs_of(ids), return_index=True)
        if len(first) < k:
            return None
        if not self.is_exact:
            return np.sort(ids)
        least = float(scores[np.sort(first)[k - 1]]) - slack
        return np.sort(ids[scores >= least]) if is_all or lowest < least else None


def gpu_faiss() -> ModuleType | None:
    """FAISS, where it loads, was built for CUDA and sees a device."""
    try:
        import faiss
    except (ImportError, OSError, RuntimeError):  # absent, or without its CUDA libraries
        return None
    is_there = hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0
    return faiss if is_there else None


def on_gpu(
    part: VectorPart, ann: AnnIndex | None, *, device: str, rest: Callable[[], Proposer]
) -> FaissScan | None:
    """A scan on a CUDA device: of an ivfpq as it is, of all else exact, as HNSW has no GPU form.

    None where FAISS has no GPU, no room for the vectors as float32, or cannot hold the ivfpq.
    """
    faiss, ivfpq = gpu_faiss(), ann if ann and ann.kind == "ivfpq" else None
    if not faiss or not part.n_vectors or not (ivfpq or fits(4 * part.vectors.size, device)):
        return None
    try:
        search = _moved(faiss, ivfpq, device) if ivfpq else _flat(faiss, part, device)
        search(np.zeros((1, part.dim), np.float32), 1)  # some FAISS refuses only when searched
    except RuntimeError as error:
        _logger.warning("Searching without FAISS on %s: %s", device, error)
        return None
    return FaissScan(part, search, rest, is_exact=ivfpq is None)


def in_shards(part: VectorPart, empty: Callable[[], Index], *, block: int = BLOCK) -> Search:
    """An exact search of the vectors, as float32, in shards of about `block` that `empty` makes."""
    import faiss

    shards = faiss.IndexShards(part.dim)  # searched in turn, ids run through
    for vectors in np.array_split(part.vectors, math.ceil(part.n_vectors / block)):
        shard = empty()
        shard.add(np.ascontiguousarray(vectors, np.float32))
        shards.add_shard(shard)
    search: Search = shards.search
    return search


def _flat(faiss: ModuleType, part: VectorPart, device: str) -> Search:
    config = faiss.GpuIndexFlatConfig()  # float32: as float16 FAISS would round the queries too
    config.device, config.use_cuvs = number(device), False
    return in_shards(part, lambda: faiss.GpuIndexFlatIP(_resources(faiss), part.dim, config))


def _moved(faiss: ModuleType, ann: AnnIndex, device: str) -> Search:
    options = faiss.GpuClonerOptions()
    options.use_cuvs, options.useFloat16 = False, ann.index.pq.M > 48  # or tables of above 48 KiB
    index = faiss.index_cpu_to_gpu(_resources(faiss), number(device), ann.index, options)
    return AnnIndex(ann.kind, index, ann.effort).search


@cache
def _resources(faiss: ModuleType) -> StandardGpuResources:
    one: StandardGpuResources = faiss.StandardGpuResources()  # each takes 1.5 GiB to work in
    return one
