"""One file, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from searchkit.errors import StorageError


@contextmanager
def replaced(path: Path) -> Iterator[TextIO]:
    """A draft beside the file, which takes its place when the block ends without an error."""
    with replaced_by(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        yield file


@contextmanager
def replaced_by(path: Path) -> Iterator[Path]:
    """`replaced` for formats that open their own files: the name under which to write."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageError(f"{path}: cannot be written ({why}). Choose another place") from error
    finally:
        with suppress(OSError):
            draft.unlink()
