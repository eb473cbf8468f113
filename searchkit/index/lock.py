"""One writer, many readers: advisory locks that die with their process."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from searchkit.errors import StorageError
from searchkit.index import disk

_TRIES = 100  # each means that another writer made the folder and took it away in between


@contextmanager
def writing(
    index: Path, *, wait: bool | None = None, told: Callable[[str], None] = lambda sentence: None
) -> Iterator[None]:
    """Hold the writer's lock of an index folder, or say who holds it.

    wait: wait for the other writer instead, after `told` has heard of it; Ctrl-C ends that. None
    where the caller has no choice, so that the refusal names none. The folder is made where there
    is none, and goes again where the writer fails and left nothing.
    """
    made = [folder for folder in (index, *index.parents) if not folder.exists()]
    with _locked(index, wait=wait, told=told) as file:
        try:
            for folder in made:
                disk.sync(folder.parent)  # or a power cut takes it with what was committed
            _sign(file)
            yield
        except BaseException:
            _unmake(index, made)
            raise
        file.truncate(0)


def _sign(file: BinaryIO) -> None:
    file.truncate(0)
    os.write(file.fileno(), f"{_program()}, process {os.getpid()}".encode())


def _program() -> str:
    """What runs here, in words of who started it: `searchkit add`, however that was called."""
    path = Path(sys.argv[0])
    ours = path.name == "searchkit" or (path.parent.name, path.name) == ("searchkit", "__main__.py")
    if not ours:
        return path.name or "python"
    verbs = (word for word in sys.argv[1:] if not word.startswith("-"))
    return " ".join(("searchkit", *islice(verbs, 1)))


def refuse_other(index: Path) -> None:
    """StorageError where another writes an index now: for work that is long before the lock.

    Who is not refused may be refused the lock yet.
    """
    with disk.storage_errors(index), _opened(index) as file:
        if _is_taken(file):
            raise _refusal(index, file, wait=False)


def _refusal(index: Path, file: BinaryIO, *, wait: bool | None) -> StorageError:
    cure = "Wait for it, or stop it." if wait is None else "Wait for it with --wait, or stop it."
    return StorageError(f"{index} is being written by {_holder(file)}. {cure}")


def _holder(file: BinaryIO) -> str:
    return file.read(200).decode(errors="replace").strip() or "another process"


def _locked(index: Path, *, wait: bool | None, told: Callable[[str], None]) -> BinaryIO:
    """The open lock file, ours."""
    while True:
        file = _opened(index)
        try:
            if _is_taken(file):
                if not wait:
                    raise _refusal(index, file, wait=wait)
                told(f"{index} is being written by {_holder(file)}: waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, index / "lock"):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # a writer that failed took it away: it locks nothing


def _opened(index: Path) -> BinaryIO:
    for _ in range(_TRIES):
        index.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # a writer that failed has just taken the folder away
            file = (index / "lock").open("a+b")
            file.seek(0)
            return file
    raise StorageError(f"{index / 'lock'}: it cannot be made. Is it a link to nowhere? Remove it.")


def _is_taken(file: BinaryIO) -> bool:
    """Whether another has a lock on the file; where not, it is ours alone from now on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _unmake(index: Path, made: Sequence[Path]) -> None:
    """Remove the folders that were made, innermost first, while they hold nothing but the lock."""
    with suppress(OSError):
        if made and [path.name for path in index.iterdir()] == ["lock"]:
            (index / "lock").unlink()
            for folder in made:
                folder.rmdir()


def hold(generation: Path) -> BinaryIO | None:
    """Keep a generation file for as long as what is returned stays open; None where it is gone.

    A writer may take the file away until the lock is ours, so its name is looked at afterwards.
    """
    try:
        file = generation.open("rb")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        if _is_at(file, generation):
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def remove_unheld(generation: Path) -> bool:
    """Remove a generation file unless a reader holds it; whether it is gone.

    The lock is kept until the name is gone: a reader that comes meanwhile waits, and sees that.
    """
    with generation.open("rb") as file:
        if _is_taken(file):
            return False
        generation.unlink()
        return True
