"""A work of OpenAlex, as its snapshot and its API write it -> a row under the common names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from searchkit.corpus.rows import BadRow, Fields
from searchkit.corpus.scholar.fields import arxiv_id_of, pages_of, scholar_row
from searchkit.corpus.scholar.kinds import of_openalex
from searchkit.corpus.scholar.names import family_first

_WORK = re.compile(r"(?:https?://openalex\.org/)?(?:works/)?(W[0-9]+)$", re.IGNORECASE)
_MARKS = {"abstract_inverted_index", "authorships", "primary_location", "publication_year"}
_POSITIONS = 1_000_000  # a word said to stand further on is a fault of the file


def is_openalex(row: Mapping[str, Any]) -> bool:
    """Whether a row is a work: an id of OpenAlex and two of the fields that only a work has."""
    id_ = row.get("id")
    return isinstance(id_, str) and "openalex.org/W" in id_ and len(_MARKS & row.keys()) > 1


def openalex_row(work: Mapping[str, Any]) -> Fields:
    """The row of a work; its id is the W id. BadRow for what is no work.

    The abstract is put together from its inverted index. Of what else a work holds its kind,
    topics, keywords, language, address, counts of citations and references (as W ids) are kept;
    institutions, funding and yearly counts are not.
    """
    given = work.get("id") or _of(work, "ids").get("openalex")
    found = _WORK.search(given) if isinstance(given, str) else None
    if found is None:
        raise BadRow("not a work", "the id is no work of OpenAlex, which looks like W2741809807")
    location = _of(work, "primary_location")
    source, biblio = _of(location, "source"), _of(work, "biblio")
    kind, genre = of_openalex(_text(work, "type"), _text(source, "type"))
    address = _text(location, "landing_page_url")
    meta: Fields = {
        "authors": [name for one in _list(work, "authorships") if (name := _author(one))],
        "year": work.get("publication_year"),
        "venue": _text(source, "display_name"),
        "doi": _text(work, "doi") or _text(_of(work, "ids"), "doi"),
        "type": kind,
        "genre": genre,
        "arxiv_id": _arxiv_id(work),
        "date": _text(work, "publication_date"),
        "volume": _text(biblio, "volume"),
        "number": _text(biblio, "issue"),
        "pages": pages_of(_text(biblio, "first_page"), _text(biblio, "last_page")),
        "publisher": _text(source, "host_organization_name"),
        "issn": _text(source, "issn_l"),
        "url": "" if "doi.org/" in address else address,
        "language": _text(work, "language"),
        "pmid": _text(_of(work, "ids"), "pmid").rpartition("/")[2],
        "keywords": _names(work, "keywords"),
        "topics": _names(work, "topics"),
        "cited_by_count": _number(work, "cited_by_count"),
        "is_retracted": work.get("is_retracted") or None,
        "oa_status": _text(_of(work, "open_access"), "oa_status"),
        "references": [w for one in _list(work, "referenced_works") if (w := _work_id(one))],
    }
    title = _text(work, "title") or _text(work, "display_name")
    return scholar_row(found[1].upper(), title, _abstract(work), meta)


def _abstract(work: Mapping[str, Any]) -> str:
    """The words of `abstract_inverted_index` in their places."""
    index = work.get("abstract_inverted_index")
    if index is None:
        return _text(work, "abstract")
    if not isinstance(index, dict):
        raise _wrong("abstract_inverted_index", 'an object such as {"Dark": [0], "matter": [1]}')
    words: dict[int, str] = {}
    for word, places in index.items():
        if not isinstance(places, list):
            raise _wrong("abstract_inverted_index", "a list of places for each word")
        for place in places:
            if type(place) is not int or not 0 <= place < _POSITIONS:
                raise _wrong("abstract_inverted_index", "places from 0 on")
            words[place] = word
    return " ".join(words[place] for place in sorted(words))


def _arxiv_id(work: Mapping[str, Any]) -> str:
    """Where a version of the work lies on arXiv."""
    for location in _list(work, "locations"):
        address = _text(location, "landing_page_url") if isinstance(location, dict) else ""
        if "arxiv.org" in address:
            return arxiv_id_of(address) or ""
    return ""


def _author(authorship: object) -> str:
    if not isinstance(authorship, dict):
        return ""
    name = _text(_of(authorship, "author"), "display_name")
    return family_first(_plain(name or _text(authorship, "raw_author_name")))


def _plain(name: str) -> str:
    """The name without the signs that BibTeX's reading of names would act on."""
    return re.sub(r"[{}\\]", "", name)


def _work_id(address: object) -> str:
    found = _WORK.search(address) if isinstance(address, str) else None
    return found[1] if found else ""


def _names(work: Mapping[str, Any], field: str) -> list[str]:
    texts = (_text(one, "display_name") for one in _list(work, field) if isinstance(one, dict))
    return [text for text in texts if text]


def _of(row: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = row.get(field)
    return found if isinstance(found, dict) else {}


def _list(row: Mapping[str, Any], field: str) -> list[Any]:
    found = row.get(field)
    return found if isinstance(found, list) else []


def _text(row: Mapping[str, Any], field: str) -> str:
    found = row.get(field)
    return found if isinstance(found, str) else ""


def _number(row: Mapping[str, Any], field: str) -> int | None:
    found = row.get(field)
    return found if type(found) is int else None


def _wrong(field: str, wanted: str) -> BadRow:
    return BadRow("wrong type", f"{field} is not written as OpenAlex does. Write {wanted}")
