"""A vector part -> candidates by an exact scan with torch, on a GPU: any filter and any k.

Where FAISS has no GPU, and for the searches that FAISS cannot answer there (`faiss_gpu`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from searchkit.index.vectors import VectorPart
from searchkit.retrieve.exact import margin
from searchkit.retrieve.flat import LOWEST, Found, Ids, above, blocks, spread
from searchkit.types import Mask, Vectors

if TYPE_CHECKING:
    import torch

Score: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"  # (n, dim) -> (n_queries, n)

BLOCK = 1 << 20  # vectors scanned at once: each block costs three waits for the device
_QUERIES = 64  # queries scanned at once
_HALF = 2  # bytes of a float16
_LOWER = 2_048.0  # lifts what float16 leaves of a float32 into its range
_CUT = 4  # margins: a cut sum errs at most twice as far as a rounded one, in each of two parts
_GROUP, _WORTH = 64, 4
_SHARE = 0.8  # of the free memory that vectors may take


def fits(n_bytes: int, device: str) -> bool:
    """Whether the GPU has room for vectors of so many bytes."""
    import torch

    free: int = torch.cuda.mem_get_info(device)[0]
    return n_bytes < _SHARE * free


def number(device: str) -> int:
    """Which of the GPUs that this process sees: 0 for "cuda" alone, unless torch was told more."""
    import torch

    index = torch.device(device).index
    return int(torch.cuda.current_device() if index is None else index)


class TorchScan:
    """Proposes like `FlatScan`, from vectors that stay on the device in their stored type."""

    def __init__(self, part: VectorPart, *, device: str, block: int = BLOCK) -> None:
        self._part, self._device = part, device
        self._pieces = list(_load(part, device, block))

    def propose(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Ids]:
        """Ids of vectors, ascending, of allowed documents only; none of the k best is missed."""
        import torch

        visible = None
        if allowed is not None:
            visible = torch.tensor(spread(self._part, allowed), device=self._device)
        return scan(self._pieces, queries, k, visible)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Vectors of whole documents on a device."""

    vectors: torch.Tensor  # (n, dim)
    start: int  # id of the first
    doc_of: torch.Tensor | None  # (n,) number of the document inside the piece; None: one each
    n_docs: int

    def best_of_docs(self, scores: torch.Tensor) -> torch.Tensor:
        """(n_queries, n_docs): the largest score of each document."""
        if self.doc_of is None:
            return scores
        lowest = scores.new_full((len(scores), self.n_docs), -float("inf"))
        return lowest.scatter_reduce_(1, self.doc_of.expand_as(scores), scores, "amax")


def scan(
    pieces: Sequence[Piece], queries: Vectors, k: int, visible: torch.Tensor | None = None
) -> list[Ids]:
    """Ids, ascending, among which are the best of each query's k best documents.

    `visible`: (n_vectors,) bool on the device of the pieces; None where nothing is hidden.
    """
    found: list[Ids] = []
    for start in range(0, len(queries), _QUERIES):
        found += _scan(pieces, queries[start : start + _QUERIES], k, visible)
    return found


def _scan(
    pieces: Sequence[Piece], queries: Vectors, k: int, visible: torch.Tensor | None
) -> list[Ids]:
    import torch

    found: list[Found] = [[] for _ in queries]
    if not pieces:
        return [np.empty(0, np.int64) for _ in queries]
    on_device = torch.tensor(queries, device=pieces[0].vectors.device)
    score, widening = scorer(on_device, pieces[0].vectors)
    slack = on_device.new_tensor([widening * margin(query) for query in queries])
    best = on_device[:, :0]  # scores of the k best documents so far, (n_queries, 0 .. k)
    least = torch.full_like(slack, LOWEST)
    for piece in pieces:
        scores = score(piece.vectors)
        if visible is not None:
            hidden = ~visible[piece.start : piece.start + len(piece.vectors)]
            scores = scores.masked_fill(hidden, -torch.inf)
        best = torch.cat([best, summits(piece.best_of_docs(scores), k)], dim=1)
        best = best.topk(min(k, best.shape[1])).values
        if best.shape[1] == k:
            least = (best[:, -1] - slack).clamp(min=LOWEST)
        _collect(found, scores, least, piece.start)
    return [above(of_query, float(x)) for of_query, x in zip(found, least, strict=True)]


def scorer(queries: torch.Tensor, vectors: torch.Tensor) -> tuple[Score, int]:
    """What scores vectors like these, and how many margins its scores may be apart.

    float16 vectors on CUDA by its matrix units, which read them as they are; a query is two
    float16 then. These units cut a sum where float32 rounds it, hence the wider margin.
    """
    if not vectors.is_cuda or vectors.element_size() != _HALF or not _adds_in_float32():
        return lambda some: queries @ some.float().T, 1
    parts, n = halves(queries), len(queries)

    def score(some: torch.Tensor) -> torch.Tensor:
        import torch

        both = torch.mm(parts, some.T, out_dtype=torch.float32)
        return both[:n] + both[n:] / _LOWER

    return score, _CUT


def halves(queries: torch.Tensor) -> torch.Tensor:
    """(n, dim) float32 -> (2 n, dim) float16: upper parts, then the rests times 2,048.

    A query's parts add up to it within 2**-22 of each value, above what float16 can hold at all.
    """
    import torch

    upper = queries.half()
    return torch.cat([upper, ((queries - upper.float()) * _LOWER).half()])


def summits(scores: torch.Tensor, k: int) -> torch.Tensor:
    """Some of each query's scores, the best among them: the best of each 64, where k allows.

    Their k-th best is no better than the k-th best of all, and found in a 64th of the time.
    """
    import torch

    n = scores.shape[1] // _GROUP * _GROUP
    if n < _GROUP * k * _WORTH:
        return scores
    best = scores[:, :n].unflatten(1, (-1, _GROUP)).amax(2)  # type: ignore[no-untyped-call]
    return torch.cat([best, scores[:, n:]], dim=1)


@cache
def _adds_in_float32() -> bool:
    """Whether torch multiplies float16 matrices on CUDA into a float32 one."""
    import torch

    one = torch.ones(16, 16, dtype=torch.float16, device="cuda")
    try:
        return bool(torch.mm(one, one, out_dtype=torch.float32).dtype == torch.float32)
    except (RuntimeError, TypeError, NotImplementedError):
        return False


def _load(part: VectorPart, device: str, block: int) -> Iterator[Piece]:
    import torch

    stored = torch.float16 if part.vectors.dtype == np.float16 else torch.float32
    for piece in blocks(part, part.vectors, None, size=block):
        doc_of, n_docs = None, len(piece.ids)
        if piece.first is not None:
            n_docs = len(piece.first)
            counts = np.diff(piece.first, append=len(piece.ids))
            doc_of = torch.tensor(np.repeat(np.arange(n_docs), counts), device=device)
        vectors = torch.tensor(piece.vectors, dtype=stored, device=device)
        yield Piece(vectors, int(piece.ids[0]), doc_of, n_docs)


def _collect(found: list[Found], scores: torch.Tensor, least: torch.Tensor, start: int) -> None:
    """Append to each query the ids and scores that reach its least score."""
    near = (scores >= least[:, None]).nonzero()
    of_query, ids = near.T.cpu().numpy()
    values = scores[near[:, 0], near[:, 1]].cpu().numpy()
    ends = np.searchsorted(of_query, np.arange(len(found) + 1))
    for n, pieces in enumerate(found):
        run = slice(ends[n], ends[n + 1])
        pieces.append((ids[run] + start, values[run]))
