"""A record of arXiv's metadata snapshot -> a row under the common names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from searchkit.corpus.rows import BadRow, Fields
from searchkit.corpus.scholar.fields import arxiv_id_of, scholar_row
from searchkit.corpus.scholar.kinds import PREPRINT
from searchkit.corpus.scholar.latex import from_latex
from searchkit.corpus.scholar.names import Name, family_first, spell, split_people

_MARKS = {"authors_parsed", "versions", "update_date", "journal-ref", "submitter", "categories"}
_OLD = re.compile(r"/([0-9]{2})[0-9]{5}$")
_NEW = re.compile(r"([0-9]{2})[0-9]{2}\.")


def is_arxiv(row: Mapping[str, Any]) -> bool:
    """Whether a row is a record of the snapshot: an arXiv id and three fields of its own."""
    id_ = row.get("id")
    return isinstance(id_, str) and arxiv_id_of(id_) is not None and len(_MARKS & row.keys()) > 2


def arxiv_row(record: Mapping[str, Any]) -> Fields:
    """The row of a record; its id is the arXiv id as given, its year that of the first version.

    BadRow for what is no record. `journal-ref`, where a paper was published, is kept as
    `journal_ref`: it is a whole reference, not the name of a venue.
    """
    given = record.get("id")
    arxiv_id = arxiv_id_of(given) if isinstance(given, str) else None
    if arxiv_id is None:
        raise BadRow("not a record", "the id is none of arXiv, which looks like 0704.0001")
    date = _first_date(record)
    meta: Fields = {
        "authors": _authors(record),
        "year": int(date[:4]) if date else _year_in(arxiv_id),
        "venue": "arXiv",
        "doi": _text(record, "doi").partition(" ")[0],  # of several the first
        "arxiv_id": arxiv_id,
        "type": PREPRINT,
        "categories": _text(record, "categories").split(),
        "date": date,
        "updated": _text(record, "update_date"),
        "journal_ref": _plain(record, "journal-ref"),
        "comments": _plain(record, "comments"),
        "report_no": _text(record, "report-no"),
        "license": _text(record, "license"),
    }
    return scholar_row(given, _plain(record, "title"), _plain(record, "abstract"), meta)


def _authors(record: Mapping[str, Any]) -> list[str]:
    parsed = record.get("authors_parsed")
    if isinstance(parsed, list) and parsed:
        return [name for one in parsed if (name := _name(one))]
    people = split_people(re.sub(r",\s+(?:and\s+)?", " and ", _text(record, "authors")))
    return [name for one in people if (name := from_latex(family_first(one)))]


def _name(parts: object) -> str:
    """[family, given, suffix] and what may follow of affiliations."""
    if not (isinstance(parts, Sequence) and all(isinstance(part, str) for part in parts)):
        return ""
    return spell(Name(*(from_latex(part) for part in (*parts, "", "")[:3])))


def _first_date(record: Mapping[str, Any]) -> str:
    """The day of the first version as ISO 8601, "" where nobody knows it."""
    versions = record.get("versions")
    first = versions[0] if isinstance(versions, list) and versions else None
    created = first.get("created") if isinstance(first, dict) else None
    if not isinstance(created, str):
        return ""
    try:
        return parsedate_to_datetime(created).date().isoformat()
    except ValueError:
        return ""


def _year_in(arxiv_id: str) -> int | None:
    """The year that an arXiv id begins with; the archive is from 1991."""
    found = _OLD.search(arxiv_id) or _NEW.match(arxiv_id)
    if not found:
        return None
    year = int(found[1])
    return 1900 + year if year > 90 else 2000 + year


def _plain(record: Mapping[str, Any], field: str) -> str:
    return from_latex(_text(record, field))


def _text(record: Mapping[str, Any], field: str) -> str:
    found = record.get(field)
    return found if isinstance(found, str) else ""
