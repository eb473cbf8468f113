"""A query and a text -> where its terms stand, and the passage around the best sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from re import finditer

from searchkit.models.sentences import split_sentences
from searchkit.protocols import Analyzer

ELLIPSIS = "…"
_LEAD = 40  # characters shown before the first match of a sentence that is too long


@dataclass(frozen=True, slots=True)
class Mark:
    """A word of a text that says what the query says."""

    start: int
    stop: int
    terms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text with its marks, counted from its own first character."""

    text: str
    marks: tuple[Mark, ...]


def mark(texts: Sequence[str], query: str, analyzer: Analyzer) -> list[Passage]:
    """Every text, its white space made single, with the words that hold a term of the query."""
    from searchkit.analyze.strings import large_strings

    plain = [" ".join(text.split()) for text in texts]
    words = [list(_words(text)) for text in plain]
    wanted = set(analyzer.terms(query))
    spelled = [text[a:b] for text, spans in zip(plain, words, strict=True) for a, b in spans]
    runs = analyzer.runs(large_strings(spelled))
    said = (
        frozenset(runs.vocabulary[i] for i in runs.ids[start:stop]) & wanted
        for start, stop in pairwise(runs.starts.tolist())
    )
    return [
        Passage(text, tuple(Mark(a, b, terms) for a, b in spans if (terms := next(said))))
        for text, spans in zip(plain, words, strict=True)
    ]


def excerpt(passage: Passage, n_characters: int) -> Passage:
    """About n_characters around the sentence that holds the most distinct terms of the query.

    What was left out is shown by an ellipsis. Without a match it is the beginning.
    """
    text = passage.text
    if len(text) <= n_characters:
        return passage
    start, stop = _best_sentence(passage)
    inside = [found.start for found in passage.marks if start <= found.start < stop]
    if stop - start > n_characters and inside:
        start = max(start, inside[0] - _LEAD)
    start = min(start, max(0, len(text) - n_characters))
    start = text.rfind(" ", 0, start) + 1
    stop = start + n_characters
    if stop < len(text):
        stop = max(text.rfind(" ", start, stop), start + 1)
    return _cut(passage, start, min(stop, len(text)))


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Where the words between spaces begin and end, without the signs around them."""
    for found in finditer(r"\S+", text):
        core = found[0].strip("\"'“”‘’()[]{}<>,;:.!?…*`")
        if core:
            start = found.start() + found[0].find(core)
            yield start, start + len(core)


def _best_sentence(passage: Passage) -> tuple[int, int]:
    best, most, place = (0, len(passage.text)), 0, 0
    for sentence in split_sentences(passage.text):
        start = passage.text.index(sentence, place)
        place = start + len(sentence)
        held = {
            term for found in passage.marks if start <= found.start < place for term in found.terms
        }
        if len(held) > most:
            best, most = (start, place), len(held)
    return best if most else (0, 0)


def _cut(passage: Passage, start: int, stop: int) -> Passage:
    before = ELLIPSIS if start else ""
    after = ELLIPSIS if stop < len(passage.text) else ""
    shift = len(before) - start
    marks = tuple(
        Mark(found.start + shift, found.stop + shift, found.terms)
        for found in passage.marks
        if start <= found.start and found.stop <= stop
    )
    return Passage(before + passage.text[start:stop] + after, marks)
