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
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}). Choose another place"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()
