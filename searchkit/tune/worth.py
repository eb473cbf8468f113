"""Top lists -> what they are worth by one measure, lists that it cannot tell apart valued once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError
from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.index.index import Index
from searchkit.tune.lists import NO_ROW
from searchkit.types import Qrels, Rows

if TYPE_CHECKING:
    from ir_measures import Measure

MAX_CUTOFF = 100  # documents of a list that are kept for every query and setting
_TOGETHER = 10_000  # lists handed to ir-measures in one call
_NOTHING, _UNJUDGED, _FIRST_JUDGED = 0, 1, 2  # what stands at a place of a list


def cutoff_of(name: str) -> tuple[Measure, int]:
    """The measure of this name and how many documents it looks at; ConfigError beyond 100."""
    [measure] = parse_measures([name])
    cutoff = measure.params.get("cutoff")
    if cutoff is None or cutoff > MAX_CUTOFF:
        looks = "at the whole ranking" if cutoff is None else f"at {cutoff:,} documents"
        raise ConfigError(
            f"{measure} looks {looks}, and settings are compared by their first {MAX_CUTOFF} at "
            f"most. Name a measure with a cutoff, such as nDCG@10 or R@100."
        )
    return measure, int(cutoff)


class Worth:
    """The values of lists of documents, by ir-measures.

    A measure sees where the judged documents stand and how long a list is, and not which
    unjudged documents it holds: lists of a query that agree in this are valued once.
    """

    def __init__(
        self, measure: Measure, queries: Sequence[str], qrels: Qrels, *, index: Index
    ) -> None:
        self._measure, self._queries, self._qrels, self._index = measure, queries, qrels, index
        rows = index.rows_of(sorted({doc for query in queries for doc in qrels[query]}))
        keys = [
            n * index.n_rows + rows[doc]
            for n, query in enumerate(queries)
            for doc in qrels[query]
            if doc in rows
        ]
        self._judged = np.array(sorted(keys), np.int64)  # query and row in one number
        self._codes: dict[bytes, int] = {}
        self._examples: list[tuple[int, Rows]] = []  # query and one list, by code
        self._known: list[float] = []  # value, by code

    def values(self, first: int, lists: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of lists (n, n_settings, k) of the n queries from `first` on: (n, n_settings)."""
        n_queries, n_settings, k = lists.shape
        flat, codes = lists.reshape(-1, k), np.empty(n_queries * n_settings, np.int64)
        for n, key in enumerate(self._keys(first, lists)):
            code = self._codes.get(key)
            if code is None:
                code = self._codes[key] = len(self._examples)
                self._examples.append((first + n // n_settings, flat[n][flat[n] != NO_ROW]))
            codes[n] = code
        while len(self._known) < len(self._examples):
            start = len(self._known)
            self._known += self._valued(start, min(start + _TOGETHER, len(self._examples)))
        found: NDArray[np.float64] = np.array(self._known)[codes]
        return found.reshape(n_queries, n_settings)

    def _keys(self, first: int, lists: NDArray[np.int64]) -> list[bytes]:
        """Query, and what stands at each place, of each list."""
        n_queries, n_settings, k = lists.shape
        asked = np.arange(first, first + n_queries)[:, None, None]
        places = asked * self._index.n_rows + lists
        at = np.searchsorted(self._judged, places)
        held = np.append(self._judged, -1)[at] == places
        seen = np.empty((n_queries, n_settings, k + 1), np.int64)
        seen[..., :1] = asked
        seen[..., 1:] = np.where(held, at + _FIRST_JUDGED, _UNJUDGED)
        seen[..., 1:][lists == NO_ROW] = _NOTHING
        keys: list[bytes] = seen.view(f"V{8 * (k + 1)}").ravel().tolist()
        return keys

    def _valued(self, start: int, stop: int) -> list[float]:
        """The values of the lists of these codes; each list is a query to ir-measures."""
        run, qrels = {}, {}
        for code in range(start, stop):
            query, rows = self._examples[code]
            self._examples[code] = (query, rows[:0])  # it has served
            ids = self._index.ids(rows)
            run[str(code)] = [(id_, float(-place)) for place, id_ in enumerate(ids)]
            qrels[str(code)] = self._qrels[self._queries[query]]
        per_query = evaluate(run, qrels, [self._measure]).per_query
        return [per_query[str(code)][str(self._measure)] for code in range(start, stop)]
