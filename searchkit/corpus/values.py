"""One value of a row -> an id or a text, or the reason why it is none."""

from __future__ import annotations

import re

from searchkit.corpus.rows import NUL_BYTE, BadRow, decode

_SHOWN = 80  # characters of an id that a sentence quotes
_BLANK = re.compile(r"\s")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


def id_of(value: object) -> str:
    """The id as a string; whole numbers are spelled out."""
    if type(value) is int:
        return str(value)
    if isinstance(value, bytes):
        value = decode(value)
    if value is None or value == "" or (isinstance(value, str) and not value.strip()):
        raise BadRow("empty id", "the id is empty. Give every document an id of its own")
    if not isinstance(value, str):
        raise BadRow("wrong type", f"the id is {kind_of(value)}. Write it as a string")
    if not value.isprintable() and _CONTROL.search(value):
        why = f"the id {quoted(value)} holds a control character, which breaks run files. Remove it"
        raise BadRow("control character in id", why)
    return value


def holds_blank(id_: str) -> bool:
    """Whether the id holds white space, where a column of a run file would end."""
    return _BLANK.search(id_) is not None


def text_of(value: object, column: str) -> str:
    """The text as it is; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = decode(value)
    if not isinstance(value, str):
        raise BadRow(
            "wrong type", f"column {column!r} holds {kind_of(value)}. Write it as a string"
        )
    if "\0" in value:
        raise BadRow(NUL_BYTE, f"column {column!r} holds a NUL character. Remove it")
    return value


def quoted(text: str) -> str:
    """The text as a sentence quotes it: a long one by its first characters."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def kind_of(value: object) -> str:
    """What a sentence calls a value of the wrong type."""
    names = {list: "a list", dict: "an object", bool: "true or false", int: "a number"}
    names |= {str: "a string", type(None): "None"}
    return names.get(type(value), "a number" if isinstance(value, float) else type(value).__name__)
