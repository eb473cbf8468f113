"""Years, DOIs and arXiv ids as people write them -> one spelling each, and a row of typed fields.

Whatever the source, a document has the metadata `authors` (list of "Family, Given, Suffix"; a name
without a comma is one that has no parts), `year` (int), `venue`, `doi` (lower case, no resolver),
`arxiv_id` (no prefix, no version) and `type` (in CSL's words), as far as they are known. What else
the source tells stays beside them under its own name; a year, DOI or arXiv id that is none stays
as `year_as_given` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from searchkit.corpus.rows import Fields
from searchkit.corpus.scholar.kinds import OTHER, PREPRINT

_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?!\d)")
_DOI = re.compile(
    r"(?:^|doi\.org/|doi:|\s)\s*(10\.[0-9]{4,9}(?:\.[0-9]+)*/[^\s{}]+)", re.IGNORECASE
)
# since April 2007 four digits, a point, four or five digits; before, archive/yymmnnn
_ARXIV = re.compile(
    r"(?:^|arxiv(?:\.org)?(?:/(?:abs|pdf)/|[:./\s])|\s)\s*"
    r"([0-9]{4}\.[0-9]{4,5}|[a-z][a-z-]+(?:\.[a-z]{2})?/[0-9]{7})(?:v[0-9]+)?(?![0-9])",
    re.IGNORECASE,
)
_ARXIV_DOI = "10.48550/arxiv."
_ARXIV_PAGE = re.compile(r"https?://(?:www\.)?arxiv\.org/(?:abs|pdf)/", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")
FIRST = ("authors", "year", "venue", "doi", "arxiv_id", "type")


def year_of(text: str) -> int | None:
    """The first year from 1000 to 2099 in a text."""
    found = _YEAR.search(text)
    return int(found[1]) if found else None


def doi_of(text: str) -> str | None:
    """The DOI in a text, in lower case, without a resolver's address: DOIs ignore capitals."""
    found = _DOI.search(text)
    return found[1].rstrip(".,;").lower() if found else None


def arxiv_id_of(text: str) -> str | None:
    """The arXiv id in a text, without prefix, version and, of an old one, the subject class."""
    found = _ARXIV.search(text)
    if not found:
        return None
    archive, slash, number = found[1].lower().partition("/")
    return f"{archive.partition('.')[0]}/{number}" if slash else archive


def is_arxiv_page(url: str) -> bool:
    """Whether an address says no more than an arXiv id does."""
    return _ARXIV_PAGE.match(url) is not None and arxiv_id_of(url) is not None


def joined(text: str) -> str:
    """The text in one line: where lines end is an accident of the file."""
    return _BLANKS.sub(" ", text).strip()


def scholar_row(id_: object, title: str, text: str, meta: Mapping[str, Any]) -> Fields:
    """A row with the common fields first and without what is empty.

    meta: `year`, `doi` and `arxiv_id` may be text as given, `url` may be an arXiv page.
    """
    known = dict(meta)
    for name, spell in (("year", year_of), ("doi", doi_of), ("arxiv_id", arxiv_id_of)):
        given = known.get(name)
        if isinstance(given, str) and given:
            known[name] = spell(given)
            if known[name] is None:
                known[f"{name}_as_given"] = given
    _find_arxiv_id(known)
    if known.get("arxiv_id") and known.get("type") == OTHER:
        known["type"] = PREPRINT
    ordered = {name: known.get(name) for name in FIRST} | known
    kept = {name: value for name, value in ordered.items() if value not in (None, "", [])}
    return {"_id": id_, "title": title, "text": text} | kept


def _find_arxiv_id(known: Fields) -> None:
    """Take the arXiv id from a DOI or an address that holds it."""
    doi, url = known.get("doi") or "", known.get("url") or ""
    if not known.get("arxiv_id") and doi.startswith(_ARXIV_DOI):
        known["arxiv_id"] = arxiv_id_of(doi.removeprefix(_ARXIV_DOI))
    if is_arxiv_page(url):
        found = arxiv_id_of(url)
        if known.get("arxiv_id") in (None, found):
            known["arxiv_id"] = found
            del known["url"]


def split_keywords(text: str, separators: str = ";,") -> list[str]:
    """The keywords of a text, divided by the first of the separators that stands in it."""
    sign = next((one for one in separators if one in text), "\n")
    return [word for part in text.split(sign) if (word := joined(part))]


def pages_of(first: str, last: str = "") -> str:
    """A range of pages with one hyphen; a single page alone."""
    first, last = joined(first), joined(last)
    return f"{first}-{last}" if first and last and last != first else first or last


def first_text(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of the fields that holds text."""
    return next((str(fields[name]) for name in names if fields.get(name)), "")
