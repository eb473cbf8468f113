"""Documents -> queries that are made from them, each with its document less what was asked.

Source: Lee, Chang and Toutanova, Latent Retrieval for Weakly Supervised Open Domain Question
Answering, ACL 2019, arXiv:1906.00300 (the inverse cloze task). Deviations: what was asked never
stays in the document, and titles ask as well as sentences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, TypeAlias

import numpy as np

from searchkit.errors import ConfigError
from searchkit.models.sentences import split_sentences
from searchkit.types import Doc, Query

Kind: TypeAlias = Literal["title", "sentence", "citation"]
KINDS: tuple[Kind, ...] = ("title", "sentence", "citation")
_MIN_SENTENCES = 3  # of a document that is asked by one: the others have to tell what it is about
_AFTER_TITLE = " \t\r\n.:;-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloze:
    """A query and the document that answers it."""

    query_id: str
    kind: Kind
    query: str
    doc_id: str
    document: Doc  # without what was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class ClozeOptions:
    """Which queries a document gives; ConfigError for what cannot be."""

    n_sentences: int = 2  # that ask for a document, at most
    min_title_words: int = 3  # "Editorial" names no paper
    min_words: int = 8  # of a sentence
    min_chars: int = 50
    max_chars: int = 350
    seed: int = 42

    def __post_init__(self) -> None:
        if self.n_sentences < 0 or self.seed < 0:
            raise ConfigError("n_sentences and the seed must be 0 or above.")
        if self.min_chars > self.max_chars:
            raise ConfigError("a sentence's least length is above its greatest.")

    def asks(self, sentence: str) -> bool:
        """Whether a sentence is long enough to be a query, and short enough."""
        return (
            self.min_chars <= len(sentence) <= self.max_chars
            and len(sentence.split()) >= self.min_words
        )


@dataclass(slots=True)
class ClozeCounts:
    """What became of the documents."""

    n_docs: int = 0  # looked at
    made: dict[str, int] = field(default_factory=dict)  # queries by kind, in the order of KINDS
    left: dict[str, int] = field(default_factory=dict)  # why no query was made -> how often

    def leave(self, why: str, n: int = 1) -> None:
        self.left[why] = self.left.get(why, 0) + n


def clozes(
    docs: Iterable[Doc],
    options: ClozeOptions,
    counts: ClozeCounts,
    *,
    among: Collection[str] | None = None,
) -> list[Cloze]:
    """The queries of all documents, or of those whose id is in `among`, in their order.

    A query that two documents give is dropped from both: nobody could say which is meant. Titles
    are compared with those of all documents. What a document gives depends on it and the seed.
    """
    titles: Counter[bytes] = Counter()
    found: list[Cloze] = []
    for doc in docs:
        if doc.title.strip():
            titles[_digest(doc.title)] += 1
        if among is None or doc.id in among:
            found += cloze(doc, options, counts)
    asked = Counter(_digest(one.query) for one in found)
    clear = []
    for one in found:
        digest = _digest(one.query)
        if asked[digest] > 1 or titles[digest] > (one.kind == "title"):
            counts.leave("queries that another document gives as well")
        else:
            clear.append(one)
    made = Counter(one.kind for one in clear)
    counts.made = {kind: made[kind] for kind in KINDS if made[kind]}
    return clear


def cloze(doc: Doc, options: ClozeOptions, counts: ClozeCounts) -> list[Cloze]:
    """The queries of one document: its title, then up to n sentences in a seeded order."""
    counts.n_docs += 1
    return [*_of_title(doc, options, counts), *_of_sentences(doc, options, counts)]


def judged(found: Iterable[Cloze]) -> tuple[list[Query], dict[str, dict[str, int]]]:
    """The queries, each once in the order given, and their documents as qrels of grade 1."""
    texts: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for one in found:
        texts[one.query_id] = one.query
        qrels.setdefault(one.query_id, {})[one.doc_id] = 1
    return [Query(id_, text) for id_, text in texts.items()], qrels


def drawn(found: Sequence[Cloze], n: int, *, seed: int) -> list[Cloze]:
    """At most n queries, in an order that the seed and their ids decide; pairs stay together."""
    ids = sorted({one.query_id for one in found}, key=lambda id_: place(id_, seed))[:n]
    ranks = {id_: rank for rank, id_ in enumerate(ids)}
    kept = [one for one in found if one.query_id in ranks]
    return sorted(kept, key=lambda one: ranks[one.query_id])


def reduced(doc: Doc, kind: Kind, options: ClozeOptions) -> Doc:
    """A document written like the answer of a query of this kind, so that none stands out.

    title: no title. sentence: one sentence less, where it has enough of them. citation: whole.
    The text may be empty.
    """
    if kind == "citation":
        return doc
    if kind == "title":
        return Doc(doc.id, "", body(doc))
    sentences = split_sentences(body(doc))
    able = [n for n, sentence in enumerate(sentences) if options.asks(sentence)]
    if len(sentences) >= _MIN_SENTENCES and able:
        del sentences[able[int(_draw(doc.id, options.seed).integers(len(able)))]]
    return Doc(doc.id, doc.title, " ".join(sentences))


def body(doc: Doc) -> str:
    """The text without the title, where it begins with it, as many corpora write it."""
    text, words = doc.text.strip(), doc.title.split()
    if words:
        head = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)
        if (found := head.match(text)) and not text[found.end() : found.end() + 1].isalnum():
            return text[found.end() :].lstrip(_AFTER_TITLE)
    return text


def plain(text: str) -> str:
    """The text without regard to case and spaces: what two copies of it have in common."""
    return " ".join(text.split()).casefold()


def place(key: str, seed: int) -> int:
    """A number that puts ids in an order which the seed decides, whatever else there is."""
    return int.from_bytes(blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest(), "big")


def _of_title(doc: Doc, options: ClozeOptions, counts: ClozeCounts) -> Iterator[Cloze]:
    title, rest = " ".join(doc.title.split()), body(doc)
    if not title:
        counts.leave("documents without a title")
    elif len(title.split()) < options.min_title_words:
        counts.leave("titles that are too short")
    elif not rest:
        counts.leave("documents without a text")
    elif plain(title) in plain(rest):
        counts.leave("titles that stand in their text")
    else:
        yield Cloze(
            query_id=f"title:{doc.id}",
            kind="title",
            query=title,
            doc_id=doc.id,
            document=Doc(doc.id, "", rest),
        )


def _of_sentences(doc: Doc, options: ClozeOptions, counts: ClozeCounts) -> Iterator[Cloze]:
    sentences = split_sentences(body(doc))
    if len(sentences) < _MIN_SENTENCES:
        counts.leave("documents of fewer than 3 sentences")
        return
    able = [n for n, sentence in enumerate(sentences) if options.asks(sentence)]
    if not able:
        counts.leave("documents without a sentence that can ask")
    chosen = _draw(doc.id, options.seed).permutation(len(able))[: options.n_sentences]
    for n in sorted(able[i] for i in chosen):
        asked = sentences[n]
        rest = Doc(doc.id, doc.title, " ".join(sentences[:n] + sentences[n + 1 :]))
        if plain(asked) in plain(f"{rest.title} {rest.text}"):
            counts.leave("sentences that stand twice")
            continue
        yield Cloze(
            query_id=f"sentence:{doc.id}:{n}",
            kind="sentence",
            query=" ".join(asked.split()),
            doc_id=doc.id,
            document=rest,
        )


def _draw(doc_id: str, seed: int) -> np.random.Generator:
    return np.random.default_rng(place(doc_id, seed))


def _digest(text: str) -> bytes:
    return blake2b(plain(text).encode(), digest_size=16).digest()
