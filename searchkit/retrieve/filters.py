"""Filter text and metadata columns -> row mask."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import reduce
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from searchkit.retrieve.filter_syntax import (
    Among,
    Column,
    Compare,
    Contains,
    Every,
    IsNull,
    Node,
    Not,
    Some,
    Test,
    Value,
    parse_tree,
    refuse,
)
from searchkit.types import Mask


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on metadata; its grammar stands in `filter_syntax`.

    A missing value satisfies no comparison, negated or not, as in SQL; only `is null` finds it.
    Text is compared exactly, capitals included. Of a column that holds lists, `=` and `in` ask
    whether one element is equal, `contains` whether one element has the text inside.
    """

    text: str
    tree: Node = field(repr=False)

    @property
    def columns(self) -> set[str]:
        """The columns that `mask` reads."""
        return {column.name for column in _columns(self.tree)}

    def mask(self, table: pa.Table) -> Mask:
        """(n_rows,) bool, True where the row satisfies the filter.

        QueryError where a column is missing or holds another kind of value. Of two columns of
        one name the first is read.
        """
        truth = _truth(self.tree, table).fill_null(False)
        mask: Mask = truth.to_numpy(zero_copy_only=False)
        return mask


def parse(text: str) -> Filter:
    """The filter that a text means, or QueryError with the position of what is wrong."""
    return Filter(text, parse_tree(text))


def _columns(node: Node) -> Iterator[Column]:
    match node:
        case Not(part):
            return _columns(part)
        case Every(parts) | Some(parts):
            return chain.from_iterable(map(_columns, parts))
    return iter([node.column])


def _truth(node: Node, table: pa.Table) -> pa.BooleanArray:
    """Truth of each row in three values: true, false, null (unknown)."""
    match node:
        case Every(parts):
            return reduce(pc.and_kleene, (_truth(part, table) for part in parts))
        case Some(parts):
            return reduce(pc.or_kleene, (_truth(part, table) for part in parts))
        case Not(part):
            return pc.invert(_truth(part, table))
    return _truth_of_test(node, _read(table, node.column))


def _truth_of_test(test: Test, array: pa.Array) -> pa.BooleanArray:
    if isinstance(test, IsNull):
        return pc.is_null(array)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.bool_())
    match test:
        case Compare(column, _, value):
            _check(array, column, [value])
            return _compare(array, test)
        case Among(column, values):
            _check(array, column, values)
            return _among(array, values)
        case Contains(column, text):
            _check(array, column, [text])
            return _contains(array, text)


_LISTS = pa.large_list(pa.large_string())
_HOLDS = {  # type of a column -> what it holds, and of which kind its values must be
    pa.int64(): ("numbers", "number"),
    pa.float64(): ("numbers", "number"),
    pa.bool_(): ("true and false", "truth value"),
    pa.large_string(): ("text", "text"),
    _LISTS: ("lists of text", "text"),
}


def _read(table: pa.Table, column: Column) -> pa.Array:
    """A column in one of six types: int64, float64, bool, large_string, list<...>, null."""
    found = table.schema.get_all_field_indices(column.name)
    if not found:
        raise refuse(column.position, _no_column(column.name, table.column_names))
    array = table.column(found[0]).combine_chunks()
    wanted = _plain_type(array.type)
    if wanted is None:
        why = f"column {column.name!r} is of type {array.type}, which no filter can read"
        raise refuse(column.position, why)
    return array.cast(wanted)


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    of = pa.types
    if of.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if of.is_list(kind) or of.is_large_list(kind):
        return _LISTS if _is_text(kind.value_type) else None
    if of.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    if of.is_floating(kind):
        return pa.float64()
    if _is_text(kind):
        return pa.large_string()
    return kind if of.is_boolean(kind) or of.is_null(kind) else None


def _is_text(kind: pa.DataType) -> bool:
    of = pa.types
    return bool(of.is_string(kind) or of.is_large_string(kind) or of.is_string_view(kind))


def _no_column(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1)
    if near:
        return f"there is no column {name!r}, did you mean {near[0]!r}?"
    return f"there is no column {name!r}; there are {', '.join(sorted(set(known))) or 'none'}"


_INT64 = range(-(2**63), 2**63)
_SIGNS: dict[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def _compare(array: pa.Array, test: Compare) -> pa.BooleanArray:
    column, sign, value = test
    if sign not in ("=", "!=") and not _has_order(array.type):
        why = f"column {column.name!r} holds {_HOLDS[array.type][0]}, which {sign} cannot compare"
        raise refuse(column.position, why)
    if array.type == _LISTS:
        found = _any_element(array, lambda texts: pc.equal(texts, value))
        return found if sign == "=" else pc.invert(found)
    if pa.types.is_int64(array.type):
        return _compare_whole(array, sign, value)
    return _SIGNS[sign](array, pa.scalar(value, array.type))


def _compare_whole(array: pa.Array, sign: str, value: Value) -> pa.BooleanArray:
    """Whole numbers against any number, without rounding either of them."""
    if isinstance(value, float) and not value.is_integer():
        if sign in ("=", "!="):
            return _everywhere(array, sign == "!=")
        value = math.floor(value)
        sign = "<=" if sign in ("<", "<=") else ">"
    whole = int(value)
    if whole not in _INT64:
        return _everywhere(array, sign == "!=" or sign.startswith("<" if whole > 0 else ">"))
    return _SIGNS[sign](array, pa.scalar(whole, array.type))


def _among(array: pa.Array, values: Sequence[Value]) -> pa.BooleanArray:
    if array.type == _LISTS:
        wanted = pa.array(values, pa.large_string())
        return _any_element(array, lambda texts: pc.is_in(texts, value_set=wanted))
    if pa.types.is_int64(array.type):
        values = tuple(int(v) for v in values if v == int(v) and int(v) in _INT64)
    if pa.types.is_float64(array.type):
        array = pc.add(array, 0.0)  # is_in tells -0.0 from 0.0, a sum does not
        values = tuple(float(value) + 0.0 for value in values)
    found = pc.is_in(array, value_set=pa.array(values, array.type))
    return pc.if_else(pc.is_valid(array), found, pa.scalar(None, pa.bool_()))


def _contains(array: pa.Array, text: str) -> pa.BooleanArray:
    if array.type == _LISTS:
        return _any_element(array, lambda texts: pc.match_substring(texts, text))
    return pc.match_substring(array, text)


def _any_element(lists: pa.Array, test: Callable[[pa.Array], pa.Array]) -> pa.BooleanArray:
    sizes = pc.list_value_length(lists).fill_null(0).to_numpy()
    hits = test(pc.list_flatten(lists)).fill_null(False).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(len(lists)), sizes)
    found = np.bincount(owners[hits], minlength=len(lists)) > 0
    return pa.array(found, mask=lists.is_null().to_numpy(zero_copy_only=False))


def _everywhere(array: pa.Array, truth: bool) -> pa.BooleanArray:
    """The same truth in every row, unknown where the value is missing."""
    return pc.if_else(pc.is_valid(array), truth, pa.scalar(None, pa.bool_()))


def _has_order(kind: pa.DataType) -> bool:
    return not (pa.types.is_boolean(kind) or kind == _LISTS)


def _check(array: pa.Array, column: Column, values: Sequence[Value]) -> None:
    """QueryError unless the column holds what the values are."""
    holds, wanted = _HOLDS[array.type]
    for value in values:
        kind = _kind(value)
        if kind != wanted:
            why = f"column {column.name!r} holds {holds}, but {str(value)[:40]!r} is a {kind}"
            raise refuse(column.position, why)


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "truth value"
    return "text" if isinstance(value, str) else "number"
