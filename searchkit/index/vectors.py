"""Documents -> a vector part: their vectors, which are whose, and what was cut off."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from searchkit.encode import Grid, Passages, encode_texts, grids
from searchkit.errors import DamagedIndex
from searchkit.index.rows import RowFile
from searchkit.index.shards import Shard, Shards
from searchkit.protocols import Encoder, Progress
from searchkit.types import Doc

_CURE = "Run `searchkit verify` on the index, and build it again if it names this file."
_NONE = np.empty(0, np.int64)


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
    n_reused: int  # vectors that came from a shard, or from an equal text


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


def write_vectors(
    folder: Path,
    docs: Iterable[Doc],
    *,
    encoder: Encoder,
    config: VectorConfig,
    shards_dir: Path,
    n_docs: int,
    progress: Progress,
) -> VectorStats:
    """Encode documents into an empty folder; what `shards_dir` holds already is not encoded again.

    Memory holds one grid, a digest and a length of each distinct text. Progress is in documents.
    """
    shards = Shards(shards_dir, encoder.fingerprint, encoder.dim, config.dtype)
    beyond: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.int64]] = []
    done = 0
    with RowFile(folder / "vectors.npy", dim=encoder.dim, dtype=config.dtype) as rows:
        writer = _Writer(encoder, shards, rows)
        for grid in grids(docs, config.passages, encoder):
            size = len(grid.counts)
            lengths = writer.add(grid, _within(progress, done, size, n_docs))
            excess = np.maximum(lengths - encoder.max_tokens, 0)
            beyond.append(np.add.reduceat(excess, np.cumsum(grid.counts) - grid.counts))
            counts.append(grid.counts)
            done += size
            progress(done, n_docs)
    _save(folder, config, counts=counts, beyond=beyond)
    np.save(folder / "digests.npy", np.concatenate([digests_of([]), *writer.digests]))
    np.save(folder / "n_tokens.npy", _fitted(writer.n_tokens))
    return _stats(writer, np.concatenate([_NONE, *beyond]))


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
    if not (folder / "digests.npy").exists():
        return None, None
    digests = _load(folder / "digests.npy", ("<u8",), n_axes=2)
    n_tokens = _load(folder / "n_tokens.npy", ("<u4",), n_axes=1)
    for name, found, shape in (
        ("digests", digests, (n_vectors, 2)),
        ("n_tokens", n_tokens, (n_vectors,)),
    ):
        if found.shape != shape:
            raise DamagedIndex(folder / f"{name}.npy", "it does not fit the vectors", _CURE)
    return digests, n_tokens


@dataclass(slots=True, eq=False)
class _Writer:
    """Rows on their way to the disk; equal texts of the whole call share one vector."""

    encoder: Encoder
    shards: Shards
    rows: RowFile
    row_of: dict[bytes, int] = field(default_factory=dict)  # digest of a text -> its first row
    n_tokens: array[int] = field(default_factory=lambda: array("Q"))  # of each row
    digests: list[NDArray[np.uint64]] = field(default_factory=list)  # of each row, by grid
    n_encoded: int = 0

    def add(self, grid: Grid, progress: Progress) -> NDArray[np.int64]:
        """Append the vectors of a grid; the length of each passage in tokens."""
        of_grid = digests_of(grid.texts)
        self.digests.append(of_grid)
        digests = [digest.tobytes() for digest in of_grid]
        first: dict[bytes, int] = {}  # texts not seen before -> where in the grid
        for n, digest in enumerate(digests):
            if digest not in self.row_of:
                first.setdefault(digest, n)
        shard = self._shard([grid.texts[n] for n in first.values()], progress)
        base, at = self.rows.n_rows, {digest: n for n, digest in enumerate(first)}
        vectors = np.empty((len(digests), self.encoder.dim), self.shards.dtype)
        for n, digest in enumerate(digests):
            row = at.get(digest)
            if row is None:
                vectors[n] = self.rows.read(self.row_of[digest])
                self.n_tokens.append(self.n_tokens[self.row_of[digest]])
            else:
                vectors[n] = shard.vectors[row]
                self.n_tokens.append(shard.n_tokens[row])
        self.rows.append(vectors)
        self.row_of.update((digest, base + n) for digest, n in first.items())
        return np.array(self.n_tokens[base:], np.int64)

    def _shard(self, texts: Sequence[str], progress: Progress) -> Shard:
        kept = self.shards.read(texts)
        if kept is not None:
            return kept
        n_tokens = self.encoder.n_tokens(texts)
        vectors = encode_texts(self.encoder, texts, n_tokens, progress=progress)
        shard = Shard(vectors.astype(self.shards.dtype), n_tokens)
        self.shards.write(texts, shard)
        self.n_encoded += len(texts)
        return shard


def _within(progress: Progress, done: int, size: int, total: int) -> Progress:
    """Progress inside a grid, in documents: tokens stand for them in proportion."""
    return lambda n, of: progress(done + size * n // max(of, 1), total)


def _save(
    folder: Path,
    config: VectorConfig,
    *,
    counts: list[NDArray[np.int64]],
    beyond: list[NDArray[np.int64]],
) -> None:
    np.save(folder / "beyond.npy", _fitted(np.concatenate([_NONE, *beyond])))
    if config.passages != "document":
        starts = np.concatenate([[0], np.cumsum(np.concatenate([_NONE, *counts]))])
        np.save(folder / "starts.npy", starts.astype(np.int64))


def _fitted(numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint32]:
    return np.minimum(np.asarray(numbers, np.int64), 2**32 - 1).astype(np.uint32)


def _stats(writer: _Writer, beyond: NDArray[np.int64]) -> VectorStats:
    n_vectors = writer.rows.n_rows
    return VectorStats(
        n_vectors=n_vectors,
        n_truncated_docs=int(np.count_nonzero(beyond)),
        n_tokens=sum(writer.n_tokens),
        n_tokens_beyond=int(beyond.sum()),
        n_encoded=writer.n_encoded,
        n_reused=n_vectors - writer.n_encoded,
    )


def _load(path: Path, dtypes: tuple[str, ...], *, n_axes: int) -> NDArray[Any]:
    try:
        loaded: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedIndex(path, "it cannot be read as an array", _CURE) from error
    if loaded.dtype.str not in dtypes or loaded.ndim != n_axes:
        raise DamagedIndex(path, f"it holds {loaded.dtype} {loaded.shape}", _CURE)
    return loaded
