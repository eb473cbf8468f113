"""CSV and TSV -> rows: RFC 4180 with a header, comma or tab between the cells."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import read_lines, shown
from searchkit.corpus.meta import typed_cells
from searchkit.corpus.rows import (
    LINE_FAULTS,
    RAW_CHARS,
    BadRow,
    Fields,
    Rows,
    line_text,
)
from searchkit.errors import CorpusError

DELIMITERS = {"csv": ",", "tsv": "\t"}
_OTHERS = {  # what else stands between cells -> the cure
    "\t": "Its cells stand between tabs: let the name end in .tsv",
    ";": "Its cells stand between semicolons: write commas or tabs instead",
    ",": "Its cells stand between commas: let the name end in .csv",
}


class _Record(NamedTuple):
    fields: Fields
    fault: BadRow | None
    raw: list[bytes]


def open_delimited(source: str, kind: str, *, zipped: bool, ledger: ReadLedger) -> Rows:
    """The rows of a CSV or TSV file; a row is numbered by the line on which it begins."""
    lines = read_lines(source, zipped=zipped, ledger=ledger)
    numbered = _records(_Feed(lines), DELIMITERS[kind], shown(source))
    return Rows(shown(source), numbered, _parse, meta=typed_cells, spell=_spell, close=lines.close)


class _Feed:
    """Lines as text; those of the record in hand are kept, to be quoted or taken back."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = enumerate(lines, 1)
        self._back: deque[tuple[int, bytes]] = deque()
        self.used: list[tuple[int, bytes]] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        number, line = self._back.popleft() if self._back else next(self._lines)
        self.used.append((number, line))
        return line_text(line) + "\n"

    def take_back(self) -> None:
        """Read all but the first line of the failed record again: a quote may have eaten them."""
        self._back.extendleft(reversed(self.used[1:]))
        del self.used[1:]


def _records(feed: _Feed, delimiter: str, where: str) -> Iterator[tuple[int, _Record]]:
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    header = _header(feed, reader, where)
    while True:
        feed.used.clear()
        fields: Fields = {}
        fault = None
        try:
            cells = next(reader)
            if not cells:
                continue
            fields = _fields(header, cells)
        except StopIteration:
            return
        except csv.Error as error:
            feed.take_back()
            fault = _misquoted(error)
        except BadRow as bad:
            fault = bad
        # a byte that is no text is on the last line read, any other fault where the record began
        number = feed.used[-1 if fault and fault.reason in LINE_FAULTS else 0][0]
        yield number, _Record(fields, fault, [line for _, line in feed.used])


def _header(feed: _Feed, reader: Iterator[list[str]], where: str) -> list[str]:
    try:
        cells: list[str] = next((cells for cells in reader if cells), [])
    except csv.Error as error:
        raise CorpusError(where, feed.used[0][0], _misquoted(error).why) from error
    except BadRow as bad:
        raise CorpusError(where, feed.used[-1][0], bad.why) from None
    if len(cells) == 1 and (wrong := next((sign for sign in _OTHERS if sign in cells[0]), None)):
        raise CorpusError(where, feed.used[-1][0], f"the header is one column. {_OTHERS[wrong]}")
    names = [cell.strip() or f"column{n}" for n, cell in enumerate(cells, 1)]
    if twice := {name for name in names if names.count(name) > 1}:
        why = f"the header names the column {min(twice)!r} twice. Rename one of them"
        raise CorpusError(where, feed.used[-1][0], why)
    return names


def _fields(header: list[str], cells: list[str]) -> Fields:
    if len(cells) != len(header):
        why = (
            f"the row has {len(cells)} cells, the header has {len(header)}. "
            "Put cells that hold a delimiter in double quotes"
        )
        raise BadRow("ragged row", why)
    return dict(zip(header, cells, strict=True))


def _misquoted(error: csv.Error) -> BadRow:
    message = str(error)
    if "unexpected end of data" in message:
        why = "a double quote that opens here is never closed. Close it, or double it inside a cell"
        return BadRow("unclosed quote", why)
    if "new-line character" in message:
        why = "a carriage return stands alone where a line ends. Convert it with tr '\\r' '\\n'"
        return BadRow("bare carriage return", why)
    if "field larger" in message:
        why = (
            f"a cell holds more than {csv.field_size_limit():,} characters: close its quote, "
            "or use JSONL for texts of this size"
        )
        return BadRow("huge cell", why)
    return BadRow(
        "bad quoting", f"{message}. Put the cell in double quotes and double those inside"
    )


def _parse(record: _Record) -> Fields:
    if record.fault is not None:
        raise record.fault
    return record.fields


def _spell(record: _Record) -> str:
    return b"\n".join(record.raw)[: 4 * RAW_CHARS].decode("utf-8", "replace")
