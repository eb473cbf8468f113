"""References -> BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator

from searchkit.corpus.scholar.kinds import bibtex_type
from searchkit.corpus.scholar.latex import to_latex
from searchkit.corpus.scholar.names import MORE, parts_of
from searchkit.corpus.scholar.reference import Reference

_UNSAFE = re.compile(r"[^A-Za-z0-9:._/+-]+")
_FIELD = re.compile(r"[a-z][a-z0-9_-]*")
_AND = re.compile(r"\band\b", re.IGNORECASE)
_IN_BOOKS = ("paper-conference", "chapter", "entry")
_PUBLISHERS = {"thesis": "school", "report": "institution"}
_RENAMED = {"place": "address"}
_PERCENT = {sign: f"%{ord(sign):02X}" for sign in "{}\\"}


class Keys:
    """A key of its own for every entry: its id where BibTeX can hold it."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, id_: str) -> str:
        """The id without what a key cannot hold; a number behind it where that was taken."""
        base = _UNSAFE.sub("-", id_).strip("-") or "doc"
        key, n = base, 2
        while key.lower() in self._taken:  # BibTeX tells keys apart by more than capitals
            key, n = f"{base}-{n}", n + 1
        self._taken.add(key.lower())
        return key


def bibtex_entry(work: Reference, key: str) -> str:
    """One entry, a field a line; letters are Unicode, signs that LaTeX acts on are written out.

    The title stands in braces of its own: a style cannot take its capitals.
    """
    fields = {name: value for name, value in _fields(work) if value}
    for name, text in work.rest.items():
        if _FIELD.fullmatch(name) and name not in fields and name not in ("type", "title"):
            fields[name] = to_latex(text)
    lines = (f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{bibtex_type(work.type, work.texts.get('genre', ''))}{{{key},\n{''.join(lines)}}}\n"


def _fields(work: Reference) -> Iterator[tuple[str, str]]:
    """Names and values, empty ones among them."""
    yield "author", " and ".join(map(_person, work.authors))
    yield "editor", " and ".join(map(_person, work.editors))
    yield "title", f"{{{to_latex(work.title)}}}" if work.title else ""
    yield "year", "" if work.year is None else str(work.year)
    for ours, text in work.texts.items():
        yield _name_of(ours, work.type), _value(ours, text)
    yield "doi", _verbatim(work.doi)
    yield "eprint", work.arxiv_id
    yield "archiveprefix", "arXiv" if work.arxiv_id else ""
    # one keyword with a comma in it would be read as several
    end = ";" if len(work.keywords) == 1 and "," in work.keywords[0] else ""
    yield "keywords", to_latex("; ".join(work.keywords) + end)
    yield "abstract", to_latex(work.abstract)


def _value(ours: str, text: str) -> str:
    if ours == "url":
        return _verbatim(text)
    return to_latex(text).replace("-", "--") if ours == "pages" else to_latex(text)


def _name_of(ours: str, kind: str) -> str:
    """The field that holds one of ours in an entry of this kind."""
    if ours == "venue":
        return "booktitle" if kind in _IN_BOOKS else "journal"
    if ours == "publisher":
        return _PUBLISHERS.get(kind, ours)
    return "type" if ours == "genre" else _RENAMED.get(ours, ours)


def _person(name: str) -> str:
    """A name as BibTeX reads it; one without parts holds together by braces."""
    if name == MORE:
        return name
    family, given, suffix = (to_latex(part) for part in parts_of(name))
    words = [family, suffix, given] if suffix else [family, given]
    if not given or any("," in word for word in words):
        return f"{{{to_latex(name)}}}"
    return ", ".join(f"{{{word}}}" if _AND.search(word) else word for word in words)


def _verbatim(text: str) -> str:
    """An address or a DOI, which no style reads as LaTeX."""
    return "".join(_PERCENT.get(sign, sign) for sign in text)
