"""A generation -> the live one; what nobody needs any more after it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from searchkit.errors import FormatError
from searchkit.index import disk
from searchkit.index.generation import (
    FORMAT,
    Generation,
    commit,
    next_number,
    path_of,
    read_generation,
)
from searchkit.index.lock import is_held


def publish(index: Path, draft: Generation) -> Generation:
    """Commit the draft under the next number, dated now, and collect; what was committed.

    Called by the writer under its lock, when segments and parts are on the disk.
    """
    fresh = replace(
        draft,
        number=next_number(index),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        format=FORMAT,
    )
    commit(index, fresh)
    collect(index, keep=fresh)
    return fresh


def collect(index: Path, *, keep: Generation) -> None:
    """Remove all but the generation to keep and those that a reader has open.

    Called by the writer, after its commit, under its lock.
    """
    needed = {folder for kept in _remaining(index, keep) for folder in _folders(kept)}
    for root in ("segments", "parts/*"):
        for folder in index.glob(f"{root}/*"):
            if str(folder.relative_to(index)) not in needed and folder.is_dir():
                disk.remove(folder)


def _remaining(index: Path, keep: Generation) -> Iterator[Generation]:
    yield keep
    for path in sorted((index / "generations").glob("[0-9]*.json")):
        if path == path_of(index, keep.number):
            continue
        if not is_held(path):
            path.unlink()
            continue
        try:
            yield read_generation(path)
        except FormatError:
            continue  # of another format: whoever holds it holds its files open


def _folders(generation: Generation) -> Iterator[str]:
    for segment in generation.segments:
        yield segment.folder
        yield from (part.folder for part in segment.parts)
