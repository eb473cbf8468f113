"""One writer, many readers: advisory locks that die with their process."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from searchkit.errors import StorageError


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """Hold the writer's lock of an index folder, or say who holds it.

    The folder is made where there is none, and goes again where the writer fails and left nothing.
    """
    made = [folder for folder in (index, *index.parents) if not folder.exists()]
    with _locked(index) as file:
        file.truncate(0)
        name = Path(sys.argv[0]).name or "python"
        file.write(f"{name}, process {os.getpid()}".encode())
        file.flush()
        try:
            yield
        except BaseException:
            _unmake(index, made)
            raise
        file.truncate(0)


def _locked(index: Path) -> BinaryIO:
    """The open lock file, ours."""
    path = index / "lock"
    index.mkdir(parents=True, exist_ok=True)
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # a writer that failed may have taken it away between the two calls: it locks nothing then
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        file.seek(0)
    holder = file.read(200).decode(errors="replace").strip() or "another process"
    file.close()
    raise StorageError(f"{index} is being written by {holder}. Wait for it, or stop it.")


def _unmake(index: Path, made: Sequence[Path]) -> None:
    """Remove the folders that were made, innermost first, while they hold nothing but the lock."""
    with suppress(OSError):
        if made and [path.name for path in index.iterdir()] == ["lock"]:
            (index / "lock").unlink()
            for folder in made:
                folder.rmdir()


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
