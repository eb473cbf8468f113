"""Documents -> a bibliography in BibTeX, RIS or CSL-JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from searchkit.corpus.scholar.bibtex_text import Keys, bibtex_entry
from searchkit.corpus.scholar.csl import csl_item
from searchkit.corpus.scholar.reference import reference
from searchkit.corpus.scholar.ris_text import ris_record
from searchkit.errors import ConfigError
from searchkit.types import Doc

FORMATS = ("bibtex", "ris", "csl-json")


def citations(docs: Iterable[Doc], form: str) -> Iterator[str]:
    """The pieces of the text of a bibliography, one for each document, in their order.

    form: one of `FORMATS`. What `index` reads back from BibTeX has the same fields, from RIS
    those of them that have a tag there.
    ConfigError for another form, before the first document is asked for.
    """
    if form not in FORMATS:
        raise ConfigError(f"there is no citation format {form!r}. Formats: {', '.join(FORMATS)}.")
    works = (reference(doc) for doc in docs)
    if form == "ris":
        return map(ris_record, works)
    if form == "bibtex":
        keys = Keys()
        return (bibtex_entry(work, keys.of(work.id)) for work in works)
    return _array(orjson.dumps(csl_item(work)).decode() for work in works)


def _array(items: Iterator[str]) -> Iterator[str]:
    """A JSON array, an item a line, written as the items come."""
    sign = "[\n"
    for item in items:
        yield f"{sign}{item}"
        sign = ",\n"
    yield "[]\n" if sign == "[\n" else "\n]\n"
