"""A segment that is open for reading, and its place among the others."""

from __future__ import annotations

from dataclasses import dataclass

from searchkit.index.docs import DocStore
from searchkit.index.generation import Segment
from searchkit.index.tombstones import Tombstones
from searchkit.types import Mask


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment and the global row of its first document."""

    base: int
    segment: Segment
    docs: DocStore
    gone: Tombstones | None = None

    @property
    def alive(self) -> Mask | None:
        """Rows of the segment that are still there; None where all are."""
        return self.gone.alive(self.segment.n_docs) if self.gone else None
