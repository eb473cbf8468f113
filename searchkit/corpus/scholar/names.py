"""Names of persons as BibTeX knows them -> `Family, Given, Suffix`, and its parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from searchkit.corpus.scholar.fields import joined

MORE = "others"  # BibTeX's et al.
_SIGNS = re.compile(r"(?<!\\)[{}]|(?<=\s)and(?=\s)", re.IGNORECASE)


class Name(NamedTuple):
    """A person's name in parts; whatever has no parts is a family name alone."""

    family: str
    given: str = ""
    suffix: str = ""


def family_first(name: str) -> str:
    """A name as BibTeX reads it, with the family name (and its von) before the comma.

    Words in braces hold together; without a comma the last word is the family name, with the
    words in lower case before it. Source: Patashnik, BibTeXing, 1988.
    """
    from bibtexparser.middlewares.names import parse_single_name_into_parts

    parts = parse_single_name_into_parts(name, strict=False)
    words = [*parts.von, *parts.last]
    return spell(Name(*(" ".join(part) for part in (words, parts.first, parts.jr))))


def split_people(text: str) -> list[str]:
    """The names between the ands of a BibTeX field; an and in braces belongs to a name.

    bibtexparser's own way loses the accent of a name that begins with one: `and \\'Alvarez`.
    """
    names, depth, begin = list[str](), 0, 0
    for sign in _SIGNS.finditer(text):
        if sign[0] in "{}":
            depth = max(0, depth + (1 if sign[0] == "{" else -1))
        elif depth == 0:
            names.append(text[begin : sign.start()])
            begin = sign.end()
    return [name for one in (*names, text[begin:]) if (name := one.strip())]


def spell(name: Name) -> str:
    """`Family, Given, Suffix` without what is empty."""
    return ", ".join(part for part in (name.family, name.given, name.suffix) if part)


def persons(names: Sequence[str]) -> tuple[str, ...]:
    """The names without BibTeX's `others`, which no other format knows for what it is."""
    return tuple(name for name in names if name != MORE)


def parts_of(name: str) -> Name:
    """The parts of `Family, Given, Suffix`; more commas than two are no name's, it stays whole."""
    parts = [joined(part) for part in name.split(",")]
    if len(parts) > 3 or not all(parts):
        return Name(joined(name))
    return Name(*parts)
