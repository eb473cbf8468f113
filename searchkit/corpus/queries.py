"""A file of queries -> queries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from searchkit.corpus.jsonl import parse_line
from searchkit.corpus.lines import is_zipped, numbered_lines
from searchkit.corpus.rows import BadRow, check_length, decode
from searchkit.corpus.values import id_of, text_of
from searchkit.errors import CorpusError
from searchkit.types import Query

_LOG = logging.getLogger(__name__)
_HEADERS = {("_id", "text"), ("id", "text"), ("query-id", "text"), ("qid", "query")}  # of TSV


def read_queries(path: Path) -> list[Query]:
    """The queries in file order: JSONL with `_id` (or `id`) and `text`, or TSV, each also .gz.

    A line of TSV is id, tab, text; a header `id text` is known as one. Other fields are left
    out. CorpusError: a line that is no query, an id that occurs twice, no query at all. A NUL
    character in a text, which a query cannot mean, becomes a space and is logged.
    """
    parse = _parser(path)
    found: dict[str, Query] = {}
    with numbered_lines(path) as lines:
        for number, line in lines:
            if not line.strip():
                continue
            try:
                id_, text = parse(line)
                if number == 1 and parse is _from_tsv and (id_, text) in _HEADERS:
                    continue
                if isinstance(text, str) and "\0" in text:
                    _LOG.warning(
                        "%s:%d: a NUL character in the query became a space.", path, number
                    )
                    text = text.replace("\0", " ")
                query = _query(id_, text)
            except BadRow as bad:
                raise CorpusError(path, number, bad.why) from None
            if query.id in found:
                why = f"the query id {query.id!r} occurred before. Make ids unique"
                raise CorpusError(path, number, why)
            found[query.id] = query
    if not found:
        raise CorpusError(path, None, "there is no query in it. Check the file")
    return list(found.values())


def _parser(path: Path) -> Callable[[bytes], tuple[object, object]]:
    parsers = {".jsonl": _from_json, ".json": _from_json, ".ndjson": _from_json, ".tsv": _from_tsv}
    suffix = (path.with_suffix("") if is_zipped(path.name) else path).suffix.lower()
    if suffix not in parsers:
        why = f"the name does not tell the format. Let it end in {', '.join(parsers)}"
        raise CorpusError(path, None, why)
    return parsers[suffix]


def _from_json(line: bytes) -> tuple[object, object]:
    row = parse_line(line)
    ids = [name for name in ("_id", "id") if name in row]
    if not ids or "text" not in row:
        there = ", ".join(row) or "nothing"
        raise BadRow("missing field", f"a query needs _id and text. The line has {there}")
    return row[ids[0]], row["text"]


def _from_tsv(line: bytes) -> tuple[object, object]:
    check_length(line)
    id_, tab, text = decode(line.rstrip(b"\r")).partition("\t")
    if not tab:
        raise BadRow("missing field", "a line is the query's id, a tab and its text. Add the tab")
    return id_, text


def _query(id_: object, text: object) -> Query:
    query = Query(id_of(id_), text_of(text, "text"))
    if not query.text.strip():
        raise BadRow("no text", f"query {query.id!r} has no text. Remove it")
    return query
