"""A row of a training file -> examples of its shape, or the reason why it is none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.mojibake import repair
from searchkit.corpus.rows import BadRow, Fields, missing
from searchkit.corpus.values import id_of, text_of
from searchkit.errors import ConfigError
from searchkit.train.recipe import Shape

Example: TypeAlias = tuple[str | float, ...]  # in the order of `outputs`

LABELLED = ("query", "document", "label")
# Our column -> what files call it: the published model cards, and what searchkit writes itself.
ACCEPTED: Mapping[Shape, Mapping[str, tuple[str, ...]]] = {
    "triplets": {
        "query": ("query",),
        "positive": ("pos", "positive"),
        "negative": ("neg", "negative"),
    },
    "pairs": {"sentence_0": ("sentence_0",), "sentence_1": ("sentence_1",)},
    "labelled": {
        "query": ("query", "sentence_0"),
        "document": ("document", "sentence_1"),
        "label": ("label",),
    },
    "lists": {
        "query": ("query",),
        "positives": ("positives", "positive", "pos"),
        "negatives": ("negatives", "negative", "neg"),
    },
    "beir": {},  # a folder has fixed names
}
_OPTIONAL: Mapping[Shape, tuple[str, ...]] = {  # only where they are mapped
    "triplets": ("label",),  # the margin to learn
    "labelled": ("first",),  # the first stage's score
}
_QUOTED = 40  # characters of a value that a message quotes


def outputs(shape: Shape, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Columns of the examples, with the optional one last where it is mapped."""
    if shape == "triplets":
        label = ("label",) if "label" in columns else ()
        return ("query", "positive", "negative", *label)
    if shape == "labelled" and "first" in columns:
        return (*LABELLED, "first")
    return ("sentence_0", "sentence_1") if shape == "pairs" else LABELLED


def own_names(shape: Shape, columns: Mapping[str, str]) -> dict[str, str]:
    """The mapping with our names as keys, where it may have used those of a card (`pos`)."""
    known = {name: ours for ours, names in ACCEPTED[shape].items() for name in (*names, ours)}
    known |= {name: name for name in _OPTIONAL.get(shape, ())}
    mapped: dict[str, str] = {}
    for key, column in columns.items():
        if not known:
            raise ConfigError(f"shape {shape} has no columns to map. Drop {key}={column}.")
        if key not in known:
            near = get_close_matches(key, known, 1, cutoff=0.0)[0]
            raise ConfigError(f"shape {shape} has no column {key!r}. Did you mean {near!r}?")
        if known[key] in mapped or column in mapped.values():
            raise ConfigError(f"{key}={column}: one column is mapped twice. Drop one of them.")
        mapped[known[key]] = column
    return mapped


@dataclass(frozen=True, slots=True)
class RowReader:
    """Makes examples of rows.

    columns: our name -> the column that holds it, from `own_names`. cells: values are strings of
    a table, so that a label is spelled and a list is written as JSON. ids: columns that come last
    as they are; of triplets and labelled pairs only.
    """

    shape: Shape
    columns: Mapping[str, str]
    ledger: ReadLedger
    cells: bool = False
    fix_text: bool = False
    ids: tuple[str, ...] = ()

    def examples(self, row: Fields) -> list[Example]:
        """One example, or as many as a row of lists flattens to; BadRow where it breaks shape."""
        held = self._held(row)
        if self.shape == "lists":
            query = self._text(row, held["query"])
            found = [
                (document, label)
                for ours, label in (("positives", 1.0), ("negatives", 0.0))
                for document in self._list(row, held[ours])
            ]
            if not found:
                raise BadRow("no document", "both lists are empty. Remove the row")
            return [(query, document, label) for document, label in found]
        return [tuple(self._value(ours, row, column) for ours, column in held.items())]

    def sound(self, text: str) -> str:
        """The text, counted where it was decoded with a wrong code page, mended where wanted."""
        if text.isascii() or (fixed := repair(text)) == text:
            return text
        self.ledger.n_broken += 1
        if not self.fix_text:
            return text
        self.ledger.n_fixed += 1
        return fixed

    def _held(self, row: Fields) -> dict[str, str]:
        """Our column -> the row's, in the order of the examples."""
        wanted = {ours: (column,) for ours, column in self.columns.items()}
        names = {**ACCEPTED[self.shape], **wanted, **{name: (name,) for name in self.ids}}
        held = {}
        for ours, accepted in names.items():
            column = next((name for name in accepted if name in row), None)
            if column is None:
                raise missing(ours, accepted, row)
            held[ours] = column
        return held

    def _value(self, ours: str, row: Fields, column: str) -> str | float:
        if ours in self.ids:
            return id_of(row[column])
        if ours in ("label", "first"):
            return self._number(ours, row, column)
        return self._text(row, column)

    def _text(self, row: Fields, column: str) -> str:
        text = text_of(row[column], column)
        if not text.strip():
            raise BadRow("empty text", f"column {column!r} is empty. Write its text, or skip rows")
        return self.sound(text)

    def _list(self, row: Fields, column: str) -> list[str]:
        values = row[column]
        if self.cells and isinstance(values, str):
            values = _parsed(values)
        if not isinstance(values, list):
            why = f"column {column!r} holds {_quote(values)}, not a list. Write a list of texts"
            raise BadRow("not a list", why)
        return [self._text({column: value}, column) for value in values]

    def _number(self, ours: str, row: Fields, column: str) -> float:
        value = row[column]
        if self.cells and isinstance(value, str):
            value = _parsed_number(value)
        if not isinstance(value, (int, float)):
            why = f"column {column!r} holds {_quote(row[column])}. Write a number"
            raise BadRow("no label", why)
        if self.shape == "triplets" or ours == "first":  # margins and scores have no bounds
            if not math.isfinite(value):
                raise BadRow("no label", f"column {column!r} holds {value}. Write a finite number")
        elif not 0 <= value <= 1:
            why = f"label {value:g} is outside 0..1. Scale the labels, e.g. grade / highest grade"
            raise BadRow("label outside 0..1", why)
        return float(value)


def _parsed(cell: str) -> object:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _parsed_number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _quote(value: object) -> str:
    spelled = repr(value)
    return spelled if len(spelled) <= _QUOTED else f"{spelled[:_QUOTED]}..."
