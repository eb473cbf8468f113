"""Documents -> those that train and those that are held out, and what would leak between them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from searchkit.errors import ConfigError
from searchkit.models.sentences import split_sentences
from searchkit.train.cloze import Cloze, body, place, plain
from searchkit.types import Doc

_DATED = 0.9  # share of documents with a year from which the year splits them


@dataclass(frozen=True, slots=True)
class Split:
    """Which documents are held out, and how they were chosen."""

    held_out: frozenset[str]
    by: Literal["document", "year"]
    since: float | None = None  # the oldest year among them, where the year decides


def split_documents(
    ids: Sequence[str], years: Sequence[float | None], *, share: float, most: int, seed: int
) -> Split:
    """Hold out a share of the documents, `most` at most: the most recent, or by seeded chance.

    The year decides where at least 9 of 10 documents have one and it tells them apart; of those
    of the border year, and without years, the seed and the id decide, so that the order of the
    documents does not matter. ConfigError where fewer than 2 documents would be left on a side.
    """
    wanted = min(most, int(share * len(ids)))
    if wanted < 2 or len(ids) - wanted < 2:
        raise ConfigError(
            f"{len(ids):,} documents are too few to hold out a share of {share}. Adapt to a "
            "larger corpus, or hold out more."
        )
    dated = [(year, id_) for id_, year in zip(ids, years, strict=True) if year is not None]
    if len(dated) >= _DATED * len(ids) and len(dated) >= wanted:
        recent = sorted(dated, key=lambda one: (-one[0], place(one[1], seed)))[:wanted]
        if recent[-1][0] > min(dated)[0]:
            return Split(frozenset(id_ for _, id_ in recent), "year", recent[-1][0])
    chosen = sorted(ids, key=lambda id_: place(id_, seed))[:wanted]
    return Split(frozenset(chosen), "document")


class Leakage:
    """What is held out, as far as training must not see it again under another id."""

    def __init__(self, docs: Iterable[Doc], asked: Iterable[Cloze], *, share: float = 0.5) -> None:
        """share: of the sentences of the shorter of two documents, from which they are one."""
        self._share = share
        self._titles: set[bytes] = set()
        self._owners: defaultdict[bytes, list[int]] = defaultdict(list)  # sentence -> documents
        self._sizes: list[int] = []
        for doc in docs:
            if doc.title.strip():
                self._titles.add(_digest(doc.title))
            sentences = _sentences(doc)
            for digest in sentences:
                self._owners[digest].append(len(self._sizes))
            self._sizes.append(len(sentences))
        self._queries = {_digest(one.query) for one in asked}

    def why(self, doc: Doc) -> str:
        """Why a document leaks; "" where it may train."""
        if doc.title.strip() and _digest(doc.title) in self._titles:
            return "same title"
        sentences = _sentences(doc)
        shared = Counter(owner for digest in sentences for owner in self._owners.get(digest, ()))
        for owner, n in shared.items():
            if n >= self._share * min(len(sentences), self._sizes[owner]):
                return "shared sentences"
        return ""

    def remove(
        self, found: Sequence[Cloze], docs: Iterable[Doc]
    ) -> tuple[list[Cloze], dict[str, int]]:
        """The queries that may train, and how many were removed, by reason.

        docs: those that the queries ask for, whole.
        """
        reasons = {doc.id: why for doc in docs if (why := self.why(doc))}
        kept: list[Cloze] = []
        removed: Counter[str] = Counter()
        for one in found:
            asked = _digest(one.query) in self._queries
            if why := "same query" if asked else reasons.get(one.doc_id, ""):
                removed[why] += 1
            else:
                kept.append(one)
        return kept, dict(removed)


def _sentences(doc: Doc) -> set[bytes]:
    return {_digest(sentence) for sentence in split_sentences(body(doc))}


def _digest(text: str) -> bytes:
    return blake2b(plain(text).encode(), digest_size=16).digest()
