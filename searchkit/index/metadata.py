"""Metadata of documents, of whatever type it comes -> typed columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_TYPES: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.large_string(),
    list: pa.list_(pa.large_string()),
}
_INT64 = range(-(2**63), 2**63)


class MetaColumns:
    """Columns that learn their type from their values: the narrowest that holds them all.

    int and float become float, which rounds an int beyond 2**53; any other mixture becomes
    string, and is counted. How the rows come in batches changes nothing.
    """

    def __init__(self) -> None:
        self._batches: list[dict[str, dict[type, pa.Array]]] = []  # by column, by type of value
        self._sizes: list[int] = []
        self._kinds: dict[str, Counter[type]] = {}

    def add(self, metas: Sequence[Mapping[str, Any]]) -> None:
        names: dict[str, None] = {}
        for meta in metas:
            names.update(dict.fromkeys(meta))
        self._batches.append({name: self._column(name, metas) for name in names})
        self._sizes.append(len(metas))

    def _column(self, name: str, metas: Sequence[Mapping[str, Any]]) -> dict[type, pa.Array]:
        values = [meta.get(name) for meta in metas]
        kinds = [None if value is None else _kind(value) for value in values]
        counted = Counter(kind for kind in kinds if kind is not None)
        self._kinds.setdefault(name, Counter()).update(counted)
        if len(counted) == 1:
            return {kind: _array(values, kind) for kind in counted}
        return {
            kind: _array(
                [v if k is kind else None for v, k in zip(values, kinds, strict=True)], kind
            )
            for kind in counted
        }

    def add_columns(self, table: pa.Table, n_rows: int) -> None:
        """Take in rows whose columns have their types already, as if their documents came.

        A column without a value is none, and the others come in the order of their first values.
        """
        held = [name for name in table.column_names if table[name].null_count < n_rows]
        firsts = {name: pc.index(table[name].is_valid(), True).as_py() for name in held}
        batch = {}
        for name in sorted(held, key=firsts.__getitem__):
            column = table[name].combine_chunks()
            [kind] = [kind for kind, stored in _TYPES.items() if stored == column.type]
            batch[name] = {kind: column}
            n_values = n_rows - column.null_count
            self._kinds.setdefault(name, Counter()).update({kind: n_values})
        self._batches.append(batch)
        self._sizes.append(n_rows)

    def finish(self) -> tuple[pa.Table, dict[str, int]]:
        """One table of all rows, and the number of values that mixture turned into strings."""
        columns, mixed = {}, {}
        for name, kinds in self._kinds.items():
            kind = _common(kinds)
            parts = [
                _joined(batch.get(name, {}), kind, size)
                for batch, size in zip(self._batches, self._sizes, strict=True)
            ]
            columns[name] = pa.chunked_array(parts, _TYPES[kind])
            if kind is str and set(kinds) != {str}:
                mixed[name] = sum(n for k, n in kinds.items() if k is not str)
        return pa.table(columns), mixed


def _kind(value: object) -> type:
    if isinstance(value, int) and not isinstance(value, bool) and value not in _INT64:
        return str
    return type(value)


def _common(kinds: Mapping[type, int]) -> type:
    if len(kinds) == 1:
        return next(iter(kinds))
    return float if set(kinds) <= {int, float} and kinds else str


def _array(values: list[Any], kind: type) -> pa.Array:
    if kind is str:
        values = [None if value is None else _spell(value) for value in values]
    return pa.array(values, _TYPES[kind])


def _joined(arrays: Mapping[type, pa.Array], kind: type, size: int) -> pa.Array:
    """The values of a batch as one type: no row has a value of two."""
    if not arrays:
        return pa.nulls(size, _TYPES[kind])
    return pc.coalesce(*(_cast(array, kind) for array in arrays.values()))


def _cast(column: pa.Array, kind: type) -> pa.Array:
    if column.type == _TYPES[kind]:
        return column
    if kind is float:
        return column.cast(pa.float64(), safe=False)
    return _array(column.to_pylist(), str)


def _spell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
