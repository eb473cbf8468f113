"""Rows, one batch after another -> an npy file, without ever holding them all."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray


class RowFile:
    """Writes a (n, dim) npy file whose n is known only at the end; (n,) where dim is None.

    numpy pads the header so that the count of rows can grow in place. A file that was not closed
    holds no rows.
    """

    def __init__(self, path: Path, *, dim: int | None, dtype: str) -> None:
        self._row: tuple[int, ...] = () if dim is None else (dim,)
        self._dtype, self.n_rows = np.dtype(dtype), 0
        self._file = path.open("w+b")
        self._write_header()
        self._start = self._file.tell()

    def append(self, rows: NDArray[np.number]) -> None:
        self._file.write(np.ascontiguousarray(rows, self._dtype).tobytes())
        self.n_rows += len(rows)

    def read(self, row: int) -> NDArray[np.floating]:
        """A row written before: (dim,)."""
        n_bytes = math.prod(self._row) * self._dtype.itemsize
        self._file.seek(self._start + row * n_bytes)
        content = self._file.read(n_bytes)
        self._file.seek(0, 2)
        return np.frombuffer(content, self._dtype)

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.seek(0)
            self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        shape = (self.n_rows, *self._row)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
