"""What every format turns its file into: numbered raw rows, and how to parse one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Fields: TypeAlias = dict[str, Any]  # column -> value, in the order of the file
NUL = b"\0"
LINE_BYTES = 10_000_000  # a longer line is refused: it is not a document
_SHOWN = 10  # columns that a message names
RAW_CHARS = 1000  # of a rejected row that a rejects file keeps
INVALID_UTF8, NUL_BYTE, TOO_LONG = "invalid UTF-8", "NUL byte", "line too long"
_FROM_UTF_16 = "This looks like UTF-16: convert it with iconv -f UTF-16 -t UTF-8"
LINE_FAULTS = {INVALID_UTF8, NUL_BYTE, TOO_LONG}  # of one line, where a row may have several


class BadRow(Exception):
    """One row cannot become a document; the reader decides whether to stop or to go on."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, why  # a few words to count by; the sentence for people


@dataclass(frozen=True, slots=True)
class Rows:
    """One source, opened.

    `numbered` yields (line or row, raw); `parse` gives the fields of a raw row or raises BadRow;
    `meta` types the fields that are left when id, title and text are taken, and returns how
    many it had to keep as JSON; `spell` is the raw row for a rejects file. `close` closes the
    source, read to its end or not: whoever iterates calls it.
    """

    where: str
    numbered: Iterator[tuple[int, Any]]
    parse: Callable[[Any], Fields]
    meta: Callable[[Mapping[str, Any]], tuple[Fields, int]]
    spell: Callable[[Any], str]
    close: Callable[[], None]


def line_text(line: bytes) -> str:
    """The text of one line of a file, or BadRow: too long, not UTF-8, or with a NUL byte."""
    check_length(line)
    text = decode(line)
    if NUL in line:
        if 3 * line.count(NUL) > len(line):
            raise BadRow(NUL_BYTE, f"every other byte is NUL. {_FROM_UTF_16}")
        raise BadRow(NUL_BYTE, f"byte {line.index(NUL) + 1} is NUL. Remove it")
    return text


def check_length(line: bytes) -> None:
    """BadRow for a line longer than `LINE_BYTES`."""
    if len(line) > LINE_BYTES:
        why = f"the line is longer than {LINE_BYTES // 10**6} MB. Split it into several documents"
        raise BadRow(TOO_LONG, why)


def decode(line: bytes) -> str:
    """The text of UTF-8 bytes, or BadRow naming the first byte that breaks it."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        if line.startswith((b"\xff\xfe", b"\xfe\xff")):
            cure = _FROM_UTF_16
        else:
            cure = "Convert the file to UTF-8, e.g. with iconv -f WINDOWS-1252 -t UTF-8"
        why = f"byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8. {cure}"
        raise BadRow(INVALID_UTF8, why) from None


def missing(ours: str, accepted: Sequence[str], row: Fields) -> BadRow:
    """A row without a field of ours, under any of the names that are accepted for it."""
    there = ", ".join(list(row)[:_SHOWN]) or "no column"
    more = ", ..." if len(row) > _SHOWN else ""
    why = (
        f"the {ours} is missing: no column is called {' or '.join(accepted)}. "
        f"The row has {there}{more}; name one with --column {ours}=NAME"
    )
    return BadRow(f"missing {ours}", why)
