"""A vector part -> an approximate index over it, for segments too large to scan: FAISS."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import DamagedIndex, need
from searchkit.index.ann_choice import AnnForm, StoredKind
from searchkit.index.ann_effort import DEPTH, REFINED, SPARE, Measured, measure
from searchkit.index.vectors import VectorPart
from searchkit.protocols import Progress
from searchkit.types import Vectors

if TYPE_CHECKING:
    from faiss import Index

FILE = "index.faiss"

# Where no effort was measured: in parts of former versions, and in small ones.
_VISITED = 2  # candidates of the graph search for each vector asked for
_LEAST_VISITED = 200
_PROBED = 0.25  # share of the lists that are read
_LEAST_PROBED = 16
_UNMEASURED = {"hnsw": 16, "ivfpq": 1}  # what FAISS writes of itself

_BATCH = 16_384  # vectors added between two reports of progress
_SEED = 20_240_229
_EF_CONSTRUCTION = 200  # candidates while a graph is built
_RANGED = 65_536  # vectors that show the range of each number
_MOST_VISITED = 16  # times as many candidates as are asked for; no graph needed more
_FITTING = 2.0  # times too many or too few lists that still serve another segment
_TRAINED_PER_LIST = 40  # FAISS asks for 39
_TRAINED_PER_CODE = 128
_MOST_TRAINED = 262_144  # vectors in memory while training


def write_ann(
    folder: Path,
    part: VectorPart,
    *,
    form: AnnForm,
    progress: Progress,
    like: Path | None = None,
    n_threads: int | None = None,
) -> Measured | None:
    """Build the index of a vector part into a folder. Progress is in vectors.

    Returns the effort that reaches the wished recall and stands in the file; None where the part
    is too small to be asked. like: the folder of an ivfpq whose lists and codebook serve this part
    as well, where they are of its width and about as many as it would get.

    ivfpq has the same bytes in every run on one machine. hnsw has them with one thread only:
    several threads link the graph in the order in which they come; recall is the same.
    """
    faiss = need("faiss", extra="cpu")
    with _threads(faiss, n_threads):
        if form.kind == "hnsw":
            index = _hnsw(faiss, part, form.links)
        else:
            index = (like and _alike(faiss, part, like)) or _ivfpq(faiss, part)
        for start in range(0, part.n_vectors, _BATCH):
            index.add(_floats(part.vectors[start : start + _BATCH]))
            progress(min(start + _BATCH, part.n_vectors), part.n_vectors)
        measured = _measured(AnnIndex(form.kind, index), part, form.recall)
    if measured is not None:
        _set_effort(index, form.kind, measured.effort)
    try:
        faiss.write_index(index, str(folder / FILE))
    except RuntimeError as error:  # FAISS knows no OSError
        raise OSError(str(error)) from error
    return measured


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class AnnIndex:
    """An opened index: proposes vectors, by scores that only it answers for."""

    kind: StoredKind
    index: Any  # faiss.IndexHNSWSQ, faiss.IndexIVFPQ, or faiss.IndexHNSWFlat of former versions
    effort: int | None = None  # candidates visited or lists read for the 100 best

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
            visited = min(int(self._visited(n) / share), self.n_vectors)
            params = faiss.SearchParametersHNSW(efSearch=visited, sel=selector)
        else:
            probed = min(int(self._probed() / share), self.index.nlist)
            params = faiss.SearchParametersIVF(nprobe=probed, sel=selector)
        scores, ids = self.index.search(queries, n, params=params)
        return scores, ids

    def _visited(self, n: int) -> float:
        if self.effort is None:
            return max(_LEAST_VISITED, _VISITED * n)
        return self.effort * max(1.0, n / (DEPTH + SPARE))

    def _probed(self) -> float:
        if self.effort is None:
            return max(_LEAST_PROBED, int(self.index.nlist) * _PROBED)
        return float(self.effort)


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
    if type(index) in (faiss.IndexHNSWSQ, faiss.IndexHNSWFlat):
        return _with_effort("hnsw", index, int(index.hnsw.efSearch))
    if type(index) is faiss.IndexIVFPQ:
        return _with_effort("ivfpq", index, int(index.nprobe))
    raise DamagedIndex(path, f"it holds a {type(index).__name__}", cure)


def _with_effort(kind: StoredKind, index: Index, effort: int) -> AnnIndex:
    return AnnIndex(kind, index, None if effort == _UNMEASURED[kind] else effort)


def _set_effort(index: Any, kind: StoredKind, effort: int) -> None:  # noqa: ANN401 - of FAISS
    if kind == "hnsw":
        index.hnsw.efSearch = effort
    else:
        index.nprobe = effort


def _measured(ann: AnnIndex, part: VectorPart, recall: float) -> Measured | None:
    n = DEPTH * REFINED if ann.kind == "ivfpq" else DEPTH + SPARE
    least = 2 if ann.kind == "ivfpq" else n
    most = ann.index.nlist if ann.kind == "ivfpq" else min(_MOST_VISITED * n, ann.n_vectors)

    def search(queries: Vectors, effort: int) -> NDArray[np.int64]:
        return replace(ann, effort=effort).search(queries, n + 1)[1]

    return measure(part, search, least=least, most=max(least, most), recall=recall)


def _hnsw(faiss: ModuleType, part: VectorPart, links: int) -> Index:
    """An empty graph over numbers of a byte: they find what whole ones find, and faster."""
    index = faiss.IndexHNSWSQ(
        part.dim, faiss.ScalarQuantizer.QT_8bit, links, faiss.METRIC_INNER_PRODUCT
    )
    index.hnsw.efConstruction = _EF_CONSTRUCTION
    index.train(_sample(part, _RANGED))
    empty: Index = index
    return empty


def _n_lists(part: VectorPart) -> int:
    return max(2, min(int(4 * math.sqrt(part.n_vectors)), part.n_vectors // _TRAINED_PER_LIST))


def _ivfpq(faiss: ModuleType, part: VectorPart) -> Index:
    """A trained index without vectors: 4 sqrt(n) lists, a byte for about 8 numbers of a vector."""
    n_lists = _n_lists(part)
    n_bytes = max(n for n in range(1, max(part.dim // 8, 1) + 1) if part.dim % n == 0)
    # np: no polysemous codes, which cost minutes of training and which no search here uses.
    description = f"IVF{n_lists},PQ{n_bytes}x8np"
    index = faiss.index_factory(part.dim, description, faiss.METRIC_INNER_PRODUCT)
    for clustering in (index.cp, index.pq.cp):
        clustering.seed = _SEED
        clustering.min_points_per_centroid = 1  # small samples are meant: FAISS warns on stderr
    index.pq.cp.max_points_per_centroid = _TRAINED_PER_CODE
    index.train(_sample(part, min(_MOST_TRAINED, max(n_lists * _TRAINED_PER_LIST, 32_768))))
    trained: Index = index
    return trained


def _alike(faiss: ModuleType, part: VectorPart, like: Path) -> Index | None:
    """An index without vectors that has the lists and the codebook of another, if they fit."""
    index = faiss.read_index(str(like / FILE))  # in memory: a code and an id a vector
    wanted = _n_lists(part)
    if index.d != part.dim or not wanted / _FITTING <= index.nlist <= wanted * _FITTING:
        return None
    index.reset()
    index.nprobe = _UNMEASURED["ivfpq"]
    empty: Index = index
    return empty


def _sample(part: VectorPart, n: int) -> Vectors:
    """Up to n of the vectors, in their order, by a seeded draw."""
    rng = np.random.default_rng(_SEED)
    drawn = rng.choice(part.n_vectors, min(n, part.n_vectors), replace=False)
    return _floats(part.vectors[np.sort(drawn)])


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
