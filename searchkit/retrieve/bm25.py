"""Queries -> rankings by BM25, over the postings of all segments as if they were one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.index.index import Index
from searchkit.index.postings import Postings
from searchkit.index.terms import prefixes_of
from searchkit.index.tombstones import Tombstones
from searchkit.models.device import n_cores
from searchkit.models.telling import tell
from searchkit.retrieve.bm25_formula import BM25Params, Collection, curve, idf, okapi_floor
from searchkit.retrieve.bm25_queries import QueryTerms, WeightedTerms
from searchkit.retrieve.kernels import kernel
from searchkit.types import Mask, Match, Ranking, Rows, Scores

if TYPE_CHECKING:
    from searchkit.retrieve.bm25_tables import KernelTables, TermTables

Engine = Literal["auto", "numpy", "kernel"]
_KERNEL = "searchkit.retrieve.bm25_segments_kernel"
_TOGETHER = 128  # queries that one thread answers at a time, at least
_KERNEL_PAYS = 20_000_000  # queries x documents from which compiling or loading it is worth it


@dataclass(frozen=True)
class LexicalPart:
    """The postings of one segment, the global row of its first document, and what was deleted."""

    base: int
    postings: Postings
    gone: Tombstones | None = None

    @property
    def place(self) -> slice:
        """Its rows among all."""
        return slice(self.base, self.base + self.postings.n_docs)

    @cached_property
    def alive(self) -> Mask | None:
        """Rows of the segment that may be found; None where all may."""
        return self.gone.alive(self.postings.n_docs) if self.gone else None

    def allowed(self, mask: Mask | None) -> Mask | None:
        """Rows of the segment that may be found and that a mask over all rows allows."""
        if mask is None:
            return self.alive
        here = mask[self.place]
        return here if self.alive is None else here & self.alive

    def counted(self) -> Collection:
        """Documents that may be found, and their lengths."""
        n_docs, lengths = self.postings.n_docs, self.postings.lengths.sum(axis=1, dtype=np.int64)
        if self.gone:
            n_docs, lengths = n_docs - len(self.gone.rows), lengths - self.gone.lengths
        return Collection(n_docs, int(lengths[0]), int(lengths[1]))

    def dfs(self, terms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Documents that may be found and hold each of the terms, ids of the segment: (n,)."""
        starts = self.postings.starts
        dfs: NDArray[np.int64] = starts[terms + 1] - starts[terms]
        return dfs - self.gone.df(terms) if self.gone else dfs


def lexical_parts(index: Index) -> list[LexicalPart]:
    """The postings of every segment of an index."""
    found = zip(index.postings, index.segments, strict=True)
    return [LexicalPart(base, postings, segment.gone) for (base, postings), segment in found]


