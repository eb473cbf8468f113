"""Documents that a program hands over -> rows, checked as those of a file are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from searchkit.corpus.meta import typed_values
from searchkit.corpus.rows import BadRow, Fields, Rows
from searchkit.corpus.values import kind_of, quoted
from searchkit.errors import ConfigError
from searchkit.types import Doc

_WHERE = "documents"
_META = "meta"  # the one column beside id, title and text, so that no name of a user meets theirs
_KINDS = "str, int, float, bool or a list of str"
_MAKE = "Make one with searchkit.Doc(id, title, text, meta)"


def given_rows(docs: Iterable[Doc]) -> Rows:
    """Documents as the rows of a source, numbered from 1; each is checked when it is parsed.

    ConfigError: one document alone, or what cannot be iterated.
    """
    if isinstance(docs, Doc):
        raise ConfigError("the corpus is one Doc alone. Put it into a list.")
    if not isinstance(docs, Iterable):
        raise ConfigError(f"the corpus is {kind_of(docs)}. Name files, or give a list of Docs.")
    return Rows(_WHERE, enumerate(docs, 1), _parse, meta=_meta, spell=repr, close=lambda: None)


def _parse(doc: object) -> Fields:
    if not isinstance(doc, Doc):
        raise BadRow("no document", f"this is {kind_of(doc)}, and not a Doc. {_MAKE}")
    for name in ("id", "title", "text"):
        _refuse_no_text(getattr(doc, name), f"the {name}")
    if not isinstance(doc.meta, Mapping):
        why = f"the metadata is {kind_of(doc.meta)}. Write a dict of names and values"
        raise BadRow("wrong type", why)
    for name, value in doc.meta.items():
        _refuse_no_text(name, "a name in the metadata")
        _refuse_untyped(value, f"metadata {quoted(name)}")
    return {"id": doc.id, "title": doc.title, "text": doc.text, _META: doc.meta}


def _meta(row: Mapping[str, Any]) -> tuple[Fields, int]:
    return typed_values(row[_META])


def _refuse_untyped(value: object, what: str) -> None:
    if type(value) is str:
        _refuse_no_text(value, what)
    elif type(value) is float and not math.isfinite(value):
        raise BadRow("NaN or Infinity", f"{what} is {value}, which is no number. Write None")
    elif type(value) is list:
        for item in value:
            _refuse_no_text(item, f"an item of {what}")
    elif value is not None and type(value) not in (int, float, bool):
        named = type(value).__name__  # a number of numpy is a number, but none of these
        raise BadRow("wrong type", f"{what} is of type {named}. Write it as {_KINDS}")


def _refuse_no_text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise BadRow("wrong type", f"{what} is {kind_of(value)}. Write it as a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        why = rf"{what} holds half a surrogate pair (\ud800 to \udfff), which is no character"
        raise BadRow("lone surrogate", f"{why}. Remove it") from None
