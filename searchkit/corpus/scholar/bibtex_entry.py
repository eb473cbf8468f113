"""One BibTeX entry, its values resolved -> a row under the common names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from searchkit.corpus.rows import BadRow, Fields
from searchkit.corpus.scholar.fields import (
    arxiv_id_of,
    joined,
    scholar_row,
    split_keywords,
)
from searchkit.corpus.scholar.journals import JOURNALS
from searchkit.corpus.scholar.kinds import of_bibtex
from searchkit.corpus.scholar.latex import from_latex
from searchkit.corpus.scholar.names import family_first, split_people

_VERBATIM = frozenset(("doi", "url", "eprint", "file", "pdf", "bdsk-url-1", "adsurl", "biburl"))
_ESCAPED = re.compile(r"\\([%_&#{}$~^])(?:\{\})?")
_DASHES = re.compile(r"\s*(?:-{2,}|[–—])\s*")
_VENUES = ("journal", "journaltitle", "booktitle")
_PUBLISHERS = ("publisher", "school", "institution", "organization")
_PEOPLE = {"author": "authors", "editor": "editors"}
_AS_THEY_ARE = ("abstract", "title", "subtitle", *_PEOPLE)
_ARXIV = re.compile(r"arxiv", re.IGNORECASE)


def entry_row(entry_type: str, key: str, given: Mapping[str, str]) -> Fields:
    """The row of an entry. given: lower-case name -> value without its braces.

    BadRow for an entry without a key, or with LaTeX that cannot be read.
    """
    if not key:
        why = "the entry has no key. Write one behind the brace: @article{smith2019,"
        raise BadRow("missing id", why)
    people = {ours: _people(given.get(name, "")) for name, ours in _PEOPLE.items()}
    fields = {
        name: _verbatim(value) if name in _VERBATIM else from_latex(_macros(name, value))
        for name, value in given.items()
        if name not in _PEOPLE
    }
    title = joined(": ".join(filter(None, (fields.pop("title", ""), fields.pop("subtitle", "")))))
    text = fields.pop("abstract", "")
    kind, genre = of_bibtex(entry_type)
    if declared := fields.pop("type", ""):
        genre = declared
    _name(fields)
    meta: Fields = {**fields, **people, "type": kind, "genre": genre}
    meta["keywords"] = split_keywords(fields.get("keywords", ""))
    return scholar_row(key, title, text, meta)


def _name(fields: dict[str, str]) -> None:
    """Give the fields their common names."""
    fields["venue"] = _taken(fields, _VENUES)
    fields["publisher"] = _taken(fields, _PUBLISHERS)
    fields["number"] = _taken(fields, ("number", "issue"))
    fields["place"] = _taken(fields, ("address", "location"))
    fields["language"] = _taken(fields, ("language", "langid"))
    fields["year"] = fields.get("year") or fields.get("date", "")
    if pages := fields.get("pages"):
        fields["pages"] = _DASHES.sub("-", pages)
    archive = f"{fields.get('archiveprefix', '')} {fields.get('eprinttype', '')}"
    # Google Scholar writes: journal = {arXiv preprint arXiv:2101.00001}
    for name, is_one in (
        ("eprint", not archive.strip() or _ARXIV.search(archive)),
        ("venue", True),
    ):
        found = fields.get(name, "")
        if is_one and (name == "eprint" or _ARXIV.match(found)) and arxiv_id_of(found):
            fields["arxiv_id"] = fields.get("arxiv_id") or found
            if name == "venue":
                fields["venue"] = "arXiv"
            else:
                for spent in ("eprint", "archiveprefix", "eprinttype"):
                    fields.pop(spent, None)


def _taken(fields: dict[str, str], names: tuple[str, ...]) -> str:
    """The first of the fields that is there, taken out; what the others hold stays."""
    name = next((name for name in names if fields.get(name)), None)
    return "" if name is None else fields.pop(name)


def _people(text: str) -> list[str]:
    names = (family_first(name) for name in split_people(text.replace("\n", " ")))
    return [name for one in names if (name := from_latex(one))]


def _verbatim(text: str) -> str:
    return joined(_ESCAPED.sub(r"\1", text))


def _macros(name: str, value: str) -> str:
    """The journal behind a macro of the AAS, which ADS writes: `\\apj`."""
    if name in _VENUES and value.startswith("\\"):
        return JOURNALS.get(value[1:].strip(), value)
    return value
