"""Folders of an index that are open in this process: a second opening is the same object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

_OPEN: WeakValueDictionary[tuple[str, int, int], Any] = WeakValueDictionary()


def shared(folder: Path, opener: Callable[[Path], T]) -> T:
    """What the opener makes of a folder, or made of it before where somebody still holds that.

    Segments and parts never change, so that a new generation goes on with what the last one has
    mapped and computed. A folder that was put in another's place is another.
    """
    stat = folder.stat()
    key = str(folder.resolve()), stat.st_ino, stat.st_mtime_ns
    found = _OPEN.get(key)
    if found is None:
        found = _OPEN[key] = opener(folder)
    return found
