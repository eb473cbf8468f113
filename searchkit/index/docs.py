"""Stored documents of one segment: what was fed in, read back by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from searchkit.index.metadata import MetaColumns
from searchkit.types import Doc, Row

DOCS, META = "docs.arrow", "meta.arrow"
BATCH_DOCS = 1024  # rows a record batch: a hit touches one page range, not the file
SCHEMA = pa.schema(
    [
        ("seq", pa.uint64()),
        ("id", pa.large_string()),
        ("title", pa.large_string()),
        ("text", pa.large_string()),
    ]
)


class DocsWriter:
    """Writes the documents of a segment as they come; metadata follows when all are in."""

    def __init__(self, folder: Path, *, first_seq: int) -> None:
        self._folder = folder
        self._sink = pa.OSFile(str(folder / DOCS), "wb")
        self._file = pa.ipc.new_file(self._sink, SCHEMA)
        self._meta = MetaColumns()
        self._seq = first_seq

    def add(self, docs: Sequence[Doc]) -> tuple[pa.Array, pa.Array]:
        """Store a batch (a multiple of 1,024 documents but for the last); its titles and texts."""
        columns = [
            pa.array(range(self._seq, self._seq + len(docs)), pa.uint64()),
            pa.array([doc.id for doc in docs], pa.large_string()),
            pa.array([doc.title for doc in docs], pa.large_string()),
            pa.array([doc.text for doc in docs], pa.large_string()),
        ]
        whole = pa.record_batch(columns, schema=SCHEMA)
        for start in range(0, len(docs), BATCH_DOCS):
            self._file.write_batch(whole.slice(start, BATCH_DOCS))
        self._meta.add([doc.meta for doc in docs])
        self._seq += len(docs)
        return columns[2], columns[3]

    def finish(self) -> dict[str, int]:
        """Close the files; columns of mixed type with how many values became strings."""
        self._file.close()
        self._sink.close()
        table, mixed = self._meta.finish()
        write_meta(self._folder, table)
        return mixed

    def abort(self) -> None:
        self._file.close()
        self._sink.close()


def write_meta(folder: Path, table: pa.Table) -> None:
    """Write the metadata of a segment in the batches of its documents."""
    batches = table.combine_chunks().to_batches(max_chunksize=BATCH_DOCS)
    write_batches(folder / META, table.schema, batches)


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as file:
        for batch in batches:
            file.write_batch(batch)


class DocStore:
    """Random access to the stored documents of one segment, mapped from the disk."""

    def __init__(self, folder: Path) -> None:
        self._docs = pa.ipc.open_file(pa.memory_map(str(folder / DOCS)))
        self._meta = pa.ipc.open_file(pa.memory_map(str(folder / META)))
        self._rows = [self._docs.get_batch(i) for i in range(self._docs.num_record_batches)]

    def __len__(self) -> int:
        return sum(batch.num_rows for batch in self._rows)

    def __getitem__(self, row: Row) -> Doc:
        batch, offset = self._rows[row // BATCH_DOCS], row % BATCH_DOCS
        id_, title, text = (batch.column(i)[offset].as_py() for i in (1, 2, 3))
        return Doc(id_, title, text, self._meta_of(row))

    def __iter__(self) -> Iterator[Doc]:
        for n, batch in enumerate(self._rows):
            ids, titles, texts = (batch.column(i).to_pylist() for i in (1, 2, 3))
            metas = self._meta_batches[n].to_pylist() if self._meta_batches else [{}] * len(ids)
            for id_, title, text, meta in zip(ids, titles, texts, metas, strict=True):
                yield Doc(id_, title, text, _present(meta))

    @property
    def batches(self) -> Sequence[pa.RecordBatch]:
        """All columns, in batches of 1,024 rows, the last one shorter."""
        return self._rows

    def take(self, rows: NDArray[np.int64]) -> list[Doc]:
        """The documents at these rows, in their order; faster than one by one."""
        found: dict[int, Doc] = {}
        for n in np.unique(rows // BATCH_DOCS).tolist():
            inside = np.unique(rows[rows // BATCH_DOCS == n])
            offsets = pa.array(inside % BATCH_DOCS)
            ids, titles, texts = (
                self._rows[n].column(i).take(offsets).to_pylist() for i in (1, 2, 3)
            )
            metas: list[dict[str, Any]] = [{}] * len(ids)
            if self._meta_batches:
                metas = self._meta_batches[n].take(offsets).to_pylist()
            columns = zip(inside.tolist(), ids, titles, texts, metas, strict=True)
            for row, id_, title, text, meta in columns:
                found[row] = Doc(id_, title, text, _present(meta))
        return [found[row] for row in rows.tolist()]

    def id(self, row: Row) -> str:
        found: str = self._rows[row // BATCH_DOCS].column(1)[row % BATCH_DOCS].as_py()
        return found

    @property
    def seqs(self) -> pa.ChunkedArray:
        return pa.chunked_array([batch.column(0) for batch in self._rows], pa.uint64())

    @property
    def ids(self) -> pa.ChunkedArray:
        return pa.chunked_array([batch.column(1) for batch in self._rows], pa.large_string())

    @property
    def titles(self) -> pa.ChunkedArray:
        return pa.chunked_array([batch.column(2) for batch in self._rows], pa.large_string())

    @property
    def texts(self) -> pa.ChunkedArray:
        return pa.chunked_array([batch.column(3) for batch in self._rows], pa.large_string())

    @cached_property
    def meta(self) -> pa.Table:
        return pa.Table.from_batches(self._meta_batches, self._meta.schema)

    @cached_property
    def _meta_batches(self) -> list[pa.RecordBatch]:
        return [self._meta.get_batch(i) for i in range(self._meta.num_record_batches)]

    def _meta_of(self, row: Row) -> dict[str, Any]:
        if not self._meta_batches:
            return {}
        batch = self._meta_batches[row // BATCH_DOCS]
        return _present(batch.slice(row % BATCH_DOCS, 1).to_pylist()[0])


def _present(meta: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in meta.items() if value is not None}
