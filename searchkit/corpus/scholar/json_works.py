"""JSON of works, an object a line or all in one -> rows; and what a JSON file holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson

from searchkit.corpus.jsonl import parse_line, rows_of_lines
from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import BOM, read_blocks, shown, split_lines
from searchkit.corpus.meta import typed_values
from searchkit.corpus.rows import RAW_CHARS, BadRow, Fields, Rows
from searchkit.corpus.scholar.arxiv import arxiv_row, is_arxiv
from searchkit.corpus.scholar.json_values import read_values
from searchkit.corpus.scholar.openalex import is_openalex, openalex_row

HEAD_BYTES = 1 << 20  # of a file that show what it is: of OpenAlex 50 works, or the longest one
ROWS: Mapping[str, Callable[[Mapping[str, Any]], Fields]] = {
    "openalex": openalex_row,
    "arxiv": arxiv_row,
}
_ONCE = (b'"abstract_inverted_index"', b'"publication_year"', b'"authors_parsed"')
_SHOWN = {"openalex": "works of OpenAlex", "arxiv": "records of arXiv"}


def open_json(source: str, kind: str | None, *, zipped: bool, ledger: ReadLedger) -> Rows:
    """The rows of a JSON file, numbered by lines.

    kind: `openalex`, `arxiv`, or None for whichever of them the first object is; one of neither is
    JSONL with fields of its own. Works stand one a line, in an array, or in the `results` of pages.
    """
    blocks = read_blocks(source, zipped=zipped, ledger=ledger)
    head = _head(blocks)
    every = chain(head, blocks)
    found = kind or recognise(b"".join(head))
    if found is None:
        return rows_of_lines(source, split_lines(every, ledger), ledger, close=blocks.close)
    if kind is None:
        ledger.recognised[shown(source)] = _SHOWN[found]
    if _is_by_lines(b"".join(head)):
        numbered = _by_lines(split_lines(every, ledger))
    else:
        numbered = read_values(every)
    return Rows(
        shown(source),
        numbered,
        lambda raw: ROWS[found](_object(raw)),
        meta=typed_values,
        spell=_spell,
        close=blocks.close,
    )


def recognise(head: bytes) -> str | None:
    """What the first object of a file is: openalex, arxiv, or None for neither.

    head: the first bytes of the file, or all of them.
    """
    first = next(read_values(iter([head])), (0, None))[1]
    if not isinstance(first, dict):
        return None
    if is_openalex(first):
        return "openalex"
    return "arxiv" if is_arxiv(first) else None


def count_works(head: bytes) -> int:
    """How many works of OpenAlex or records of arXiv stand in some bytes, as far as they are whole.

    By fields that each has once: reading them takes ten times as long.
    """
    return max(map(head.count, _ONCE))


def _head(blocks: Iterator[bytes]) -> list[bytes]:
    found: list[bytes] = []
    while sum(map(len, found)) < HEAD_BYTES and (block := next(blocks, b"")):
        found.append(block)
    return found


def _is_by_lines(head: bytes) -> bool:
    """Whether the first line is an object of its own: then a fault spoils one line and no more."""
    line = head.removeprefix(BOM).lstrip().partition(b"\n")[0]
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _by_lines(lines: Iterator[bytes]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        if b'"results"' in line and (rows := _page(line)) is not None:
            for row in rows:
                yield number, row
        else:
            yield number, line


def _page(line: bytes) -> list[Any] | None:
    """The rows of a page of an API."""
    try:
        page = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    rows = page.get("results") if isinstance(page, dict) else None
    return rows if isinstance(rows, list) else None


def _object(raw: object) -> Fields:
    if isinstance(raw, bytes):
        return parse_line(raw)
    if isinstance(raw, BadRow):
        raise raw
    if not isinstance(raw, dict):
        raise BadRow("not an object", "the value is not an object, as a work is. Remove it")
    try:
        orjson.dumps(raw)
    except orjson.JSONEncodeError as error:  # half a surrogate pair, a number without end
        why = f"a value cannot be kept ({error}). Remove it"
        raise BadRow("malformed JSON", why) from None
    return raw


def _spell(raw: object) -> str:
    if isinstance(raw, bytes):
        return raw[: 4 * RAW_CHARS].decode("utf-8", "replace")
    return "" if isinstance(raw, BadRow) else json.dumps(raw)[: 4 * RAW_CHARS]
