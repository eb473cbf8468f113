"""References -> RIS."""

from __future__ import annotations

import re
from collections.abc import Iterator

from searchkit.corpus.scholar.kinds import ris_type
from searchkit.corpus.scholar.names import persons
from searchkit.corpus.scholar.reference import Reference

_TAGS = {
    "venue": "T2",
    "volume": "VL",
    "number": "IS",
    "publisher": "PB",
    "place": "CY",
    "isbn": "SN",
    "issn": "SN",
    "language": "LA",
    "genre": "M3",
    "edition": "ET",
    "note": "N1",
    "date": "DA",
    "url": "UR",
}
_FOREIGN = re.compile(r"[a-z][a-z0-9]")


def ris_record(work: Reference) -> str:
    """One record, from TY to ER."""
    lines = [f"{tag}  - {value}" for tag, value in _fields(work) if value]
    return "\n".join((f"TY  - {ris_type(work.type)}", *lines, "ER  - ", ""))


def _fields(work: Reference) -> Iterator[tuple[str, str]]:
    yield "ID", work.id
    for tag, values in (("AU", work.authors), ("ED", work.editors)):
        yield from ((tag, value) for value in persons(values))
    yield "TI", work.title
    # what is no year or DOI goes where it stood, and the reader keeps it as given again
    yield "PY", work.rest.get("year_as_given", "") if work.year is None else str(work.year)
    for name, text in work.texts.items():
        if name == "pages":
            first, sign, last = text.partition("-")
            yield from (("SP", first), ("EP", last)) if sign and "-" not in last else [("SP", text)]
        else:
            yield _TAGS[name], text
    yield "DO", work.doi or work.rest.get("doi_as_given", "")
    if work.arxiv_id:
        yield "UR", f"https://arxiv.org/abs/{work.arxiv_id}"
    yield from (("KW", word) for word in work.keywords)
    yield "AB", work.abstract
    # a tag that the reader kept under its own name
    yield from ((n.upper(), text) for n, text in work.rest.items() if _FOREIGN.fullmatch(n))
