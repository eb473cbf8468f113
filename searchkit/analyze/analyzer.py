"""Texts -> runs of term ids, vectorised: all the work on words is done once a distinct word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import Stemmer
from numpy.typing import NDArray

from searchkit.analyze.languages import normalise, stop_words
from searchkit.analyze.scientific import ascii_chunk, ascii_words, strip_markers, words
from searchkit.analyze.strings import int64s, large_strings, numbers, truths
from searchkit.errors import ConfigError
from searchkit.types import TermRuns

MAX_TERM_BYTES = 64  # longer words (a pasted URL, a sequence of bases) are cut, on both sides
_FEW_TEXTS, _FEW_CHARS = 8, 600  # up to here Python's patterns are faster than Arrow's


def analyzer_names() -> list[str]:
    """`plain` (no stop words, no stemming) and every language that Snowball stems."""
    return ["plain", *Stemmer.algorithms()]


@dataclass(frozen=True, slots=True)
class Chunks:
    """Texts cut at spaces: text i owns ids[starts[i] : starts[i + 1]] into the dictionary."""

    starts: NDArray[np.int64]
    ids: NDArray[np.int32]
    dictionary: pa.Array


@dataclass(frozen=True)
class TextAnalyzer:
    """An analyzer by name; the stop words travel in `config`, so that lists may change."""

    name: str
    stop: frozenset[str] = field(repr=False)

    @classmethod
    def named(cls, name: str) -> TextAnalyzer:
        if name not in analyzer_names():
            near = get_close_matches(name, analyzer_names(), 1) or ["english"]
            raise ConfigError(f"there is no analyzer {name!r}. Did you mean {near[0]!r}?")
        return cls(name, frozenset(stop_words(name)))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextAnalyzer:
        return cls(cls.named(config["name"]).name, frozenset(config["stop_words"]))

    @property
    def config(self) -> dict[str, Any]:
        return {"name": self.name, "stop_words": sorted(self.stop)}

    def runs(self, texts: pa.Array) -> TermRuns:
        if len(texts) <= _FEW_TEXTS:
            few = texts.to_pylist()
            if sum(map(len, few)) <= _FEW_CHARS and all(map(str.isascii, few)):
                return self._runs_of_few(few)
        growing = GrowingVocabulary(self)
        return TermRuns(*growing.add(cut(texts)), growing.terms)

    def terms(self, text: str) -> list[str]:
        found = self.runs(large_strings([text]))
        return [found.vocabulary[i] for i in found.ids]

    def terms_of_chunks(self, chunks: pa.Array) -> pa.ListArray:
        """The terms of each distinct chunk: (n,) list<string>, most of length 0 or 1."""
        parts = pc.split_pattern(normalise(words(chunks), self.name), " ")
        flat = parts.flatten().dictionary_encode()
        stems = self._stems(flat.dictionary.to_pylist())
        terms = large_strings(stems).take(flat.indices)
        counts, starts = np.diff(numbers(parts.offsets)), numbers(parts.offsets)
        kept = truths(terms.is_valid())
        running = np.concatenate([[0], np.cumsum(kept)])
        offsets = running[starts - starts[0]] if len(counts) else np.zeros(1, np.int64)
        return pa.LargeListArray.from_arrays(int64s(offsets), terms.drop_null())

    def terms_of_each(self, chunks: Sequence[str]) -> list[list[str]]:
        """The same of few chunks, as lists."""
        if sum(map(len, chunks)) <= _FEW_CHARS and all(map(str.isascii, chunks)):
            stems = (self._stems(ascii_chunk(chunk).split(" ")) for chunk in chunks)
            return [[stem for stem in found if stem is not None] for found in stems]
        found = self.terms_of_chunks(large_strings(chunks))
        flat, offsets = found.values.to_pylist(), numbers(found.offsets).tolist()
        return [flat[a:b] for a, b in pairwise(offsets)]

    def _runs_of_few(self, texts: Sequence[str]) -> TermRuns:
        """The same for ASCII texts, where `normalise` has nothing to do."""
        known: dict[str, int] = {}
        starts, ids = [0], []
        for text in texts:
            stems = self._stems(ascii_words(text))
            ids += [known.setdefault(stem, len(known)) for stem in stems if stem is not None]
            starts.append(len(ids))
        return TermRuns(np.array(starts, np.int64), np.array(ids, np.int32), list(known))

    def _stems(self, distinct: Sequence[str]) -> list[str | None]:
        """Stem of each word, None for stop words and the empty word."""
        spelled = [_cut_bytes(word) for word in distinct]
        stems = self._stemmer.stemWords(spelled) if self._stemmer else spelled
        stop = self._stop
        return [
            stem if word and stem and word not in stop else None
            for word, stem in zip(spelled, stems, strict=True)
        ]

    @cached_property
    def _stop(self) -> frozenset[str]:
        """The stop words as words look after normalisation."""
        spelled = normalise(words(large_strings(sorted(self.stop))), self.name)
        return frozenset(spelled.to_pylist())

    @cached_property
    def _stemmer(self) -> Any:  # noqa: ANN401 - PyStemmer has no types
        return None if self.name == "plain" else Stemmer.Stemmer(self.name, 0)


def cut(texts: pa.Array) -> Chunks:
    """Texts -> chunks between ASCII spaces. Releases the GIL, so threads may cut side by side."""
    parts = pc.ascii_split_whitespace(strip_markers(texts))
    starts = numbers(parts.offsets).astype(np.int64)
    encoded = parts.flatten().dictionary_encode()
    return Chunks(starts - starts[0], numbers(encoded.indices), encoded.dictionary)


class GrowingVocabulary:
    """Chunks seen so far and what they mean, shared by the batches of one segment."""

    def __init__(self, analyzer: TextAnalyzer) -> None:
        self._analyzer = analyzer
        self._chunk_ids: dict[str, int] = {}
        self._term_ids: dict[str, int] = {}
        self._starts = np.zeros(1, np.int64)  # chunk c means terms _flat[_starts[c] : _starts[c+1]]
        self._flat = np.empty(0, np.int32)

    @property
    def terms(self) -> list[str]:
        """Every term, in order of first occurrence."""
        return list(self._term_ids)

    def add(self, chunks: Chunks) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The terms of each text: (n_texts + 1,) starts and (n_terms,) ids."""
        return self.expand(chunks, self.learn(chunks.dictionary))

    def learn(self, dictionary: pa.Array) -> NDArray[np.int64]:
        """Chunk ids of a dictionary, (n,); what was never seen is analysed now."""
        known, spelled = self._chunk_ids, dictionary.to_pylist()
        ids = np.fromiter(map(known.get, spelled, repeat(-1)), np.int64, len(spelled))
        fresh = np.flatnonzero(ids < 0)
        if len(fresh):
            ids[fresh] = np.arange(len(known), len(known) + len(fresh))
            self._analyse(dictionary.take(int64s(fresh)))
        return ids

    def expand(
        self, chunks: Chunks, chunk_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Runs of chunks -> runs of terms. Touches nothing shared but arrays that only grow."""
        starts, flat = self._starts, self._flat
        sizes_by_chunk = starts[chunk_ids + 1] - starts[chunk_ids]
        first = starts[chunk_ids]
        sizes = sizes_by_chunk[chunks.ids]
        ends = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(ends[-1]) - np.repeat(ends[:-1], sizes)
        return ends[chunks.starts], flat[np.repeat(first[chunks.ids], sizes) + within]

    def _analyse(self, fresh: pa.Array) -> None:
        terms = self._analyzer.terms_of_chunks(fresh)
        ids = self._term_ids
        flat = [ids.setdefault(term, len(ids)) for term in terms.values.to_pylist()]
        offsets = numbers(terms.offsets)
        self._starts = np.concatenate([self._starts, self._starts[-1] + offsets[1:]])
        self._flat = np.concatenate([self._flat, np.array(flat, np.int32)])
        first = len(self._chunk_ids)
        self._chunk_ids.update(
            zip(fresh.to_pylist(), range(first, first + len(fresh)), strict=True)
        )


def _cut_bytes(word: str) -> str:
    if len(word) <= MAX_TERM_BYTES // 4:
        return word
    return word.encode()[:MAX_TERM_BYTES].decode(errors="ignore")
