"""Metadata of several segments -> one table, typed as one build of all documents would."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from searchkit.index.open_segment import OpenSegment

_TEXT = pa.large_string()


def table_of(segments: Sequence[OpenSegment]) -> pa.Table:
    """A column for each field that a living document has, then `id` and `title`; by row.

    What only deleted documents have has no column, and their values decide no type.
    """
    tables = [_living(segment) for segment in segments]
    names: dict[str, pa.DataType] = {}
    for table in tables:
        for field in table.schema:
            names[field.name] = _wider(names.get(field.name), field.type)
    columns = {
        name: pa.chunked_array(
            [
                chunk
                for table, segment in zip(tables, segments, strict=True)
                for chunk in _column(table, name, kind, len(segment.docs))
            ],
            kind,
        )
        for name, kind in names.items()
    }
    ids = [chunk for one in segments for chunk in one.docs.ids.chunks]
    titles = [chunk for one in segments for chunk in one.docs.titles.chunks]
    own = {"id": pa.chunked_array(ids, _TEXT), "title": pa.chunked_array(titles, _TEXT)}
    return pa.table(columns | own)


def _living(segment: OpenSegment) -> pa.Table:
    """The metadata of a segment without the columns that only deleted documents fill."""
    table, alive = segment.docs.meta, segment.alive
    if alive is None:
        return table
    held = pa.array(alive)
    kept = [n for n in table.column_names if table[n].filter(held).null_count < int(alive.sum())]
    return table.select(kept)


def _wider(one: pa.DataType | None, other: pa.DataType) -> pa.DataType:
    if one is None or one == other:
        return other
    numbers = (pa.int64(), pa.float64())
    return pa.float64() if one in numbers and other in numbers else pa.large_string()


def _column(table: pa.Table, name: str, kind: pa.DataType, n: int) -> Sequence[pa.Array]:
    if name not in table.column_names:
        return [pa.nulls(n, kind)]
    column = table[name]
    if column.type == kind:
        return list(column.chunks)
    if pa.types.is_nested(column.type):
        lists = column.to_pylist()
        spelled = [None if v is None else json.dumps(v, ensure_ascii=False) for v in lists]
        return [pa.array(spelled, kind)]
    return list(column.cast(kind).chunks)
