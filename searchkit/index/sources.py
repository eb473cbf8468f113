"""Texts -> their vectors, from wherever they are already, and from the encoder where they are not.

The order decides the bytes. A vector's last bit depends on the texts that were encoded with it, so
an interrupted build must take the same vectors from the same places as one that was not:

1. the index: its live generation does not change before the commit, so it answers alike;
2. the shards of an interrupted run: whole grids, whatever in them came from the cache, so that a
   finished grid is what it was, though the cache may have let go of some of it since;
3. the cache, which gets what was encoded *before* the shard is written: a run that is killed
   between the two finds the very vectors that it made;
4. the encoder, with the texts of the grid that are left.

Two runs differ in a last bit only where the index or the cache answered differently at their start,
or another process filled the cache meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchkit.encode import encode_texts
from searchkit.index.embedding_cache import EmbeddingCache
from searchkit.index.known import Known
from searchkit.index.shards import Found, Shard, Shards
from searchkit.protocols import Encoder, Progress


@dataclass(slots=True, eq=False)
class Sources:
    """Where vectors come from, and how many came from where."""

    encoder: Encoder
    shards: Shards
    known: Known
    n_encoded: int = 0
    n_from_index: int = 0
    n_from_cache: int = 0
    n_resumed: int = 0  # from the shards of a run that was interrupted

    @property
    def cache(self) -> EmbeddingCache:
        return self.known.cache

    @property
    def dtype(self) -> str:
        return self.shards.dtype

    def vectors(
        self, texts: Sequence[str], digests: NDArray[np.uint64], progress: Progress
    ) -> Shard:
        """The vectors of the texts of a grid that are new in this call; progress in tokens."""
        whole, rest = self._blank(len(texts)), np.arange(len(texts))
        for found in self.known.find(self.encoder.fingerprint, self.dtype, digests):
            rest = _fill(whole, rest, found)
        self.n_from_index += len(texts) - len(rest)
        if len(rest):
            left = [texts[n] for n in rest.tolist()]
            whole.put(rest, self._kept(left, digests[rest], progress))
        return whole

    def _kept(self, texts: Sequence[str], digests: NDArray[np.uint64], progress: Progress) -> Shard:
        kept = self.shards.read(texts)
        if kept is not None:
            self.n_resumed += len(texts)
            return kept
        whole = self._cached(texts, digests, progress)
        self.shards.write(texts, whole)
        return whole

    def _cached(
        self, texts: Sequence[str], digests: NDArray[np.uint64], progress: Progress
    ) -> Shard:
        space = f"{self.encoder.fingerprint} {self.dtype}"
        whole = self._blank(len(texts))
        found = self.cache.get(space, digests, dim=self.encoder.dim, dtype=self.dtype)
        rest = _fill(whole, np.arange(len(texts)), found)
        self.n_from_cache += len(texts) - len(rest)
        if len(rest):
            encoded = self._encoded([texts[n] for n in rest.tolist()], progress)
            self.cache.put(space, digests[rest], encoded)
            whole.put(rest, encoded)
        return whole

    def _encoded(self, texts: Sequence[str], progress: Progress) -> Shard:
        n_tokens = self.encoder.n_tokens(texts)
        vectors = encode_texts(self.encoder, texts, n_tokens, progress=progress)
        self.n_encoded += len(texts)
        return Shard(vectors.astype(self.dtype), np.array(n_tokens, np.int64))

    def _blank(self, n: int) -> Shard:
        vectors = np.empty((n, self.encoder.dim), self.dtype)
        return Shard(vectors, np.zeros(n, np.int64))


def _fill(whole: Shard, rest: NDArray[np.int64], found: Found) -> NDArray[np.int64]:
    """Put in what was found; which texts are left."""
    whole.put(found.at, found.shard)
    return np.setdiff1d(rest, found.at, assume_unique=True)
