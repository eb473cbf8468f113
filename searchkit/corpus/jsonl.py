"""JSONL -> rows: one object a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import orjson

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import BOM, read_lines, shown
from searchkit.corpus.meta import typed_values
from searchkit.corpus.rows import (
    RAW_CHARS,
    BadRow,
    Fields,
    Rows,
    check_length,
    line_text,
)

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NO_NUMBER = re.compile(r"-?(?:NaN|Infinity|nan|inf)\b")  # what other writers put for none


def open_jsonl(source: str, *, zipped: bool, ledger: ReadLedger) -> Rows:
    """The rows of a JSONL file; blank lines hold nothing and are passed over."""
    lines = read_lines(source, zipped=zipped, ledger=ledger)
    return rows_of_lines(source, lines, ledger, close=lines.close)


def rows_of_lines(
    source: str, lines: Iterator[bytes], ledger: ReadLedger, *, close: Callable[[], None]
) -> Rows:
    """`open_jsonl` of lines that are being read already."""
    numbered = ((n, line) for n, line in enumerate(lines, 1) if line and not line.isspace())
    parse = partial(parse_line, ledger=ledger)
    return Rows(shown(source), numbered, parse, meta=typed_values, spell=_spell, close=close)


def parse_line(line: bytes, *, ledger: ReadLedger | None = None) -> Fields:
    """The object of one line, or BadRow."""
    check_length(line)
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if line.startswith(BOM):  # inside a file that was put together from several
            if ledger is not None:
                ledger.n_bom += 1
            return parse_line(line[len(BOM) :], ledger=ledger)
        raise _why(line_text(line), error) from None
    if type(row) is not dict:
        raise BadRow("not an object", _not_an_object(row))
    return row


def _why(line: str, error: orjson.JSONDecodeError) -> BadRow:
    # the parser stops at the word, or after the sign or the first letter of it
    if found := _NO_NUMBER.match(line, error.pos - 1) or _NO_NUMBER.match(line, error.pos):
        why = f"column {found.start() + 1}: {found[0]} is no number of JSON. Write null instead"
        return BadRow("NaN or Infinity", why)
    if "infinity" in error.msg:
        why = f"column {error.colno}: the number is too large to be kept. Write it as a string"
        return BadRow("number too large", why)
    if "surrogate" in error.msg and _SURROGATE.search(line):
        why = r"half a surrogate pair (\ud800 to \udfff) stands for no character. Remove it"
        return BadRow("lone surrogate", why)
    why = f"column {error.colno}: this is not JSON ({error.msg}). Write one object a line"
    if line.rstrip().endswith(("{", "[", ",")):  # an object that goes on in the next line
        why += ", e.g. with jq -c ."
    return BadRow("malformed JSON", why)


def _not_an_object(row: object) -> str:
    kind = {list: "an array", str: "a string", bool: "true or false"}.get(type(row), "a number")
    if row is None:
        kind = "null"
    cure = "An array of objects becomes one object a line with: jq -c '.[]'"
    return f"the line is {kind}, not an object. " + (
        cure if isinstance(row, list) else 'Write {"_id": ..., "title": ..., "text": ...}'
    )


def _spell(line: bytes) -> str:
    return line[: 4 * RAW_CHARS].decode("utf-8", "replace")
