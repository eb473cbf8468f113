"""Adjacent segments -> one that holds what lives of them, as if it had been built so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from searchkit.index.docs import DocStore
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Part, Segment
from searchkit.index.merge_docs import merge_docs
from searchkit.index.merge_postings import Living, merge_postings
from searchkit.index.merge_vectors import merge_vectors
from searchkit.index.postings import open_postings
from searchkit.index.tokens import merge_tokens, open_tokens
from searchkit.index.tombstones import open_tombstones
from searchkit.index.vectors import open_vectors
from searchkit.protocols import Progress
from searchkit.types import Mask


def merge(
    drafts: Drafts,
    segments: Sequence[Segment],
    *,
    progress: Progress = lambda done, total: None,
) -> Segment | None:
    """One segment of the living documents of adjacent ones, under the index's folder.

    Its postings, metadata and vectors are the bytes that a build of these documents would write,
    given the same vectors; nothing is analysed or encoded again, and each document keeps its
    `seq`. What can be built from these, such as an ANN index, is left out. None where nothing
    lives. Memory is bounded by the size of the merged segment. Progress is in documents, told
    when one of the parts is done. Tokens are copied where all segments have the same.
    """
    index = drafts.index
    living = [one for one in (_Source.open(index, segment) for segment in segments) if one.lives]
    if not living:
        return None
    held = [part for part in living[0].segment.parts if part.kind == "vectors"]
    bare, mixed = _documents(drafts, living)
    n, n_parts = bare.n_docs, 2 + len(held)
    progress(n // n_parts, n)
    parts = [_postings(drafts, living, bare, mixed)]
    for done, part in enumerate(held, 2):
        progress(n * done // n_parts, n)
        parts.append(_vectors(drafts, living, bare, part))
    parts += [_tokens(drafts, living, bare, like) for like in _shared_tokens(living)]
    progress(n, n)
    return replace(bare, parts=tuple(parts))


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A segment that is merged, and which of its rows are still there."""

    index: Path
    segment: Segment
    alive: Mask  # (n_docs,)

    @classmethod
    def open(cls, index: Path, segment: Segment) -> _Source:
        stones, n = segment.part("tombstones"), segment.n_docs
        if stones is None:
            return cls(index, segment, np.ones(n, np.bool_))
        return cls(index, segment, open_tombstones(index / stones.folder, n).alive(n))

    @property
    def lives(self) -> bool:
        return bool(self.alive.any())

    def part(self, kind: str, like: Part) -> Path:
        """Where its part of the kind lies, made under the same configuration."""
        part = self.segment.part(kind, **like.config)
        if part is None:
            raise ValueError(f"segment {self.segment.hash} has no {kind} like those beside it")
        return self.index / part.folder


def _documents(drafts: Drafts, living: Sequence[_Source]) -> tuple[Segment, dict[str, int]]:
    folder = drafts.folder("segment")
    stores = [(DocStore(one.index / one.segment.folder), one.alive) for one in living]
    mixed = merge_docs(folder, stores)
    return drafts.segment(folder, sum(int(one.alive.sum()) for one in living)), mixed


def _postings(
    drafts: Drafts, living: Sequence[_Source], bare: Segment, mixed: dict[str, int]
) -> Part:
    folder = drafts.folder("postings")
    [like] = [part for part in living[0].segment.parts if part.kind == "postings"]
    opened = [Living(open_postings(one.part("postings", like)), one.alive) for one in living]
    stats = {**merge_postings(folder, opened), **({"mixed_metadata": mixed} if mixed else {})}
    return drafts.part("postings", folder, like.config, inputs=bare.hash, stats=stats)


def _vectors(drafts: Drafts, living: Sequence[_Source], bare: Segment, like: Part) -> Part:
    folder = drafts.folder("vectors")
    opened = [(open_vectors(one.part("vectors", like)), one.alive) for one in living]
    stats = merge_vectors(folder, opened)
    return drafts.part("vectors", folder, like.config, inputs=bare.hash, stats=stats)


def _shared_tokens(living: Sequence[_Source]) -> list[Part]:
    """Those of the first segment that all others have as well: nothing needs any."""
    first = (part for part in living[0].segment.parts if part.kind == "tokens")
    return [
        like for like in first if all(one.segment.part("tokens", **like.config) for one in living)
    ]


def _tokens(drafts: Drafts, living: Sequence[_Source], bare: Segment, like: Part) -> Part:
    folder = drafts.folder("tokens")
    opened = [(open_tokens(one.part("tokens", like)), one.alive) for one in living]
    stats = merge_tokens(folder, opened, limit=like.config["limit"])
    return drafts.part("tokens", folder, like.config, inputs=bare.hash, stats=stats)
