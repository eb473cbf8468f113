"""RIS files -> rows, a record at a time.

No library carries this: rispy, the one that is alive, reads whole files, numbers no line, drops a
record without an end silently and fails on a text line before the first tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import read_lines, shown
from searchkit.corpus.meta import typed_values
from searchkit.corpus.rows import BadRow, Fields, Rows
from searchkit.corpus.scholar.fields import (
    arxiv_id_of,
    first_text,
    is_arxiv_page,
    joined,
    pages_of,
    scholar_row,
    split_keywords,
)
from searchkit.corpus.scholar.kinds import of_ris
from searchkit.corpus.scholar.names import parts_of, spell
from searchkit.corpus.scholar.record import Gathering, Record, spell_record

_TAG = re.compile(r"([A-Z][A-Z0-9])  ?-(?: (.*))?$", re.DOTALL)
_TAGGED = re.compile(rb"[A-Z][A-Z0-9]  -(?: |\r?$)")
_OURS = {  # our name -> the tags that hold it, the first that does wins
    "title": ("TI", "T1", "CT"),
    "abstract": ("AB", "N2"),
    "venue": ("T2", "JF", "JO", "JA", "J1", "J2", "BT"),
    "year": ("PY", "Y1", "DA"),
    "doi": ("DO",),
    "volume": ("VL",),
    "number": ("IS",),
    "publisher": ("PB",),
    "place": ("CY",),
    "language": ("LA",),
    "genre": ("M3",),
    "edition": ("ET",),
    "note": ("N1",),
    "accession": ("AN",),
    "date": ("DA",),
}
_LISTS = {"authors": ("AU", "A1"), "editors": ("ED", "A2")}
_SPENT = {"TY", "ER", "ID", "SP", "EP", "KW", "UR", "SN"} | {
    tag for tags in (*_OURS.values(), *_LISTS.values()) for tag in tags
}


def open_ris(source: str, *, zipped: bool, ledger: ReadLedger) -> Rows:
    """The rows of a RIS file, each numbered by the line of its TY.

    The id is ID, else the DOI, else the accession number AN, else first author, year and a digest
    of the record. A line without a tag goes on with the one before; what stands between records,
    as some databases write of themselves, belongs to none. Memory holds one record.
    """
    lines = read_lines(source, zipped=zipped, ledger=ledger)
    numbered = _records(lines)
    return Rows(
        shown(source),
        numbered,
        _parse,
        meta=typed_values,
        spell=spell_record,
        close=lines.close,
    )


def _records(lines: Iterator[bytes]) -> Iterator[tuple[int, Record]]:
    gathered = Gathering()
    for number, line in enumerate(lines, 1):
        tag = line[:2] if _TAGGED.match(line) else None
        if tag == b"TY" and not gathered.is_empty:
            yield gathered.take(BadRow("malformed record", _OPEN))
        if tag == b"ER":
            if gathered.is_empty:
                gathered.add(number, line)
                yield gathered.take(BadRow("malformed record", _NO_BEGIN))
            else:
                yield gathered.take()
        elif tag == b"TY" or not gathered.is_empty:
            gathered.add(number, line)
        elif tag is not None:
            gathered.add(number, line)
            yield gathered.take(BadRow("malformed record", _NO_BEGIN))
    if not gathered.is_empty:
        yield gathered.take(BadRow("malformed record", _OPEN))


_OPEN = "the record has no end. Write ER, two blanks and a dash behind its last line"
_NO_BEGIN = "the line belongs to no record. Write TY, two blanks, a dash and its type before it"


def _parse(record: Record) -> Fields:
    if record.fault is not None:
        raise record.fault
    tags = _tags(record)
    if not tags.get("TY", [""])[0]:
        raise BadRow("malformed record", "TY says no type. Write one behind its dash, e.g. JOUR")
    meta: Fields = {
        name: first_text({t: _one(tags, t) for t in of}, of) for name, of in _OURS.items()
    }
    title, text = meta.pop("title"), meta.pop("abstract")
    if not title and "BT" in tags:  # of a whole book
        title, meta["venue"] = _one(tags, "BT"), ""
    for name, of in _LISTS.items():
        people = [spell(parts_of(one)) for tag in of for one in tags.get(tag, ())]
        meta[name] = [one for one in people if one]
    meta["keywords"] = [word for text_ in tags.get("KW", ()) for word in split_keywords(text_, ";")]
    meta["pages"] = pages_of(_one(tags, "SP"), _one(tags, "EP"))
    _place(meta, tags)
    kind, genre = of_ris(tags["TY"][0])
    meta |= {"type": kind, "genre": meta["genre"] or genre}
    meta |= {tag.lower(): "; ".join(held) for tag, held in tags.items() if tag not in _SPENT}
    row = scholar_row("", title, text, meta)
    row["_id"] = _one(tags, "ID") or row.get("doi") or meta["accession"] or _derived(row)
    return row


def _tags(record: Record) -> dict[str, list[str]]:
    """Tag -> its values, in the order of the record."""
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for line in record.lines:
        begun = _TAG.match(line) if _TAGGED.match(line.encode()) else None
        if begun is None:
            if values and line.strip():
                values[-1] = f"{values[-1]} {line}"
            continue
        values = found.setdefault(begun[1], [])
        values.append(begun[2] or "")
    return {
        tag: held for tag, texts in found.items() if (held := [t for t in map(joined, texts) if t])
    }


def _one(tags: dict[str, list[str]], tag: str) -> str:
    return tags.get(tag, [""])[0]


def _place(meta: Fields, tags: dict[str, list[str]]) -> None:
    """Sort addresses and serial numbers by what they are."""
    urls = tags.get("UR", [])
    pages = [url for url in urls if is_arxiv_page(url)]
    meta["arxiv_id"] = arxiv_id_of(pages[0]) if pages else ""
    rest = [url for url in urls if url not in pages]
    meta["url"] = rest[0] if rest else ""
    if rest[1:]:
        meta["more_urls"] = rest[1:]
    for serial in tags.get("SN", ()):
        name = "isbn" if sum(map(str.isdigit, serial)) > 8 else "issn"
        meta[name] = f"{meta[name]}; {serial}" if meta.get(name) else serial


def _derived(row: Fields) -> str:
    """An id that does not depend on where in the file the record stands."""
    first = parts_of(row["authors"][0]).family if row.get("authors") else "anonymous"
    said = [row.get(name) for name in ("title", "text", "authors", "year")]
    digest = sha256(repr(said).encode()).hexdigest()
    name = "-".join(first.lower().split())
    return f"{name}-{row.get('year', 'undated')}-{digest[:8]}"
