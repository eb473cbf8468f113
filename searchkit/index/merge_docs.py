"""Stored documents of adjacent segments and their living rows -> one segment's documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from searchkit.index.docs import BATCH_DOCS, DOCS, SCHEMA, DocStore, write_batches, write_meta
from searchkit.index.metadata import MetaColumns
from searchkit.types import Mask


def merge_docs(folder: Path, segments: Sequence[tuple[DocStore, Mask]]) -> dict[str, int]:
    """Write the living documents with their `seq`; metadata values that mixture made strings.

    Metadata has the columns and types that a build of the stored documents would give it. Memory
    holds a few batches of documents, and all of the metadata.
    """
    write_batches(folder / DOCS, SCHEMA, _filled(_living(segments)))
    columns = MetaColumns()
    for store, alive in segments:
        meta = store.meta.filter(pa.array(alive)) if store.meta.num_columns else store.meta
        columns.add_columns(meta, int(alive.sum()))
    table, mixed = columns.finish()
    write_meta(folder, table)
    return mixed


def _living(segments: Sequence[tuple[DocStore, Mask]]) -> Iterator[pa.RecordBatch]:
    for store, alive in segments:
        first = 0
        for batch in store.batches:
            yield batch.filter(pa.array(alive[first : first + batch.num_rows]))
            first += batch.num_rows


def _filled(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of 1,024, the last one shorter."""
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in batches:
        held.append(batch)
        n_held += batch.num_rows
        if n_held >= BATCH_DOCS:
            cut, n_full = _cut(held), n_held // BATCH_DOCS
            yield from cut[:n_full]
            held, n_held = cut[n_full:], n_held % BATCH_DOCS
    yield from _cut(held)


def _cut(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    joined = pa.Table.from_batches(batches, SCHEMA).combine_chunks()
    found: list[pa.RecordBatch] = joined.to_batches(max_chunksize=BATCH_DOCS)
    return found
