"""A vector part -> an approximate index over it, for segments too large to scan: FAISS."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import DamagedIndex, need
from searchkit.index.vectors import VectorPart
from searchkit.protocols import Progress
from searchkit.types import Vectors

if TYPE_CHECKING:
    from faiss import Index

AnnKind: TypeAlias = Literal["auto", "flat", "hnsw", "ivfpq"]
StoredKind: TypeAlias = Literal["hnsw", "ivfpq"]

HNSW_FROM = 100_000  # vectors of a segment; below, an exact scan takes milliseconds
IVFPQ_FROM = 2_000_000  # above, the graph and its copy of the vectors take too much memory
IVFPQ_LEAST = 1_024  # vectors; fewer do not fill 256 centroids
FILE = "index.faiss"

# Recall over 49,046 abstracts, minilm (benchmarks/vector_search.py): hnsw .997 at 100 and .999 at
# 1,000; ivfpq, with 8 times as many candidates rescored, .977 at 100.
_VISITED = 2  # candidates of the graph search for each vector asked for
_LEAST_VISITED = 200
_PROBED = 0.25  # share of the lists that are read
_LEAST_PROBED = 16

_BATCH = 16_384  # vectors added between two reports of progress
_SEED = 20_240_229
_M, _EF_CONSTRUCTION = 32, 200  # links a node; candidates while building
_TRAINED_PER_LIST = 40  # FAISS asks for 39
_TRAINED_PER_CODE = 128
_MOST_TRAINED = 262_144  # vectors in memory while training


def choose_kind(kind: AnnKind, n_vectors: int) -> Literal["flat", "hnsw", "ivfpq"]:
    """The kind a segment of this size gets; `flat` is no part at all, and always exact."""
    if kind == "auto":
        kind = "hnsw" if n_vectors <= IVFPQ_FROM else "ivfpq"
        return kind if n_vectors >= HNSW_FROM else "flat"
    if kind == "ivfpq" and n_vectors < IVFPQ_LEAST:
        return "flat"
    return kind if n_vectors else "flat"


def least_of(kind: AnnKind) -> int:
    """Vectors that a segment needs to get an ANN of the kind; fewer are scanned, and exactly."""
    return {"auto": HNSW_FROM, "ivfpq": IVFPQ_LEAST}.get(kind, 1)


def write_ann(
    folder: Path,
    part: VectorPart,
    *,
    kind: StoredKind,
    progress: Progress,
    n_threads: int | None = None,
) -> None:
    """Build the index of a vector part into a folder. Progress is in vectors.

    ivfpq has the same bytes in every run on one machine. hnsw has them with one thread only:
    several threads link the graph in the order in which they come; recall is the same.
    """
    faiss = need("faiss", extra="cpu")
    with _threads(faiss, n_threads):
        index = _hnsw(faiss, part) if kind == "hnsw" else _ivfpq(faiss, part)
        for start in range(0, part.n_vectors, _BATCH):
            index.add(_floats(part.vectors[start : start + _BATCH]))
            progress(min(start + _BATCH, part.n_vectors), part.n_vectors)
    try:
        faiss.write_index(index, str(folder / FILE))
    except RuntimeError as error:  # FAISS knows no OSError
        raise OSError(str(error)) from error


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class AnnIndex:
    """An opened index: proposes vectors, by scores that only it answers for."""

    kind: StoredKind
    index: Any  # faiss.IndexHNSWFlat or faiss.IndexIVFPQ

    @property
    def n_vectors(self) -> int:
        return int(self.index.ntotal)

    def search(
        self, queries: Vectors, n: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and ids of up to n vectors a query, best first: (n_queries, n), id -1 where fewer.

        allowed: (n_vectors,), True for vectors that may be proposed.
        """
        faiss = need("faiss", extra="cpu")
        selector, share = None, 1.0
        if allowed is not None:
            selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
            share = max(float(allowed.mean()), 1e-3)  # hidden vectors are passed on the way
        if self.kind == "hnsw":
            visited = int(max(_LEAST_VISITED, _VISITED * n) / share)
            params = faiss.SearchParametersHNSW(efSearch=min(visited, self.n_vectors), sel=selector)
        else:
            probed = max(_LEAST_PROBED, int(self.index.nlist * _PROBED / share))
            params = faiss.SearchParametersIVF(nprobe=min(probed, self.index.nlist), sel=selector)
        scores, ids = self.index.search(queries, n, params=params)
        return scores, ids


def open_ann(folder: Path) -> AnnIndex:
    """The index in a folder, mapped. Verify its bytes first: FAISS crashes on damaged ones.

    DamagedIndex where it is missing or of a kind that is not written here.
    """
    faiss = need("faiss", extra="cpu")
    path = folder / FILE
    cure = "Run `searchkit repair` on the index."
    if not path.is_file():
        raise DamagedIndex(path, "it is missing", cure)
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise DamagedIndex(path, "FAISS cannot read it", cure) from error
    kinds: dict[type, StoredKind] = {faiss.IndexHNSWFlat: "hnsw", faiss.IndexIVFPQ: "ivfpq"}
    if type(index) not in kinds:
        raise DamagedIndex(path, f"it holds a {type(index).__name__}", cure)
    return AnnIndex(kinds[type(index)], index)


def _hnsw(faiss: ModuleType, part: VectorPart) -> Index:
    index = faiss.IndexHNSWFlat(part.dim, _M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _EF_CONSTRUCTION
    empty: Index = index
    return empty


def _ivfpq(faiss: ModuleType, part: VectorPart) -> Index:
    """A trained index without vectors: 4 sqrt(n) lists, a byte for about 8 numbers of a vector."""
    n_lists = max(1, min(int(4 * math.sqrt(part.n_vectors)), part.n_vectors // _TRAINED_PER_LIST))
    n_bytes = max(n for n in range(1, max(part.dim // 8, 1) + 1) if part.dim % n == 0)
    # np: no polysemous codes, which cost minutes of training and which no search here uses.
    description = f"IVF{n_lists},PQ{n_bytes}x8np"
    index = faiss.index_factory(part.dim, description, faiss.METRIC_INNER_PRODUCT)
    for clustering in (index.cp, index.pq.cp):
        clustering.seed = _SEED
        clustering.min_points_per_centroid = 1  # small samples are meant: FAISS warns on stderr
    index.pq.cp.max_points_per_centroid = _TRAINED_PER_CODE
    n_trained = min(part.n_vectors, _MOST_TRAINED, max(n_lists * _TRAINED_PER_LIST, 32_768))
    sample = np.random.default_rng(_SEED).choice(part.n_vectors, n_trained, replace=False)
    index.train(_floats(part.vectors[np.sort(sample)]))
    trained: Index = index
    return trained


def _floats(vectors: NDArray[Any]) -> Vectors:
    return np.ascontiguousarray(vectors, np.float32)


@contextmanager
def _threads(faiss: ModuleType, n_threads: int | None) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n_threads or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
