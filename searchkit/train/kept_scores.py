"""Scores of a long run -> a file that grows with them, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

from searchkit.index.disk import storage_errors
from searchkit.types import Scores

_KEY = 32  # bytes before the scores


class KeptScores:
    """An append-only file: a key of 32 bytes, then float32 scores in the order of the work.

    A file with another key is of other work, and is begun anew.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        if len(key) != _KEY:
            raise ValueError(f"a key has {_KEY} bytes, not {len(key)}")
        self._path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            held = path.read_bytes() if path.is_file() else b""
            if held[:_KEY] != key:
                held = key
                path.write_bytes(key)
            whole = (len(held) - _KEY) // 4 * 4
            self._old = np.frombuffer(held, "<f4", offset=_KEY, count=whole // 4)
            self._file = path.open("r+b")
        self._at = 0  # scores given out so far

    def __enter__(self) -> KeptScores:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def n_old(self) -> int:
        """Scores that an earlier run left."""
        return len(self._old)

    def take(self, n: int, score: Callable[[], Scores]) -> Scores:
        """The next n scores: those that are kept, or else what `score` gives, kept from now on."""
        start, self._at = self._at, self._at + n
        if self._at <= len(self._old):
            return self._old[start : self._at].astype(np.float32)
        scores = score()
        if scores.shape != (n,):
            raise ValueError(f"{n} scores were asked for, and {scores.shape} came")
        with storage_errors(self._path):
            self._file.seek(_KEY + 4 * start)
            self._file.write(scores.astype("<f4").tobytes())
            self._file.flush()
        return scores
