"""References -> items of CSL-JSON, the form that citation processors read.

Source: Citation Style Language 1.0.2, schema csl-data.
"""

from __future__ import annotations

import re
from typing import Any

from searchkit.corpus.scholar.names import parts_of, persons
from searchkit.corpus.scholar.reference import Reference

_NAMES = {
    "venue": "container-title",
    "volume": "volume",
    "pages": "page",
    "publisher": "publisher",
    "place": "publisher-place",
    "url": "URL",
    "isbn": "ISBN",
    "issn": "ISSN",
    "language": "language",
    "genre": "genre",
    "edition": "edition",
    "note": "note",
}
_DAY = re.compile(r"([0-9]{4})(?:[-/]([0-9]{1,2})(?:[-/]([0-9]{1,2}))?)?(?![0-9])")
_WITH_ISSUES = ("article-journal", "article-magazine", "article-newspaper", "periodical")


def csl_item(work: Reference) -> dict[str, Any]:
    """One item: `id` and `type`, and what is known."""
    item: dict[str, Any] = {"id": work.id, "type": work.type, "title": work.title}
    item |= {"author": _people(work.authors), "editor": _people(work.editors)}
    item["issued"] = _issued(work)
    item |= {name: work.texts.get(ours, "") for ours, name in _NAMES.items()}
    number = "issue" if work.type in _WITH_ISSUES else "number"
    item[number] = work.texts.get("number", "")
    item |= {"DOI": work.doi, "keyword": "; ".join(work.keywords), "abstract": work.abstract}
    if work.arxiv_id:
        item |= {"archive": "arXiv", "archive_location": work.arxiv_id}
    return {name: value for name, value in item.items() if value or name == "id"}


def _people(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [_person(name) for name in persons(names)]


def _person(name: str) -> dict[str, str]:
    parts = parts_of(name)
    if not parts.given:
        return {"literal": parts.family}
    return {part: text for part, text in parts._asdict().items() if text}


def _issued(work: Reference) -> dict[str, Any]:
    """The day where the date is of the year, else the year."""
    if work.year is None:
        return {}
    found = _DAY.match(work.texts.get("date", ""))
    if found is None or int(found[1]) != work.year:
        return {"date-parts": [[work.year]]}
    return {"date-parts": [[int(part) for part in found.groups() if part]]}
