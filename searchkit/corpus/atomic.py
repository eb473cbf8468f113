"""One file, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from errno import EISDIR
from gzip import GzipFile
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from searchkit.corpus.lines import is_zipped
from searchkit.errors import StorageError


@contextmanager
def replaced(path: Path) -> Iterator[TextIO]:
    """A draft beside the file, which takes its place when the block ends without an error.

    A name that ends in .gz is written with gzip: the same bytes for the same text.
    """
    with replaced_by(path) as draft, draft.open("wb") as raw, ExitStack() as files:
        stream: BinaryIO = raw
        if is_zipped(path.name):
            zipped = GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
            stream = cast(BinaryIO, files.enter_context(zipped))
        yield files.enter_context(TextIOWrapper(stream, encoding="utf-8", newline="\n"))


def check_place(path: Path) -> None:
    """StorageError where a file of this name could not be written; for before long work."""
    draft = _draft(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
    except OSError as error:
        raise _cannot(path, error) from error
    finally:
        with suppress(OSError):
            draft.unlink()


@contextmanager
def replaced_by(path: Path) -> Iterator[Path]:
    """`replaced` for formats that open their own files: the name under which to write."""
    draft = _draft(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise _cannot(path, error) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.draft")


def _cannot(path: Path, error: OSError) -> StorageError:
    why = error.strerror or str(error)
    return StorageError(f"{path}: cannot be written ({why}). Choose another place")
