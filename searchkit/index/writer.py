"""How every change of an index begins: alone, on the live generation, with drafts to write in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from searchkit.index import disk, stamps
from searchkit.index import generation as generations
from searchkit.index.collect import PLAIN, CommitOptions
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation
from searchkit.index.lock import writing


@contextmanager
def changing(index: Path, commit: CommitOptions = PLAIN) -> Iterator[tuple[Generation, Drafts]]:
    """The live generation, checked and ours alone to follow."""
    generations.read(index)  # or the lock would make a folder where there is no index
    locked = writing(index, wait=commit.wait, told=commit.told)
    with disk.storage_errors(index), locked, Drafts(index) as drafts:
        live = generations.read(index)
        stamps.check(index, live)
        yield live, drafts
