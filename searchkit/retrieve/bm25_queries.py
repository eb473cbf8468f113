"""Queries -> weighted terms: every chunk of text is analysed once, every term looked up once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.analyze.scientific import chunks_of

_REMEMBERED = 5_000_000  # chunks x segments

# terms -> their ids in each segment, (n_segments, n), -1 where it has none, and their dfs, (n,)
Find = Callable[[Sequence[str]], tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class WeightedTerms:
    """One query: its distinct terms that some document holds, in order of first occurrence."""

    terms: tuple[str, ...]
    weights: NDArray[np.float64]  # (n,) occurrences in the query x idf
    ids: NDArray[np.int64]  # (n_parts, n) term of each segment, -1 where it has none


class QueryTerms:
    """What queries said so far; threads may share it."""

    def __init__(
        self, analyzer: TextAnalyzer, n_parts: int, *, find: Find, idf: Callable[[int], float]
    ) -> None:
        self._analyzer, self._n_parts, self._find, self._idf = analyzer, n_parts, find, idf
        self._lock = Lock()
        self._idfs, self._ids = np.empty(0, np.float64), np.empty((n_parts, 0), np.int64)
        self._chunk_terms: dict[str, list[int]] = {}
        self._places: dict[str, int] = {}
        self._names: list[str] = []

    def weigh(self, queries: Sequence[str]) -> list[WeightedTerms]:
        """Terms and weights of each query; queries share most of their words."""
        with self._lock:
            spelled = [chunks_of(query) for query in queries]
            self._learn({chunk: None for chunks in spelled for chunk in chunks})
            chunk_terms, flat, ends = self._chunk_terms, list[int](), [0]
            for chunks in spelled:
                for chunk in chunks:
                    flat += chunk_terms[chunk]
                ends.append(len(flat))
            names, idfs, ids = self._names, self._idfs, self._ids
        owners = np.repeat(np.arange(len(queries)), np.diff(ends))
        pairs = (owners << 32) | np.array(flat, np.int64)
        distinct, first, times = np.unique(pairs, return_index=True, return_counts=True)
        order = np.argsort(first)  # by query, then by first occurrence
        terms, owners = distinct[order] & 0xFFFFFFFF, distinct[order] >> 32
        weights, found = times[order] * idfs[terms], ids[:, terms]
        words = [names[term] for term in terms.tolist()]
        stops = np.searchsorted(owners, np.arange(len(queries) + 1)).tolist()
        return [
            WeightedTerms(tuple(words[a:b]), weights[a:b], found[:, a:b])
            for a, b in pairwise(stops)
        ]

    def _learn(self, chunks: dict[str, None]) -> None:
        known = self._chunk_terms
        fresh = [chunk for chunk in chunks if chunk not in known]
        if not fresh:
            return
        if (len(known) + len(fresh)) * max(self._n_parts, 1) > _REMEMBERED:
            self._forget()
            fresh = list(chunks)
        meant = self._analyzer.terms_of_each(fresh)
        self._look_up(list({term: None for terms in meant for term in terms}))
        places = self._places
        for chunk, terms in zip(fresh, meant, strict=True):
            held = [places[term] for term in terms]
            self._chunk_terms[chunk] = [place for place in held if place >= 0]

    def _look_up(self, terms: Sequence[str]) -> None:
        """Give a place to each term that some document holds, -1 to the others."""
        fresh = [term for term in terms if term not in self._places]
        if not fresh:
            return
        ids, dfs = self._find(fresh)
        held = np.flatnonzero(dfs > 0)
        self._places |= dict.fromkeys(fresh, -1)
        for n in held.tolist():
            self._places[fresh[n]] = len(self._names)
            self._names.append(fresh[n])
        idfs = np.array([self._idf(df) for df in dfs[held].tolist()], np.float64)
        self._idfs = np.concatenate([self._idfs, idfs])
        self._ids = np.concatenate([self._ids, ids[:, held]], axis=1)

    def _forget(self) -> None:
        self._chunk_terms, self._places, self._names = {}, {}, []
        self._idfs, self._ids = self._idfs[:0], self._ids[:, :0]
