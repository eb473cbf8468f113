"""BibTeX and biblatex files -> rows, an entry at a time."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import read_lines, shown
from searchkit.corpus.meta import typed_values
from searchkit.corpus.rows import BadRow, Fields, Rows
from searchkit.corpus.scholar.bibtex_entry import entry_row
from searchkit.corpus.scholar.record import Gathering, Record, spell_record

if TYPE_CHECKING:
    from bibtexparser.model import Block, Entry

# what begins a block in bibtexparser too: only the first word of a line can
_BEGINS = re.compile(rb"\s*@\w*[ \t]*[{(]")
_BEGINS_LATE = re.compile(r"^\s*@\s*[a-zA-Z]+\s*[{(]", re.MULTILINE)
_SILENT = logging.NullHandler()


class _Piece(NamedTuple):
    """An entry, or why it is none, and where it stands."""

    entry: Entry | None
    fault: BadRow | None
    raw: Record


def open_bibtex(source: str, *, zipped: bool, ledger: ReadLedger) -> Rows:
    """The rows of a BibTeX file, each numbered by the line on which its entry begins.

    The id is the key of the entry; `@string` macros and `#` are resolved, LaTeX becomes Unicode
    outside of formulas. What stands between entries is comment, as BibTeX has it. Memory holds
    one entry.
    """
    lines = read_lines(source, zipped=zipped, ledger=ledger)
    # what the library says of a broken entry is told as our own sentence
    logging.getLogger("bibtexparser").addHandler(_SILENT)
    macros: dict[str, str] = {}
    numbered = _pieces(lines, macros)
    return Rows(
        shown(source),
        numbered,
        lambda piece: _parse(piece, macros),
        meta=typed_values,
        spell=lambda piece: spell_record(piece.raw),
        close=lines.close,
    )


def _parse(piece: _Piece, macros: Mapping[str, str]) -> Fields:
    if piece.fault is not None or piece.entry is None:
        raise piece.fault or BadRow("malformed entry", "there is no entry here")
    entry = piece.entry
    fields: dict[str, str] = {}
    for field in entry.fields:
        name, value = field.key.lower(), evaluate(field.value, macros)
        if value and name in fields and value != fields[name]:  # a field that stands there twice
            value = f"{fields[name]}{' and ' if name in ('author', 'editor') else '; '}{value}"
        fields[name] = value or fields.get(name, "")
    return entry_row(entry.entry_type, entry.key, fields)


def _pieces(lines: Iterator[bytes], macros: dict[str, str]) -> Iterator[tuple[int, _Piece]]:
    gathered = Gathering()
    for number, line in enumerate(lines, 1):
        if _BEGINS.match(line) and not gathered.is_empty:
            yield from _split(*gathered.take(), macros)
        gathered.add(number, line)
    if not gathered.is_empty:
        yield from _split(*gathered.take(), macros)


def _split(first: int, record: Record, macros: dict[str, str]) -> Iterator[tuple[int, _Piece]]:
    """The entries of a piece of the file: one, or several that share their lines."""
    from bibtexparser.splitter import Splitter

    if not record.raw or not any(b"@" in line for line in record.raw):
        return  # the comment before the first entry
    if record.fault is not None:
        yield first, _Piece(None, record.fault, record)
        return
    for block in Splitter("\n".join(record.lines)).split().blocks:
        found = _entry_or_fault(block, macros)
        if found is not None:
            yield first + (block.start_line or 0), _Piece(*found, record)


def _entry_or_fault(
    block: Block, macros: dict[str, str]
) -> tuple[Entry | None, BadRow | None] | None:
    from bibtexparser import model

    match block:
        case model.Entry():
            return block, None
        case model.DuplicateFieldKeyBlock():
            return block.ignore_error_block, None  # type: ignore[return-value]
        case model.String():
            macros[block.key.lower()] = evaluate(block.value, macros)
        case model.ParsingFailedBlock():
            return None, BadRow("malformed entry", _why(block))
        case model.ImplicitComment() if _BEGINS_LATE.search(block.comment):
            why = "the entry has no brace behind its type on the same line. Put it there"
            return None, BadRow("malformed entry", why)
    return None


def _why(block: Any) -> str:  # noqa: ANN401 - a failed block of a library without a type for it
    begun = re.match(r"@\w*\s*[{(]\s*([^\s,={}\"]*)", block.raw)
    name = f"the entry {begun[1]!r}" if begun and begun[1] else "the entry"
    said = str(getattr(block.error, "abort_reason", block.error)).strip().rstrip(".")
    if "end of file" in said or "block start" in said:
        return f"{name} is not closed before the next one begins: a brace or a quote is missing"
    return f"{name} is no BibTeX ({said[:1].lower()}{said[1:]}). Mend it"


_TOKEN = re.compile(r'[{}"#]')


def evaluate(value: str, macros: Mapping[str, str]) -> str:
    """The text of a field: its parts between `#`, without their braces or quotes, macros resolved.

    A macro that nobody defined, such as `jan`, stands for its own name.
    """
    return "".join(_part(part.strip(), macros) for part in _parts(value))


def _parts(value: str) -> Iterator[str]:
    depth, quoted, begin = 0, False, 0
    for sign in _TOKEN.finditer(value):
        if sign[0] == "{":
            depth += 1
        elif sign[0] == "}":
            depth -= 1
        elif depth == 0 and sign[0] == '"':
            quoted = not quoted
        elif depth == 0 and not quoted and sign[0] == "#":
            yield value[begin : sign.start()]
            begin = sign.end()
    yield value[begin:]


def _part(part: str, macros: Mapping[str, str]) -> str:
    if len(part) > 1 and (part[0], part[-1]) in (("{", "}"), ('"', '"')):
        return part[1:-1]
    return macros.get(part.lower(), part)
