"""Encoded texts, kept as they are made -> a killed run that goes on where it stopped."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from searchkit.index import disk


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """The vectors of a list of texts, and how long each text is."""

    vectors: NDArray[np.floating]  # (n, dim), of the stored type
    n_tokens: NDArray[np.int64]  # (n,) before the cut

    def put(self, at: NDArray[np.int64], other: Shard) -> None:
        """Fill in the vectors of some of the texts."""
        self.vectors[at], self.n_tokens[at] = other.vectors, other.n_tokens


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Vectors that were there already, and of which of the texts asked for."""

    at: NDArray[np.int64]  # (n,) ascending
    shard: Shard  # of n texts

    @classmethod
    def finite(cls, at: NDArray[np.int64], shard: Shard) -> Found:
        """Without vectors that hold NaN or infinity: such a text is encoded again."""
        whole = np.isfinite(shard.vectors).all(axis=1)
        if whole.all():
            return cls(at, shard)
        return cls(at[whole], Shard(shard.vectors[whole], shard.n_tokens[whole]))


@dataclass(frozen=True, slots=True)
class Shards:
    """A folder of shards of one encoder and one stored type.

    A shard's name is the hash of the encoder's fingerprint, the type and the exact texts, so that
    what is read back is what would be encoded again. Nothing is deleted here.
    """

    folder: Path
    fingerprint: str
    dim: int
    dtype: str

    def read(self, texts: Sequence[str]) -> Shard | None:
        """The shard of exactly these texts; None where there is none, or none that is whole."""
        path = self._path(texts)
        try:
            vectors = np.load(path, allow_pickle=False)
            lengths = json.loads(path.with_suffix(".json").read_text("utf-8"))["n_tokens"]
            n_tokens = np.array(lengths, np.int64)
        except (OSError, ValueError, EOFError, KeyError, TypeError):
            return None
        whole = vectors.shape == (len(texts), self.dim) and vectors.dtype == self.dtype
        if not whole or n_tokens.shape != (len(texts),) or not np.isfinite(vectors).all():
            return None
        return Shard(vectors, n_tokens)

    def write(self, texts: Sequence[str], shard: Shard) -> None:
        """Keep a shard; the vectors come last, so that they are there only with their lengths."""
        path, content = self._path(texts), io.BytesIO()
        np.save(content, shard.vectors, allow_pickle=False)
        lengths = json.dumps({"n_tokens": shard.n_tokens.tolist()}).encode()
        with disk.storage_errors(self.folder):
            disk.replace(path.with_suffix(".json"), lengths)
            disk.replace(path, content.getvalue())

    def _path(self, texts: Sequence[str]) -> Path:
        return self.folder / f"{disk.sha256_of(self.fingerprint, self.dtype, *texts)}.npy"
