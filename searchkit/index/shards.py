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
    n_tokens: list[int]


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
            n_tokens = json.loads(path.with_suffix(".json").read_text("utf-8"))["n_tokens"]
        except (OSError, ValueError, EOFError, KeyError):
            return None
        whole = vectors.shape == (len(texts), self.dim) and vectors.dtype == self.dtype
        if not whole or len(n_tokens) != len(texts) or not np.isfinite(vectors).all():
            return None
        return Shard(vectors, n_tokens)

    def write(self, texts: Sequence[str], shard: Shard) -> None:
        """Keep a shard; the vectors come last, so that they are there only with their lengths."""
        path, content = self._path(texts), io.BytesIO()
        np.save(content, shard.vectors, allow_pickle=False)
        lengths = json.dumps({"n_tokens": list(map(int, shard.n_tokens))}).encode()
        with disk.storage_errors(self.folder):
            disk.replace(path.with_suffix(".json"), lengths)
            disk.replace(path, content.getvalue())

    def _path(self, texts: Sequence[str]) -> Path:
        return self.folder / f"{disk.sha256_of(self.fingerprint, self.dtype, *texts)}.npy"
