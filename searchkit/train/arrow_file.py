"""Examples -> one Arrow file, a batch at a time, and the hash of what it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
import pyarrow as pa

from searchkit.train.shapes import Example

_BATCH_ROWS = 1000
_BATCH_CHARS = 16_000_000  # a batch of long texts is written earlier


class ArrowFile:
    """An Arrow stream that is written as examples come; memory holds one batch of them."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        kinds = [
            pa.float32() if name in ("label", "first") else pa.large_string() for name in columns
        ]
        self.schema = pa.schema(list(zip(columns, kinds, strict=True)))
        self._digest = hashlib.sha256(orjson.dumps(list(columns)))
        self._rows: list[Example] = []
        self._n_chars = 0
        self._sink = pa.OSFile(str(path), "wb")
        self._file = pa.ipc.new_stream(self._sink, self.schema)

    def __enter__(self) -> ArrowFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._sink.close()

    def add(self, examples: Iterable[Example]) -> None:
        for example in examples:
            self._rows.append(example)
            self._n_chars += sum(len(value) for value in example if isinstance(value, str))
        if len(self._rows) >= _BATCH_ROWS or self._n_chars >= _BATCH_CHARS:
            self._flush()

    def finish(self) -> str:
        """Write what is left; sha256 over the columns and every example, whatever the batches."""
        self._flush()
        return self._digest.hexdigest()

    def _flush(self) -> None:
        if not self._rows:
            return
        for row in self._rows:
            self._digest.update(orjson.dumps(row))
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array(values, kind) for values, kind in zip(columns, self.schema.types, strict=True)
        ]
        self._file.write_batch(pa.record_batch(arrays, schema=self.schema))
        self._rows.clear()
        self._n_chars = 0