class BM25Retriever:
    """BM25 whose parameters are chosen now; two engines, the same bits."""

    def __init__(
        self,
        parts: Sequence[LexicalPart],
        *,
        analyzer: TextAnalyzer,
        params: BM25Params | None = None,
        engine: Engine = "auto",
    ) -> None:
        self.parts, self.analyzer = parts, analyzer
        self.params, self.engine = params or BM25Params(), engine

    def retrieve(
        self, queries: Sequence[str], k: int, allowed: Mask | None = None
    ) -> list[Ranking]:
        """Only documents with a term of the query are returned.

        ValueError: `allowed` is not a mask of all rows.
        """
        if allowed is not None:
            n_rows = sum(part.postings.n_docs for part in self.parts)
            if len(allowed) != n_rows:
                raise ValueError(f"a mask of {len(allowed)} rows for {n_rows} documents")
        if not self._runs_kernel(len(queries)):
            return [self._by_numpy(query, k, allowed) for query in self.weigh(queries)]
        _ = self._tables  # which all threads share
        size = max(_TOGETHER, -(-len(queries) // (4 * n_cores())))
        slices = [queries[at : at + size] for at in range(0, len(queries), size)]
        if len(slices) < 2:
            return [
                ranking for few in slices for ranking in self._answer(self.weigh(few), k, allowed)
            ]
        with ThreadPoolExecutor(n_cores()) as pool:  # the next queries are analysed meanwhile
            done = [pool.submit(self._answer, self.weigh(few), k, allowed) for few in slices]
            return [ranking for few in done for ranking in few.result()]

    def _answer(
        self, queries: Sequence[WeightedTerms], k: int, allowed: Mask | None
    ) -> list[Ranking]:
        # the kernel tells a document that is held from one that is not by a sum above zero
        if all((query.weights > 0).all() for query in queries):
            return self._by_kernel(queries, k, allowed)
        return [self._by_numpy(query, k, allowed) for query in queries]

    def weigh(self, queries: Sequence[str]) -> list[WeightedTerms]:
        """The terms of each query and what they count."""
        return self._queries.weigh(queries)

    def matches(self, query: str, rows: Rows) -> list[tuple[Match, ...]]:
        """What each query term gives to each row, in query order; rows without one get ()."""
        weighted = self.weigh([query])[0]
        shares = self._contributions(weighted, rows)
        return [
            tuple(
                Match(term, float(share))
                for term, share in zip(weighted.terms, of_row, strict=True)
                if not np.isnan(share)
            )
            for of_row in shares
        ]

    def score_rows(self, query: str, rows: Rows) -> Scores:
        """Scores of given rows, 0 where no term matches: (n,) float32."""
        sums = np.zeros(len(rows))
        for share in self._contributions(self.weigh([query])[0], rows).T:
            sums += np.nan_to_num(share)
        return sums.astype(np.float32)

    # -- weights ---------------------------------------------------------------------------

    @cached_property
    def collection(self) -> Collection:
        return sum((part.counted() for part in self.parts), Collection(0, 0, 0))

    @cached_property
    def _queries(self) -> QueryTerms:
        return QueryTerms(self.analyzer, len(self.parts), find=self._find, idf=self._idf)

    def _find(self, vocabulary: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids in each segment, -1 where it has none; in how many documents each term is."""
        if _KERNEL in sys.modules:
            return self._terms.find(vocabulary)
        wanted = prefixes_of(vocabulary)
        shape, dfs = (len(self.parts), len(vocabulary)), np.zeros(len(vocabulary), np.int64)
        found = [part.postings.terms.find(vocabulary, prefixes=wanted) for part in self.parts]
        for part, ids in zip(self.parts, found, strict=True):
            here = ids >= 0
            dfs[here] += part.dfs(ids[here])
        return np.array(found, np.int64).reshape(shape), dfs

    def _idf(self, df: int) -> float:
        if df == 0:
            return 0.0
        found = idf(self.params.variant, self.collection.n_docs, df)
        return self._okapi_floor if self.params.variant == "okapi" and found < 0 else found

    @cached_property
    def _okapi_floor(self) -> float:
        names = pa.chunked_array([part.postings.terms.texts for part in self.parts])
        dfs = np.concatenate([p.dfs(np.arange(len(p.postings.terms))) for p in self.parts])
        merged = pa.table({"term": names, "df": dfs}).group_by("term").aggregate([("df", "sum")])
        held = merged["df_sum"].to_numpy()
        return okapi_floor(self.collection.n_docs, held[held > 0])

    @cached_property
    def _qs(self) -> list[NDArray[np.float64]]:
        """The length norm of every document, by segment."""
        mean, shape = self.collection.mean_length(self.params), curve(self.params)
        return [shape.q(part.postings.lengths, self.params, mean) for part in self.parts]

    def _frequencies(self, postings: Postings, place: slice) -> NDArray[np.float64]:
        counts, title_counts = postings.exact_counts(place)
        if not self.params.weighs_fields:
            return counts.astype(np.float64)
        title, text = self.params.title_weight, self.params.text_weight
        weighted: NDArray[np.float64] = title * title_counts + text * (counts - title_counts)
        return weighted

    # -- numpy -----------------------------------------------------------------------------

    def _by_numpy(self, query: WeightedTerms, k: int, allowed: Mask | None) -> Ranking:
        rows, scores = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for n, part in enumerate(self.parts):
            sums, held = self._sums(query, n)
            here = part.allowed(allowed)
            if here is not None:
                held &= here
            found = np.flatnonzero(held)
            rows.append(found + part.base)
            scores.append(sums[found].astype(np.float32))
        return Ranking.top(np.concatenate(rows), np.concatenate(scores), k)

    def _sums(self, query: WeightedTerms, n: int) -> tuple[NDArray[np.float64], Mask]:
        postings, q, shape = self.parts[n].postings, self._qs[n], curve(self.params)
        sums, held = np.zeros(postings.n_docs), np.zeros(postings.n_docs, np.bool_)
        for term, weight in zip(query.ids[n], query.weights, strict=True):
            if term < 0:
                continue
            place = slice(int(postings.starts[term]), int(postings.starts[term + 1]))
            tf, rows = self._frequencies(postings, place), postings.rows[place]
            if self.params.weighs_fields:
                rows, tf = rows[tf > 0], tf[tf > 0]
            sums[rows] += weight * shape.share(tf, q[rows])
            held[rows] = True
        return sums, held

    def _contributions(self, query: WeightedTerms, rows: Rows) -> NDArray[np.float64]:
        """(n_rows, n_terms), nan where the row does not hold the term."""
        given = np.full((len(rows), len(query.terms)), np.nan)
        shape = curve(self.params)
        for n, part in enumerate(self.parts):
            here = np.flatnonzero((rows >= part.place.start) & (rows < part.place.stop))
            local = rows[here] - part.base
            for t, term in enumerate(query.ids[n]):
                if term < 0:
                    continue
                at, there = part.postings.find(int(term), local)
                for i, place in zip(here[there], at[there].tolist(), strict=True):
                    tf = self._frequencies(part.postings, slice(place, place + 1))
                    if tf[0] > 0:
                        q = self._qs[n][rows[i] - part.base : rows[i] - part.base + 1]
                        given[i, t] = query.weights[t] * shape.share(tf, q)[0]
        return given

    # -- kernel ----------------------------------------------------------------------------

    def _runs_kernel(self, n_queries: int) -> bool:
        if self.engine != "auto":
            return self.engine == "kernel"
        return n_queries * self.collection.n_docs >= _KERNEL_PAYS or _KERNEL in sys.modules

    def _by_kernel(
        self, queries: Sequence[WeightedTerms], k: int, allowed: Mask | None
    ) -> list[Ranking]:
        masks = None
        if allowed is not None:
            masks = [mask for part in self.parts if (mask := part.allowed(allowed)) is not None]
        k = min(k, max(self.collection.n_docs, 1))
        scores, rows, found = self._tables.walk(queries, k, masks)
        return Ranking.top_each(rows, scores, found)

    @cached_property
    def _tables(self) -> KernelTables:
        if not kernel.keeps("walk_queries"):
            tell("Compiling BM25 for this machine, once: half a minute.")
        from searchkit.retrieve.bm25_tables import KernelTables

        mean = self.collection.mean_length(self.params)
        return KernelTables(self.parts, self._qs, self.params, mean)

    @cached_property
    def _terms(self) -> TermTables:
        from searchkit.retrieve.bm25_tables import TermTables

        return TermTables(self.parts)
