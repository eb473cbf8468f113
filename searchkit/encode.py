"""Documents -> the texts that stand for them, grid by grid -> vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.models.sentences import split_sentences
from searchkit.protocols import Encoder, Progress
from searchkit.types import Doc, Vectors

GRID = 1024  # consecutive documents that are encoded and stored together
RUN_TOKENS = 32_768  # tokens encoded between two reports of progress

Passages: TypeAlias = Literal["document", "sentence", "window"]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The passages of up to GRID consecutive documents, in order."""

    texts: list[str]
    counts: NDArray[np.int64]  # (n_docs,) passages of each document, at least 1


def grids(docs: Iterable[Doc], mode: Passages, encoder: Encoder) -> Iterator[Grid]:
    """The documents as passages, in order, on the fixed grid that makes vectors repeatable."""
    stream = iter(docs)
    while batch := list(islice(stream, GRID)):
        texts = split(batch, mode, encoder)
        yield Grid(
            [text for passages in texts for text in passages],
            np.array([*map(len, texts)], np.int64),
        )


def split(docs: Sequence[Doc], mode: Passages, encoder: Encoder) -> list[list[str]]:
    """The passages of each document, at least one.

    document: one, by the encoder's template. sentence: the title, then every sentence.
    window: the title with as many sentences as the encoder reads, half of them in the next
    window again; a sentence longer than that stands alone and is cut by the encoder.
    """
    if mode == "document":
        return [[encoder.passage(doc)] for doc in docs]
    sentences = [split_sentences(doc.text) for doc in docs]
    if mode == "sentence":
        return [
            [*filter(None, [doc.title.strip()]), *of_doc] or [encoder.passage(doc)]
            for doc, of_doc in zip(docs, sentences, strict=True)
        ]
    return _windows(docs, sentences, encoder)


def encode_texts(
    encoder: Encoder, texts: Sequence[str], n_tokens: Sequence[int], *, progress: Progress
) -> Vectors:
    """One row per text, (n, dim) float32; the texts go through the encoder longest first.

    The bits depend on the whole list and its order, nothing else. Progress is in tokens.
    """
    vectors = np.empty((len(texts), encoder.dim), np.float32)
    cut = np.minimum(np.asarray(n_tokens, np.int64), encoder.max_tokens)
    order = np.argsort(-cut, kind="stable")
    done = np.cumsum(cut[order])
    start = 0
    while start < len(texts):
        before = int(done[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(done, before + RUN_TOKENS, side="right")))
        run = order[start:stop]
        vectors[run] = encoder.encode_docs([texts[i] for i in run])
        progress(int(done[stop - 1]), int(done[-1]))
        start = stop
    return vectors


def _windows(docs: Sequence[Doc], sentences: list[list[str]], encoder: Encoder) -> list[list[str]]:
    """The windows of each document. Lengths are counted once for all of them."""
    openings = [
        encoder.passage(Doc(doc.id, doc.title, of_doc[0] if of_doc else ""))
        for doc, of_doc in zip(docs, sentences, strict=True)
    ]
    flat = [sentence for of_doc in sentences for sentence in of_doc]
    empty, *counted = encoder.n_tokens(["", *openings, *flat])
    n_openings, lengths = counted[: len(docs)], [n - empty for n in counted[len(docs) :]]
    passages, start = [], 0
    for doc, of_doc, opening in zip(docs, sentences, n_openings, strict=True):
        own = lengths[start : start + len(of_doc)]
        start += len(of_doc)
        room = encoder.max_tokens - (opening - own[0] if own else opening)
        texts = [" ".join(of_doc[window]) for window in _spans(own, room)] or [""]
        passages.append([encoder.passage(Doc(doc.id, doc.title, text)) for text in texts])
    return passages


def _spans(lengths: Sequence[int], room: int) -> Iterator[slice]:
    """Overlapping runs that fit the room, or hold one; each starts near the middle of the last."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    start, n = 0, len(lengths)
    while start < n:
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] + room, side="right")) - 1)
        yield slice(start, stop)
        if stop >= n:
            return
        middle = int(np.searchsorted(ends, (ends[start] + ends[stop]) / 2))
        fits = int(np.searchsorted(ends, ends[stop + 1] - room))  # so that the next reaches further
        start = min(max(middle, fits, start + 1), stop)
