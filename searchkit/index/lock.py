"""One writer, many readers: advisory locks that die with their process."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from searchkit.errors import StorageError


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """Hold the writer's lock of an index folder, or say who holds it."""
    index.mkdir(parents=True, exist_ok=True)
    with (index / "lock").open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).decode(errors="replace").strip() or "another process"
            message = f"{index} is being written by {holder}. Wait for it, or stop it."
            raise StorageError(message) from None
        file.truncate(0)
        name = Path(sys.argv[0]).name or "python"
        file.write(f"{name}, process {os.getpid()}".encode())
        file.flush()
        yield
        file.truncate(0)


def hold(generation: Path) -> BinaryIO:
    """Keep a generation from being collected for as long as the file stays open."""
    file = generation.open("rb")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def is_held(generation: Path) -> bool:
    """Whether some reader has this generation open."""
    with generation.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
