"""Python strings -> Arrow arrays, from their bytes: `pa.array` imports pandas at its first call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def large_strings(texts: Sequence[str | None]) -> pa.LargeStringArray:
    """(n,) large_string, null where None. UnicodeEncodeError for half a surrogate pair."""
    encoded = [b"" if text is None else text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    held = np.fromiter((text is not None for text in texts), np.bool_, len(encoded))
    bits = None if held.all() else pa.py_buffer(np.packbits(held, bitorder="little"))
    buffers = [bits, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)


def int64s(values: NDArray[np.int64]) -> pa.Int64Array:
    """(n,) int64, of the same memory."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def booleans(values: NDArray[np.bool_]) -> pa.BooleanArray:
    """(n,) bool."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def numbers(values: pa.Array) -> NDArray[Any]:
    """(n,) of the array's integer type, the same memory; there is no null."""
    whole = np.frombuffer(values.buffers()[1] or b"", np.dtype(str(values.type)))
    return whole[values.offset : values.offset + len(values)]


def truths(values: pa.BooleanArray) -> NDArray[np.bool_]:
    """(n,) bool; there is no null."""
    bits = np.frombuffer(values.buffers()[1] or b"", np.uint8)
    whole = np.unpackbits(bits, bitorder="little").view(np.bool_)
    return whole[values.offset : values.offset + len(values)]
