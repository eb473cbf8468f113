"""JSON over any number of lines -> the objects in it, one after another, in bounded memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from searchkit.corpus.rows import INVALID_UTF8, LINE_BYTES, TOO_LONG, BadRow

_BLANKS = " \t\r\n"
_PAGED = "results"  # under which an API gives its rows


def read_values(blocks: Iterator[bytes]) -> Iterator[tuple[int, Any]]:
    """The items of an array, the `results` of a page, or values one after another.

    Each with the line on which it begins. What cannot be read is a last BadRow: behind it nobody
    knows what a sign means.
    """
    scan = _Scan(blocks)
    try:
        while sign := scan.peek():
            yield from _items(scan) if sign == "[" else _members(scan)
    except BadRow as bad:
        yield scan.line, bad
    except RecursionError:
        yield scan.line, BadRow("malformed JSON", "arrays stand within arrays without end")


def _items(scan: _Scan) -> Iterator[tuple[int, Any]]:
    scan.take("[")
    if scan.peek() == "]":
        scan.take("]")
        return
    while True:
        scan.peek()
        yield scan.line, scan.value()
        if scan.take(",]") == "]":
            return


def _members(scan: _Scan) -> Iterator[tuple[int, Any]]:
    """The object that begins here, or the rows that it holds."""
    if scan.peek() != "{":
        yield scan.line, scan.value()
        return
    line, found, is_page = scan.line, dict[str, Any](), False
    sign = scan.take("{")
    while sign != "}" and not (not found and not is_page and scan.peek() == "}"):
        name = scan.value()
        scan.take(":")
        if name == _PAGED and scan.peek() == "[":
            is_page = True
            yield from _items(scan)
        else:
            found[str(name)] = scan.value()
        sign = scan.take(",}")
    if sign != "}":
        scan.take("}")
    if not is_page:
        yield line, found


class _Scan:
    """A place in JSON text that is read as far as it is needed. `line` is that of the place."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._decode = blocks, codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended = "", 0, False
        self._json = json.JSONDecoder()
        self.line = 1

    def peek(self) -> str:
        """The next sign that is no blank, "" at the end."""
        while True:
            begin = self._at
            while self._at < len(self._text) and self._text[self._at] in _BLANKS:
                self._at += 1
            self.line += self._text.count("\n", begin, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> str:
        """The next sign, which must be one of these."""
        sign = self.peek()
        if not sign or sign not in wanted:
            told = f"{sign!r} stands" if sign else "the file ends"
            raise _malformed(f"{told} where {' or '.join(wanted)} belongs")
        self._at += 1
        return sign

    def value(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The value that begins here."""
        self.peek()
        while True:
            try:
                found, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._grow():
                    continue
                self.line += self._text.count("\n", self._at, error.pos)
                raise _malformed(error.msg[:1].lower() + error.msg[1:]) from None
            except ValueError as error:  # a number of thousands of digits
                raise _malformed(str(error)) from None
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self.line += self._text.count("\n", self._at, end)
            self._at = end
            return found

    def _grow(self) -> bool:
        if len(self._text) - self._at > LINE_BYTES:
            why = f"a value is longer than {LINE_BYTES // 10**6} MB, or is not closed"
            raise BadRow(TOO_LONG, f"{why}. Write one object a line, e.g. with jq -c '.[]'")
        return self._more()

    def _more(self) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        block = next(self._blocks, b"")
        self._ended = not block
        try:
            text = self._decode.decode(block, final=self._ended)
        except UnicodeDecodeError as error:
            why = f"byte 0x{error.object[error.start]:02x} is not UTF-8. Convert the file to UTF-8"
            raise BadRow(INVALID_UTF8, why) from None
        self._text, self._at = self._text[self._at :] + text, 0
        return not self._ended or bool(text)


def _malformed(what: str) -> BadRow:
    return BadRow("malformed JSON", f"this is not JSON ({what}). Copy or download the file again")
