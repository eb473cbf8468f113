"""Files of an index are hashed once on a machine; a stamp outside the index remembers that."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import get_ident
from time import time_ns

from searchkit.errors import DamagedIndex
from searchkit.home import home
from searchkit.index import disk
from searchkit.index.generation import FileStamp, Generation
from searchkit.protocols import Progress

# A file that is changed twice within a tick of its clock has one time; FAT's ticks are the longest.
_TICK_NS = 2 * 10**9


def _silent(done: int, total: int) -> None: ...


def check(index: Path, generation: Generation) -> None:
    """Refuse a generation with a missing or damaged file, by name.

    A file whose inode, size and time are those of its stamp was hashed before and is trusted.
    Stamps of other generations stay as long as their files do.
    """
    known, stamps = _read(index), dict(generation.files())
    marks = {n: _checked(index, n, stamp, known.get(n)) for n, stamp in stamps.items()}
    seen = {name: mark for name, mark in marks.items() if mark is not None}
    if seen != {name: mark for name, mark in known.items() if name in stamps}:
        others = (name for name in known if name not in stamps and (index / name).is_file())
        _write(index, {name: known[name] for name in others} | seen)


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


def _checked(
    index: Path, name: str, stamp: FileStamp, known: list[object] | None
) -> list[object] | None:
    """The mark of a sound file; None where the file is too young for one, or is being changed."""
    path = index / name
    now, mark = time_ns(), _mark(path, stamp)
    if mark is not None and mark == known:
        return mark
    wrong = damage(path, stamp)
    if wrong:
        raise DamagedIndex(path, wrong, f"Mend it: searchkit repair {index}")
    is_old = path.stat().st_mtime_ns < now - _TICK_NS
    return mark if is_old and mark == _mark(path, stamp) else None


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
    # a home that cannot be written costs time at the next open, nothing else; so does a stamp
    # that a power cut takes, which is why nothing is forced to the disk here
    with contextlib.suppress(OSError):
        file = _file(index)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.getpid()}-{get_ident()}.draft")
        draft.write_text(json.dumps(seen), "utf-8")
        draft.replace(file)
