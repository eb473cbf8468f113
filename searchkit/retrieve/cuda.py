"""A vector part -> candidates by an exact scan with torch, on a GPU: any filter and any k.

Where FAISS has no GPU, and for the searches that FAISS cannot answer there (`faiss_gpu`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from searchkit.index.vectors import VectorPart
from searchkit.retrieve.exact import margin
from searchkit.retrieve.flat import LOWEST, Found, Ids, above, blocks, spread
from searchkit.types import Mask, Vectors

if TYPE_CHECKING:
    import torch

BLOCK = 262_144  # vectors scanned at once
_QUERIES = 64  # queries scanned at once
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
        found: list[Ids] = []
        for start in range(0, len(queries), _QUERIES):
            found += self._scan(queries[start : start + _QUERIES], k, visible)
        return found

    def _scan(self, queries: Vectors, k: int, visible: torch.Tensor | None) -> list[Ids]:
        import torch

        found: list[Found] = [[] for _ in queries]
        on_device = torch.tensor(queries, device=self._device)
        slack = torch.tensor([margin(query) for query in queries], device=self._device)
        best = on_device[:, :0]  # scores of the k best documents so far, (n_queries, 0 .. k)
        least = torch.full_like(slack, LOWEST)
        for piece in self._pieces:
            scores = on_device @ piece.vectors.float().T
            if visible is not None:
                hidden = ~visible[piece.start : piece.start + len(piece.vectors)]
                scores = scores.masked_fill(hidden, -torch.inf)
            best = torch.cat([best, piece.best_of_docs(scores)], dim=1)
            best = best.topk(min(k, best.shape[1])).values
            if best.shape[1] == k:
                least = (best[:, -1] - slack).clamp(min=LOWEST)
            _collect(found, scores, least, piece.start)
        return [above(of_query, float(x)) for of_query, x in zip(found, least, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    vectors: torch.Tensor  # (n, dim) of whole documents
    start: int  # id of the first
    doc_of: torch.Tensor | None  # (n,) number of the document inside the piece; None: one each
    n_docs: int

    def best_of_docs(self, scores: torch.Tensor) -> torch.Tensor:
        """(n_queries, n_docs): the largest score of each document."""
        if self.doc_of is None:
            return scores
        lowest = scores.new_full((len(scores), self.n_docs), -float("inf"))
        return lowest.scatter_reduce_(1, self.doc_of.expand_as(scores), scores, "amax")


def _load(part: VectorPart, device: str, block: int) -> Iterator[_Piece]:
    import torch

    stored = torch.float16 if part.vectors.dtype == np.float16 else torch.float32
    for piece in blocks(part, part.vectors, None, size=block):
        doc_of, n_docs = None, len(piece.ids)
        if piece.first is not None:
            n_docs = len(piece.first)
            counts = np.diff(piece.first, append=len(piece.ids))
            doc_of = torch.tensor(np.repeat(np.arange(n_docs), counts), device=device)
        vectors = torch.tensor(piece.vectors, dtype=stored, device=device)
        yield _Piece(vectors, int(piece.ids[0]), doc_of, n_docs)


def _collect(found: list[Found], scores: torch.Tensor, least: torch.Tensor, start: int) -> None:
    """Append to each query the ids and scores that reach its least score."""
    near = (scores >= least[:, None]).nonzero()
    of_query, ids = near.T.cpu().numpy()
    values = scores[near[:, 0], near[:, 1]].cpu().numpy()
    ends = np.searchsorted(of_query, np.arange(len(found) + 1))
    for n, pieces in enumerate(found):
        run = slice(ends[n], ends[n + 1])
        pieces.append((ids[run] + start, values[run]))
