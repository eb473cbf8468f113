"""A document, with whatever metadata it has -> what a bibliography says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from searchkit.corpus.scholar.fields import arxiv_id_of, doi_of, joined, split_keywords, year_of
from searchkit.corpus.scholar.kinds import CSL, OTHER, PREPRINT
from searchkit.corpus.scholar.names import parts_of, spell
from searchkit.types import Doc

_PEOPLE = {"authors": ("authors", "author"), "editors": ("editors", "editor")}
_TEXTS = {  # our name -> the columns it may stand in, the first that holds something wins
    "venue": ("venue", "journal", "booktitle"),
    "publisher": ("publisher",),
    "volume": ("volume",),
    "number": ("number", "issue"),
    "pages": ("pages",),
    "date": ("date",),
    "url": ("url",),
    "language": ("language",),
    "isbn": ("isbn",),
    "issn": ("issn",),
    "genre": ("genre",),
    "edition": ("edition",),
    "place": ("place", "address"),
    "note": ("note",),
}
_NAMED = {"type", "year", "doi", "arxiv_id", "keywords"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is known of a publication; what is not is empty. Names are `Family, Given, Suffix`."""

    id: str
    type: str  # in CSL's words
    title: str = ""
    abstract: str = ""
    authors: tuple[str, ...] = ()
    editors: tuple[str, ...] = ()
    year: int | None = None
    doi: str = ""
    arxiv_id: str = ""
    keywords: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)  # venue, volume, number, pages, ...
    rest: Mapping[str, str] = field(default_factory=dict)  # metadata that no format has a word for


def reference(doc: Doc) -> Reference:
    """What the metadata of a document says under the common names, or the usual ones."""
    meta = {name: value for name, value in doc.meta.items() if value not in (None, "", [])}
    people = {ours: _people(_taken(meta, names)) for ours, names in _PEOPLE.items()}
    texts = {ours: spelled(_taken(meta, names)) for ours, names in _TEXTS.items()}
    known = {name: meta.pop(name, None) for name in _NAMED}
    arxiv_id = arxiv_id_of(spelled(known["arxiv_id"])) or ""
    kind = spelled(known["type"])
    if kind not in CSL:
        texts["genre"] = texts["genre"] or kind
        kind = PREPRINT if arxiv_id else "article-journal" if texts["venue"] else OTHER
    keywords = known["keywords"]
    return Reference(
        id=doc.id,
        type=kind,
        title=joined(doc.title),
        abstract=joined(doc.text),
        **people,
        year=year_of(spelled(known["year"])),
        doi=doi_of(spelled(known["doi"])) or "",
        arxiv_id=arxiv_id,
        keywords=tuple(
            keywords if isinstance(keywords, list) else split_keywords(spelled(keywords))
        ),
        texts={name: text for name, text in texts.items() if text},
        rest={name: text for name, value in meta.items() if (text := spelled(value))},
    )


def spelled(value: object) -> str:
    """A value in one line; a list with semicolons, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(map(spelled, value))
    if isinstance(value, float) and value.is_integer():  # a year beside missing ones
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else joined(str(value))


def _taken(meta: dict[str, Any], names: tuple[str, ...]) -> Any:  # noqa: ANN401 - any metadata
    name = next((name for name in names if name in meta), None)
    return None if name is None else meta.pop(name)


def _people(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        text = spelled(value)
        value = text.split(";") if ";" in text else text.split(" and ")
    names = (spell(parts_of(spelled(one))) for one in value)
    return tuple(name for name in names if name)
