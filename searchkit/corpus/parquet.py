"""Parquet -> rows, a few at a time."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import refused
from searchkit.corpus.meta import typed_values
from searchkit.corpus.rows import Fields, Rows
from searchkit.errors import CorpusError

BATCH_ROWS = 1000
_READ_AHEAD = 1 << 20


def open_parquet(source: str, *, ledger: ReadLedger) -> Rows:
    """The rows of a Parquet file, numbered from 1."""
    numbered = _numbered(source, ledger)
    return Rows(source, numbered, dict, meta=typed_values, spell=spell_fields, close=numbered.close)


@contextmanager
def opened(source: str) -> Iterator[pq.ParquetFile]:
    """The file, and every fault that Arrow finds in it as a sentence."""
    try:
        # without pre_buffer a row group is read page by page, not whole
        with pq.ParquetFile(source, pre_buffer=False, buffer_size=_READ_AHEAD) as file:
            yield file
    except (FileNotFoundError, PermissionError) as error:
        raise refused(source, error) from error
    except (OSError, ValueError, LookupError, MemoryError, pa.ArrowException) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        cure = "Write it again, e.g. with pandas or pyarrow"
        raise CorpusError(source, None, f"this is no sound Parquet file ({why}). {cure}") from error


def _numbered(source: str, ledger: ReadLedger) -> Generator[tuple[int, Fields], None, None]:
    n_rows = 0
    with opened(source) as file:
        batches = file.iter_batches(batch_size=BATCH_ROWS)
        for batch in batches:
            ledger.bytes_read += batch.nbytes
            for row in _rows(batch):
                n_rows += 1
                yield n_rows, row


def _rows(batch: pa.RecordBatch) -> list[Fields]:
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: pa.Array) -> list[object]:
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        column = _iso(column)
    values: list[object]
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:  # Parquet does not promise that a string is valid UTF-8
        values = column.cast(pa.large_binary()).to_pylist()
    return values


def _iso(column: pa.Array) -> pa.Array:
    if types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    return pc.replace_substring(column.cast(pa.string()), pattern=" ", replacement="T")


def spell_fields(row: Fields) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)
