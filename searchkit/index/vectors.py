"""A vector part on the disk -> its vectors, which are whose, and what was cut off."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from searchkit.encode import Passages
from searchkit.errors import DamagedIndex

DIGESTS, N_TOKENS = "digests.npy", "n_tokens.npy"
_CURE = "Run `searchkit repair` on the index."


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorConfig:
    """How documents become vectors and how these are stored."""

    passages: Passages = "document"
    dtype: Literal["float16", "float32"] = "float16"


@dataclass(frozen=True, slots=True)
class VectorStats:
    n_vectors: int
    n_truncated_docs: int  # documents with a token beyond the encoder's limit
    n_tokens: int  # of all passages, before the cut
    n_tokens_beyond: int
    n_encoded: int  # texts that the encoder read in this call
    n_reused: int  # all others: from the three below, or of an equal text in this call
    n_from_index: int = 0
    n_from_cache: int = 0
    n_resumed: int = 0  # from an interrupted run


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class VectorPart:
    """The vectors of a segment, mapped from the disk: document d owns starts[d] .. starts[d+1]."""

    vectors: NDArray[Any]  # (n_vectors, dim) float16 or float32, rows of unit length
    starts: NDArray[np.int64] | None  # (n_docs + 1,) rising; None: one vector each
    beyond: NDArray[np.uint32]  # (n_docs,) tokens beyond the encoder's limit
    # of the exact string that became each vector; None in format 1
    digests: NDArray[np.uint64] | None = None  # (n_vectors, 2) first 16 bytes of its SHA-256
    n_tokens: NDArray[np.uint32] | None = None  # (n_vectors,) before the cut

    @property
    def n_docs(self) -> int:
        return len(self.beyond)

    @property
    def n_vectors(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    def docs_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The document that owns each of the vectors."""
        if self.starts is None:
            return ids
        return np.searchsorted(self.starts, ids, side="right") - 1

    def ids_of(self, docs: NDArray[np.int64]) -> NDArray[np.int64]:
        """The vectors of the documents, document after document."""
        if self.starts is None:
            return docs
        counts = self.starts[docs + 1] - self.starts[docs]
        before = np.cumsum(counts) - counts
        return np.repeat(self.starts[docs] - before, counts) + np.arange(counts.sum())


def open_vectors(folder: Path) -> VectorPart:
    """The vector part in a folder, mapped, its shapes checked; DamagedIndex where they disagree."""
    vectors = _load(folder / "vectors.npy", ("<f2", "<f4"), n_axes=2)
    beyond = _load(folder / "beyond.npy", ("<u4",), n_axes=1)
    starts = _starts(folder, n_vectors=len(vectors), n_docs=len(beyond))
    return VectorPart(vectors, starts, beyond, *_texts(folder, len(vectors)))


def digests_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """What tells texts apart: (len(texts), 2), the first 16 bytes of the SHA-256 of each.

    Two of a billion texts share one with a chance of 10^-21.
    """
    content = b"".join(hashlib.sha256(text.encode()).digest()[:16] for text in texts)
    return np.frombuffer(content, "<u8").reshape(-1, 2)


def _starts(folder: Path, *, n_vectors: int, n_docs: int) -> NDArray[np.int64] | None:
    if not (folder / "starts.npy").exists():
        if n_vectors != n_docs:
            raise DamagedIndex(folder, "vectors and documents do not agree in number", _CURE)
        return None
    starts = _load(folder / "starts.npy", ("<i8",), n_axes=1)
    ends = len(starts) == n_docs + 1 and starts[0] == 0 and starts[-1] == n_vectors
    if not ends or (np.diff(starts) < 1).any():
        raise DamagedIndex(folder / "starts.npy", "it does not fit the vectors", _CURE)
    return starts


def _texts(
    folder: Path, n_vectors: int
) -> tuple[NDArray[np.uint64] | None, NDArray[np.uint32] | None]:
    """Digests and lengths; none of both where the part was written in format 1."""
    if not (folder / DIGESTS).exists():
        return None, None
    digests = _load(folder / DIGESTS, ("<u8",), n_axes=2)
    n_tokens = _load(folder / N_TOKENS, ("<u4",), n_axes=1)
    for name, found, shape in (
        ("digests", digests, (n_vectors, 2)),
        ("n_tokens", n_tokens, (n_vectors,)),
    ):
        if found.shape != shape:
            raise DamagedIndex(folder / f"{name}.npy", "it does not fit the vectors", _CURE)
    return digests, n_tokens


def _load(path: Path, dtypes: tuple[str, ...], *, n_axes: int) -> NDArray[Any]:
    try:
        loaded: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedIndex(path, "it cannot be read as an array", _CURE) from error
    if loaded.dtype.str not in dtypes or loaded.ndim != n_axes:
        raise DamagedIndex(path, f"it holds {loaded.dtype} {loaded.shape}", _CURE)
    return loaded
