"""Vectors that an index holds already -> those of the texts that come again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchkit.index.embedding_cache import EmbeddingCache
from searchkit.index.generation import Generation, Part
from searchkit.index.shards import Found, Shard
from searchkit.index.vectors import open_vectors


class Known:
    """What need not be encoded: vector parts of one index, and the embedding cache of the machine.

    Made once for a commit. Vectors of deleted rows count: their texts may come back. A part of
    format 1 does not say what its vectors were made of and is passed over.
    """

    def __init__(self, index: Path, *, cache: EmbeddingCache | None = None) -> None:
        self.index = index
        self.cache = cache or EmbeddingCache()
        self._folders: dict[tuple[str, str], list[Path]] = {}  # fingerprint, type -> parts
        self._opened: dict[Path, _Sorted] = {}

    @classmethod
    def of(cls, index: Path, generation: Generation) -> Known:
        """The vectors of every encoder of a generation, whose files were checked."""
        known = cls(index)
        for segment in generation.segments:
            for part in segment.parts:
                known.learn(part)
        return known

    def learn(self, part: Part) -> None:
        """Take in one part more; what is no vector part is passed over. Nothing is read yet."""
        if part.kind == "vectors" and "digests.npy" in part.files:
            key = (part.config["fingerprint"], part.config["dtype"])
            self._folders.setdefault(key, []).append(self.index / part.folder)

    def find(self, fingerprint: str, dtype: str, digests: NDArray[np.uint64]) -> list[Found]:
        """Where the texts of these digests, (n, 2), stand among the vectors of an encoder.

        Memory holds 16 bytes for each vector of the index, time is that of one sort and then of a
        binary search for each text in each segment.
        """
        rest, found = np.arange(len(digests)), []
        for folder in self._folders.get((fingerprint, dtype), ()):
            if not len(rest):
                break
            of_part = self._part(folder).find(digests[rest])
            found.append(Found(rest[of_part.at], of_part.shard))
            rest = np.delete(rest, of_part.at)
        return found

    def _part(self, folder: Path) -> _Sorted:
        if folder not in self._opened:
            self._opened[folder] = _Sorted.open(folder)
        return self._opened[folder]


@dataclass(frozen=True, slots=True, eq=False)
class _Sorted:
    """A part with its digests in order."""

    vectors: NDArray[Any]
    n_tokens: NDArray[np.uint32]
    digests: NDArray[np.uint64]
    order: NDArray[np.int64]  # (n_vectors,) by the first half of the digest
    first: NDArray[np.uint64]  # (n_vectors,) the first halves in this order

    @classmethod
    def open(cls, folder: Path) -> _Sorted:
        part = open_vectors(folder)
        if part.digests is None or part.n_tokens is None:
            raise ValueError(f"{folder} does not say what its vectors were made of")
        order = np.argsort(part.digests[:, 0], kind="stable")
        return cls(part.vectors, part.n_tokens, part.digests, order, part.digests[order, 0])

    def find(self, digests: NDArray[np.uint64]) -> Found:
        """Two texts share a first half once in 10^19: only the first of that half is looked at."""
        if not len(self.order):
            digests = digests[:0]
        place = np.searchsorted(self.first, digests[:, 0])
        rows = self.order[np.minimum(place, len(self.order) - 1)]
        alike = (self.digests[rows] == digests).all(axis=1)
        at, rows = np.flatnonzero(alike), rows[alike]
        return Found.finite(at, Shard(self.vectors[rows], self.n_tokens[rows].astype(np.int64)))
