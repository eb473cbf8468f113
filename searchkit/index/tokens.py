"""Passages of a segment, tokenised once -> the ids that a cross-encoder reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import DamagedIndex
from searchkit.index.docs import DocStore
from searchkit.index.generation import Part, Segment
from searchkit.index.opened import shared
from searchkit.index.postings import map_array
from searchkit.index.rows import RowFile
from searchkit.protocols import Progress, Reading, Tokens
from searchkit.types import Doc, Mask, Row

if TYPE_CHECKING:
    from searchkit.models.pair_scorer import CrossEncoderScorer

_CURE = "Run `searchkit repair` on the index."
_BLOCK = 1024  # documents whose tokens are held at a time


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class TokenPart:
    """The tokens of a segment, mapped from the disk: document d owns starts[d] .. starts[d+1]."""

    starts: NDArray[np.int64]  # (n_docs + 1,) rising
    ids: NDArray[np.unsignedinteger]  # (n_tokens,) uint16, or uint32 for a larger vocabulary

    @property
    def n_docs(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each document: (n_docs,)."""
        return np.diff(self.starts)

    def of(self, row: Row) -> list[int]:
        found: list[int] = self.ids[self.starts[row] : self.starts[row + 1]].tolist()
        return found


class StoredTokens:
    """The tokens of an index for one reading, by global row; None where a segment has none."""

    def __init__(self, index: Path, segments: Sequence[Segment], reading: Reading) -> None:
        found = [token_part(segment, reading) for segment in segments]
        self._parts = [shared(index / part.folder, open_tokens) if part else None for part in found]
        self._bases = np.cumsum([0, *(segment.n_docs for segment in segments)])

    def __call__(self, row: Row) -> Tokens | None:
        n = int(np.searchsorted(self._bases, row, "right")) - 1
        part = self._parts[n]
        return None if part is None else part.of(row - int(self._bases[n]))


def token_part(segment: Segment, reading: Reading) -> Part | None:
    """The part of a segment that serves a reading: the same tokens, cut there or later."""
    wanted = asdict(reading)
    limit = wanted.pop("limit")
    for part in segment.parts:
        fits = part.kind == "tokens" and wanted.items() <= part.config.items()
        if fits and part.config["limit"] >= limit:
            return part
    return None


def open_tokens(folder: Path) -> TokenPart:
    """The token part in a folder, mapped; DamagedIndex where its files do not fit each other."""
    starts, ids = map_array(folder / "starts.npy"), map_array(folder / "ids.npy")
    whole = starts.ndim == 1 and len(starts) > 0 and (int(starts[0]), int(starts[-1]))
    if whole != (0, len(ids)) or ids.dtype.kind != "u":
        raise DamagedIndex(folder, "has documents whose tokens lie nowhere", _CURE)
    return TokenPart(starts, ids)


def write_tokens(
    folder: Path, docs: DocStore, *, scorer: CrossEncoderScorer, limit: int, progress: Progress
) -> dict[str, int]:
    """Write what a scorer reads of every document; what was counted. Progress is in documents.

    Deleted documents keep their place, as they keep their row. Memory is that of a batch.
    """
    lengths: list[int] = []
    with RowFile(folder / "ids.npy", dim=None, dtype=_dtype(scorer)) as file:
        for batch in docs.batches:
            titles, texts = (batch.column(name).to_pylist() for name in ("title", "text"))
            papers = [Doc("", *fields) for fields in zip(titles, texts, strict=True)]
            read = scorer.stored_tokens(papers)
            file.append(np.array(list(chain(*read)), np.int64))
            lengths += map(len, read)
            progress(len(lengths), len(docs))
    return _finish(folder, np.array(lengths, np.int64), limit)


def merge_tokens(
    folder: Path, segments: Sequence[tuple[TokenPart, Mask]], *, limit: int
) -> dict[str, int]:
    """Write the tokens of the living documents of segments, as `write_tokens` would."""
    kept = [(part, np.flatnonzero(alive)) for part, alive in segments]
    with RowFile(folder / "ids.npy", dim=None, dtype=kept[0][0].ids.dtype.str) as file:
        for part, rows in kept:
            for start in range(0, len(rows), _BLOCK):
                here = [part.of(row) for row in rows[start : start + _BLOCK].tolist()]
                file.append(np.array(list(chain(*here)), np.int64))
    return _finish(folder, np.concatenate([part.lengths[rows] for part, rows in kept]), limit)


def _finish(folder: Path, lengths: NDArray[np.int64], limit: int) -> dict[str, int]:
    np.save(folder / "starts.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    return count_tokens(lengths, limit)


def count_tokens(lengths: NDArray[np.int64], limit: int) -> dict[str, int]:
    """What the part says of documents of these lengths, (n_docs,), in its `stats`."""
    return {"n_tokens": int(lengths.sum()), "n_at_limit": int((lengths >= limit).sum())}


def _dtype(scorer: CrossEncoderScorer) -> str:
    largest: int = max(scorer.core.get_vocab().values())
    return "<u2" if largest < 1 << 16 else "<u4"
