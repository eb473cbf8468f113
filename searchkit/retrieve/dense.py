"""Queries -> rankings by vectors: parts propose, the stored vectors decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.index.ann import AnnIndex, open_ann
from searchkit.index.index import Index
from searchkit.index.opened import shared
from searchkit.index.vectors import VectorPart, open_vectors
from searchkit.protocols import Encoder
from searchkit.retrieve.approximate import AnnScan
from searchkit.retrieve.exact import best_per_doc, exact_scores
from searchkit.retrieve.flat import BLOCK, FlatScan, Ids, Proposer, propose_together
from searchkit.types import Mask, Ranking, Rows, Scores, Vectors

_Members: TypeAlias = dict[tuple[int, ...], tuple[list[VectorPart], VectorPart]]

RESIDENT_BYTES = 1 << 30  # of float16 vectors kept as float32, so that no search converts them


@dataclass(frozen=True, slots=True, eq=False)
class DensePart:
    """The vectors of one segment and its place in the generation."""

    base: int  # row of its first document
    n_docs: int
    vectors: VectorPart
    ann: AnnIndex | None = None
    alive: Mask | None = None  # documents that may be found; None: all

    def __post_init__(self) -> None:
        if self.n_docs != self.vectors.n_docs:
            raise ValueError(f"{self.n_docs} documents, vectors of {self.vectors.n_docs}")
        if self.ann and self.ann.n_vectors != self.vectors.n_vectors:
            raise ValueError(f"{self.vectors.n_vectors} vectors, an ANN of {self.ann.n_vectors}")

    def allowed(self, mask: Mask | None) -> Mask | None:
        """Documents that may be found and that a mask over all rows allows."""
        if mask is None:
            return self.alive
        here = mask[self.base : self.base + self.n_docs]
        return here if self.alive is None else here & self.alive


def dense_parts(index: Index, encoder: str) -> list[DensePart]:
    """The vectors of an encoder in every segment of an index, with their ANN where there is one."""
    parts = []
    for one, part in index.part("vectors", encoder=encoder) or []:
        ann = one.segment.part("ann", vectors=part.hash)
        parts.append(
            DensePart(
                base=one.base,
                n_docs=one.segment.n_docs,
                vectors=shared(index.folder(part), open_vectors),
                ann=shared(index.folder(ann), open_ann) if ann else None,
                alive=one.alive,
            )
        )
    return parts


class DenseRetriever:
    """Ranks documents by the dot product of their best vector with the query's.

    Whatever proposes the candidates, they are scored from the stored vectors by one rule, so
    segments, batches, devices and filters never change a score.
    """

    def __init__(
        self,
        encoder: Encoder,
        parts: Sequence[DensePart],
        *,
        device: str | None = None,
        resident_bytes: int = RESIDENT_BYTES,
        like: DenseRetriever | None = None,
    ) -> None:
        """Device: where vectors are scanned; None is where the encoder runs, "cpu" or "cuda".

        like: a retriever of the same encoder whose parts, where they are the same, are prepared.
        """
        self.encoder = encoder
        self._members: _Members = like._members if like else {}
        self._parts = self._joined(parts)
        device = str(device or getattr(encoder, "device", "cpu"))
        self._proposers: dict[int, Proposer] = {}  # by the part's vectors, which it holds
        for part in self._parts:
            resident_bytes -= 4 * part.vectors.vectors.size
            known = like.proposer(part) if like else None
            made = known or _proposer(part, device, resident=resident_bytes >= 0)
            self._proposers[id(part.vectors)] = made

    def _joined(self, parts: Sequence[DensePart]) -> list[DensePart]:
        """Small neighbours as one part, so that many segments are scanned as fast as one."""
        known, self._members, found = self._members, {}, []
        for group in _groups(parts):
            if len(group) == 1:
                found.append(group[0])
                continue
            key = tuple(id(part.vectors) for part in group)  # alive as long as they stand here
            held = known.get(key) or ([part.vectors for part in group], joined(group))
            self._members[key] = held
            found.append(
                DensePart(
                    base=group[0].base,
                    n_docs=sum(part.n_docs for part in group),
                    vectors=held[1],
                    alive=_all_alive(group),
                )
            )
        return found

    def proposer(self, part: DensePart) -> Proposer | None:
        """What searches these vectors here; None where it is not among the parts."""
        own = any(p.vectors is part.vectors and p.ann is part.ann for p in self._parts)
        return self._proposers[id(part.vectors)] if own else None

    def retrieve(
        self, queries: Sequence[str], k: int, allowed: Mask | None = None
    ) -> list[Ranking]:
        """The k best rows of each query among the allowed ones; fewer where there are fewer."""
        return self.retrieve_vectors(self.encoder.encode_queries(queries), k, allowed)

    def retrieve_vectors(
        self, queries: Vectors, k: int, allowed: Mask | None = None
    ) -> list[Ranking]:
        """The same for queries that are vectors already: (n, dim) float32 of unit length."""
        rows: list[list[Rows]] = [[] for _ in queries]
        scores: list[list[Scores]] = [[] for _ in queries]
        for part, proposed in self._proposed(queries, k, allowed):
            for n, ids in enumerate(proposed):
                docs, of_docs = _score(part.vectors, ids, queries[n])
                rows[n].append(docs + part.base)
                scores[n].append(of_docs)
        return [
            Ranking.top(np.concatenate(r), np.concatenate(s), k) if r else Ranking.empty()
            for r, s in zip(rows, scores, strict=True)
        ]

    def _proposed(
        self, queries: Vectors, k: int, allowed: Mask | None
    ) -> Iterator[tuple[DensePart, list[Ids]]]:
        """What each part proposes; those that are scanned are scanned together."""
        flat: list[tuple[DensePart, FlatScan]] = []
        for part in self._parts:
            proposer = self._proposers[id(part.vectors)]
            if isinstance(proposer, FlatScan):
                flat.append((part, proposer))
            else:
                yield part, proposer.propose(queries, k, part.allowed(allowed))
        masks = [part.allowed(allowed) for part, _ in flat]
        together = propose_together([one for _, one in flat], masks, queries, k)
        yield from zip([part for part, _ in flat], together, strict=True)

    def score_rows(self, query: str, rows: Rows) -> Scores:
        """The exact score of each of the rows, in their order: (n,) float32."""
        [vector] = self.encoder.encode_queries([query])
        scores = np.full(len(rows), np.nan, np.float32)
        for part in self._parts:
            here = (rows >= part.base) & (rows < part.base + part.n_docs)
            docs, place = np.unique(rows[here] - part.base, return_inverse=True)
            _, of_docs = _score(part.vectors, part.vectors.ids_of(docs), vector)
            scores[here] = of_docs[place]
        if np.isnan(scores).any():
            raise ValueError(f"rows beyond the {sum(part.n_docs for part in self._parts)} indexed")
        return scores


def _groups(parts: Sequence[DensePart]) -> Iterator[list[DensePart]]:
    """Neighbours without an ANN that together are scanned at once; all others alone."""
    group: list[DensePart] = []
    for part in parts:
        size = sum(one.vectors.n_vectors for one in group) + part.vectors.n_vectors
        if group and (part.ann or group[-1].ann or size > BLOCK or not _alike(group[-1], part)):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _alike(one: DensePart, other: DensePart) -> bool:
    held, more = one.vectors, other.vectors
    return held.vectors.dtype == more.vectors.dtype and (held.starts is None) == (
        more.starts is None
    )


def joined(parts: Sequence[DensePart]) -> VectorPart:
    """The vectors of neighbours as those of one segment, in memory."""
    held = [part.vectors for part in parts]
    starts = None
    if all(one.starts is not None for one in held):
        counts = [np.diff(one.starts) for one in held if one.starts is not None]
        starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    return VectorPart(
        np.concatenate([one.vectors for one in held]),
        starts,
        np.concatenate([one.beyond for one in held]),
    )


def _all_alive(parts: Sequence[DensePart]) -> Mask | None:
    if all(part.alive is None for part in parts):
        return None
    masks = (np.ones(p.n_docs, np.bool_) if p.alive is None else p.alive for p in parts)
    return np.concatenate([*masks])


def _score(
    part: VectorPart, ids: Ids, query: NDArray[np.float32]
) -> tuple[NDArray[np.int64], Scores]:
    """Documents, ascending, and the exact score of the best of their vectors among the ids."""
    scores = exact_scores(part.vectors, query, ids)
    return (ids, scores) if part.starts is None else best_per_doc(part.docs_of(ids), scores)


def _proposer(part: DensePart, device: str, *, resident: bool) -> Proposer:
    """What searches a part: on a GPU by FAISS, else by torch, else what the CPU has for it."""
    held, ann = part.vectors, part.ann
    flat = FlatScan(held, resident=resident and ann is None)
    on_cpu = flat if ann is None else AnnScan(held, ann, flat)
    if device == "cpu":
        return on_cpu
    from searchkit.retrieve.cuda import TorchScan, fits
    from searchkit.retrieve.faiss_gpu import on_gpu

    @cache
    def without_faiss() -> Proposer:
        return TorchScan(held, device=device) if fits(held.vectors.nbytes, device) else on_cpu

    return on_gpu(held, ann, device=device, rest=without_faiss) or without_faiss()
