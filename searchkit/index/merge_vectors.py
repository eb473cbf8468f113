"""Vectors of adjacent segments and their living rows -> one segment's, without encoding again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchkit.index.rows import RowFile
from searchkit.index.vectors import VectorPart, VectorStats
from searchkit.types import Mask

_BLOCK = 1 << 14  # vectors copied at a time: bounds the memory
Owned = tuple[VectorPart, NDArray[np.int64], NDArray[np.int64]]  # its living documents, vectors


def merge_vectors(folder: Path, segments: Sequence[tuple[VectorPart, Mask]]) -> dict[str, Any]:
    """Write the vectors of the living documents, at least one, as a build would; what they count.

    Digests and tokens are written where every segment has them: format 1 has neither.
    """
    owned = [_owned(part, alive) for part, alive in segments]
    first = segments[0][0]
    with RowFile(folder / "vectors.npy", dim=first.dim, dtype=first.vectors.dtype.str) as rows:
        for part, _, ids in owned:
            for start in range(0, len(ids), _BLOCK):
                rows.append(part.vectors[ids[start : start + _BLOCK]])
    beyond = np.concatenate([part.beyond[docs] for part, docs, _ in owned])
    np.save(folder / "beyond.npy", beyond)
    if first.starts is not None:
        np.save(folder / "starts.npy", _starts(owned))
    _taken(folder / "digests.npy", owned, lambda part: part.digests)
    n_tokens = _taken(folder / "n_tokens.npy", owned, lambda part: part.n_tokens)
    stats = VectorStats(
        n_vectors=rows.n_rows,
        n_truncated_docs=int(np.count_nonzero(beyond)),
        n_tokens=0 if n_tokens is None else int(n_tokens.sum(dtype=np.int64)),
        n_tokens_beyond=int(beyond.sum(dtype=np.int64)),
        n_encoded=0,
        n_reused=rows.n_rows,
    )
    unknown = {"n_tokens"} if n_tokens is None else set[str]()
    return {name: n for name, n in asdict(stats).items() if name not in unknown}


def _owned(part: VectorPart, alive: Mask) -> Owned:
    docs = np.flatnonzero(alive)
    return part, docs, part.ids_of(docs)


def _starts(owned: Sequence[Owned]) -> NDArray[np.int64]:
    sizes = [np.diff(part.starts)[docs] for part, docs, _ in owned if part.starts is not None]
    starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    return starts


def _taken(
    path: Path, owned: Sequence[Owned], of: Callable[[VectorPart], NDArray[Any] | None]
) -> NDArray[Any] | None:
    """What belongs to each living vector, written; None and no file where a segment lacks it."""
    held = [(of(part), ids) for part, _, ids in owned]
    there = [values[ids] for values, ids in held if values is not None]
    if len(there) < len(held):
        return None
    joined: NDArray[Any] = np.concatenate(there)
    np.save(path, joined)
    return joined
