"""Documents -> a vector part: each distinct text encoded once, and once only."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from searchkit.encode import Grid, grids
from searchkit.index.known import Known
from searchkit.index.rows import RowFile
from searchkit.index.shards import Shards
from searchkit.index.sources import Sources
from searchkit.index.vectors import VectorConfig, VectorStats, digests_of
from searchkit.protocols import Encoder, Progress
from searchkit.types import Doc

_NONE = np.empty(0, np.int64)


def write_vectors(
    folder: Path,
    docs: Iterable[Doc],
    *,
    encoder: Encoder,
    config: VectorConfig,
    shards_dir: Path,
    known: Known,
    n_docs: int,
    progress: Progress,
) -> VectorStats:
    """Fill an empty folder with the vectors of documents, encoding only what nobody has.

    Equal texts share one vector; `known` and what an interrupted run left in `shards_dir` are not
    encoded again. Memory holds one grid, a digest and a length of each distinct text, and what
    `known` needs. Progress is in documents.
    """
    shards = Shards(shards_dir, encoder.fingerprint, encoder.dim, config.dtype)
    sources = Sources(encoder, shards, known)
    beyond: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.int64]] = []
    done = 0
    with RowFile(folder / "vectors.npy", dim=encoder.dim, dtype=config.dtype) as rows, known.cache:
        writer = _Writer(sources, rows)
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


@dataclass(slots=True, eq=False)
class _Writer:
    """Rows on their way to the disk; equal texts of the whole call share one vector."""

    sources: Sources
    rows: RowFile
    row_of: dict[bytes, int] = field(default_factory=dict)  # digest of a text -> its first row
    n_tokens: array[int] = field(default_factory=lambda: array("Q"))  # of each row
    digests: list[NDArray[np.uint64]] = field(default_factory=list)  # of each row, by grid

    def add(self, grid: Grid, progress: Progress) -> NDArray[np.int64]:
        """Append the vectors of a grid; the length of each passage in tokens."""
        of_grid = digests_of(grid.texts)
        self.digests.append(of_grid)
        digests = [digest.tobytes() for digest in of_grid]
        first: dict[bytes, int] = {}  # texts not seen before -> where in the grid
        for n, digest in enumerate(digests):
            if digest not in self.row_of:
                first.setdefault(digest, n)
        places = list(first.values())
        shard = self.sources.vectors([grid.texts[n] for n in places], of_grid[places], progress)
        base, at = self.rows.n_rows, {digest: n for n, digest in enumerate(first)}
        vectors = np.empty((len(digests), shard.vectors.shape[1]), shard.vectors.dtype)
        for n, digest in enumerate(digests):
            row = at.get(digest)
            if row is None:
                vectors[n] = self.rows.read(self.row_of[digest])
                self.n_tokens.append(self.n_tokens[self.row_of[digest]])
            else:
                vectors[n] = shard.vectors[row]
                self.n_tokens.append(int(shard.n_tokens[row]))
        self.rows.append(vectors)
        self.row_of.update((digest, base + n) for digest, n in first.items())
        return np.array(self.n_tokens[base:], np.int64)


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
    n_vectors, sources = writer.rows.n_rows, writer.sources
    return VectorStats(
        n_vectors=n_vectors,
        n_truncated_docs=int(np.count_nonzero(beyond)),
        n_tokens=sum(writer.n_tokens),
        n_tokens_beyond=int(beyond.sum()),
        n_encoded=sources.n_encoded,
        n_reused=n_vectors - sources.n_encoded,
        n_from_index=sources.n_from_index,
        n_from_cache=sources.n_from_cache,
        n_resumed=sources.n_resumed,
    )
