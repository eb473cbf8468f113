"""The one seam through which an index reaches the disk: write, sync, move, hash."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from searchkit.errors import StorageError
from searchkit.models.fingerprint import file_sha256

_FILE = "a file stands where a folder is needed. Choose another name"
_CURES = {
    errno.ENOSPC: "the disk is full. Free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up. Free some space and run the same command again",
    errno.EROFS: "the disk is read-only. Choose a folder that can be written",
    errno.EACCES: "permission denied. Choose a folder that you may write",
    errno.EPERM: "permission denied. Choose a folder that you may write",
    errno.ENOTDIR: _FILE,
    errno.EEXIST: _FILE,
    errno.EISDIR: "a folder stands where a file is needed. Choose another name",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
    errno.EFBIG: "the file is larger than allowed here. Raise the limit of `ulimit -f`",
    errno.EIO: "the disk reports an error. Check the disk and run the same command again",
}


# numpy says no number: it only counts what it could not write
_SHORT = "a file was cut short. Free some space, or raise the limit of `ulimit -f`"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a sentence; nothing was committed."""
    try:
        yield
    except OSError as error:
        said = f"cannot be written ({error.strerror or error}). Check the disk, or choose another"
        cure = _CURES.get(error.errno or 0, said) if error.errno else _SHORT
        where = error.filename or path
        raise StorageError(f"{where}: {cure}. Nothing was committed.") from error


def write(path: Path, content: bytes) -> None:
    """Write a file whose bytes are on the disk when this returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Force a file or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move(draft: Path, place: Path) -> None:
    """Give a finished file or folder its name, for good."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(place)
    sync_name(place)


def sync_name(place: Path) -> None:
    """Force the name of a file or folder to the disk."""
    sync(place.parent)
    sync(place.parent.parent)  # which may have got a new folder just now


def replace(path: Path, content: bytes) -> None:
    """Swap the content of a file in one step: readers see the old or the new, whole."""
    draft = path.with_name(f".{path.name}.draft")
    write(draft, content)
    move(draft, path)


def sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def sha256(path: Path) -> str:
    return file_sha256(path)


def sha256_of(*parts: str) -> str:
    """Hash of several strings, each with its length, so that no two lists of them meet."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()
