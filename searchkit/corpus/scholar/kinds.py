"""Kinds of publications in the words of BibTeX, RIS and OpenAlex <-> those of CSL, which we keep.

Source of the words: Citation Style Language 1.0.2; BibTeX and biblatex entry types; RIS types.
"""

from __future__ import annotations

CSL = frozenset(
    "article article-journal article-magazine article-newspaper bill book broadcast chapter "
    "classic collection dataset document entry entry-dictionary entry-encyclopedia event figure "
    "graphic hearing interview legal_case legislation manuscript map motion_picture "
    "musical_score pamphlet paper-conference patent performance periodical "
    "personal_communication post post-weblog regulation report review review-book software song "
    "speech standard thesis treaty webpage".split()
)
PREPRINT, OTHER = "article", "document"  # CSL's article without more is a preprint

_BIBTEX = {  # the first name of a kind is the one that is written
    "article-journal": "article suppperiodical",
    "article-magazine": "periodical",
    "book": "book mvbook collection mvcollection proceedings mvproceedings reference mvreference",
    "chapter": "incollection inbook bookinbook suppbook suppcollection",
    "dataset": "dataset",
    "entry": "inreference",
    "manuscript": "unpublished",
    "pamphlet": "booklet",
    "paper-conference": "inproceedings conference",
    "patent": "patent",
    "report": "techreport report manual",
    "software": "software",
    "thesis": "phdthesis thesis mastersthesis",
    "webpage": "online electronic www",
    "document": "misc",
}
_RIS = {
    "article-journal": "JOUR EJOUR JFULL ABST INPR",
    "article-magazine": "MGZN",
    "article-newspaper": "NEWS",
    "book": "BOOK EBOOK EDBOOK CLSWK SER",
    "chapter": "CHAP ECHAP",
    "dataset": "DATA AGGR",
    "document": "GEN",
    "entry-dictionary": "DICT",
    "entry-encyclopedia": "ENCYC",
    "hearing": "HEAR",
    "legal_case": "CASE",
    "legislation": "STAT BILL",
    "manuscript": "UNPB MANSCPT UNPD",
    "map": "MAP",
    "motion_picture": "VIDEO MPCT",
    "pamphlet": "PAMP",
    "paper-conference": "CPAPER CONF",
    "patent": "PAT",
    "personal_communication": "PCOMM",
    "post-weblog": "BLOG",
    "report": "RPRT GOVDOC",
    "software": "COMP",
    "song": "SOUND MUSIC",
    "speech": "SLIDE",
    "standard": "STAND",
    "thesis": "THES",
    "webpage": "ELEC ICOMM",
}
_OPENALEX = {
    "book": "book",
    "book-chapter": "chapter",
    "dataset": "dataset",
    "dissertation": "thesis",
    "other": OTHER,
    "paratext": OTHER,
    "peer-review": "review",
    "preprint": PREPRINT,
    "reference-entry": "entry",
    "report": "report",
    "software": "software",
    "standard": "standard",
}
_GENRES = {"phdthesis": "PhD thesis", "mastersthesis": "Master's thesis"}


def _kinds(names: dict[str, str]) -> dict[str, str]:
    return {name: kind for kind, words in names.items() for name in words.split()}


_OF_BIBTEX, _OF_RIS = _kinds(_BIBTEX), _kinds(_RIS)


def of_bibtex(entry_type: str) -> tuple[str, str]:
    """The kind and the genre (may be empty) that an entry type means; a foreign one is a genre."""
    name = entry_type.lower()
    kind = _OF_BIBTEX.get(name)
    return (OTHER, name) if kind is None else (kind, _GENRES.get(name, ""))


def of_ris(name: str) -> tuple[str, str]:
    """The same of a RIS type."""
    kind = _OF_RIS.get(name.upper())
    return (OTHER, name) if kind is None else (kind, "")


def of_openalex(name: str, source: str) -> tuple[str, str]:
    """The same of an OpenAlex type. source: the type of what it appeared in."""
    if name in _OPENALEX:
        return _OPENALEX[name], ""
    kind = "paper-conference" if source == "conference" else "article-journal"
    return kind, "" if name == "article" else name  # a review, a letter, an editorial


def bibtex_type(kind: str, genre: str) -> str:
    """The entry type that a kind is written as."""
    if kind == "thesis" and "master" in genre.lower():
        return "mastersthesis"
    return _BIBTEX.get(kind, "misc").split()[0]


def ris_type(kind: str) -> str:
    return _RIS.get(kind, "GEN").split()[0]
