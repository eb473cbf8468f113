"""Files of an index are hashed once on a machine; a stamp outside the index remembers that."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from searchkit.errors import DamagedIndex
from searchkit.index import disk
from searchkit.index.generation import FileStamp, Generation
from searchkit.protocols import Progress

_CURE = "Build the index again, or copy the file from a sound copy of the index."


def _silent(done: int, total: int) -> None: ...


def home() -> Path:
    """Folder of what searchkit remembers between runs; SEARCHKIT_HOME moves it."""
    named = os.environ.get("SEARCHKIT_HOME")
    return Path(named) if named else Path.home() / ".cache" / "searchkit"


def check(index: Path, generation: Generation) -> None:
    """Refuse a generation with a missing or damaged file, by name.

    A file whose inode, size and time are those of its stamp was hashed before and is trusted.
    """
    known, seen = _read(index), {}
    for name, stamp in generation.files():
        seen[name] = _checked(index / name, stamp, known.get(name))
    if seen != known:
        _write(index, seen)


def faults(
    index: Path, generation: Generation, *, full: bool = False, progress: Progress = _silent
) -> Iterator[tuple[str, str]]:
    """Every missing or damaged file, by its path inside the index, and what is wrong with it.

    full: all are hashed, or only those without a stamp that fits. What is damaged loses its stamp,
    so that the next open refuses it too. Progress is in files.
    """
    known, stamps = dict(_read(index)), list(generation.files())
    for n, (name, stamp) in enumerate(stamps, 1):
        mark = _mark(index / name, stamp)
        trusted = not full and mark is not None and mark == known.get(name)
        wrong = None if trusted else damage(index / name, stamp)
        progress(n, len(stamps))
        if wrong:
            if known.pop(name, None):
                _write(index, known)
            yield name, wrong


def damage(path: Path, stamp: FileStamp) -> str | None:
    """What is wrong with a file, by its bytes; None where nothing is."""
    try:
        if not path.is_file():
            return "is missing"
        n_bytes = path.stat().st_size
        if n_bytes != stamp.n_bytes:
            return f"has {n_bytes} bytes where {stamp.n_bytes} were written"
        if disk.sha256(path) != stamp.sha256:
            return "is damaged: its bytes are not those that were written"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return None


def _checked(path: Path, stamp: FileStamp, known: list[object] | None) -> list[object]:
    mark = _mark(path, stamp)
    if mark is None or mark != known:
        wrong = damage(path, stamp)
        if wrong:
            raise DamagedIndex(path, wrong, _CURE)
        mark = _mark(path, stamp)
    return mark or []


def _mark(path: Path, stamp: FileStamp) -> list[object] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, stamp.sha256]


def _file(index: Path) -> Path:
    return home() / "stamps" / f"{disk.sha256_of(str(index.resolve()))[:24]}.json"


def _read(index: Path) -> Mapping[str, list[object]]:
    try:
        known = json.loads(_file(index).read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(index: Path, seen: Mapping[str, list[object]]) -> None:
    # a home that cannot be written costs time at the next open, nothing else
    with contextlib.suppress(OSError):
        _file(index).parent.mkdir(parents=True, exist_ok=True)
        disk.replace(_file(index), json.dumps(seen).encode())
