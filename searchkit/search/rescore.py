"""Stored texts of an index -> its BM25 rankings, by the formula and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchkit.analyze.strings import large_strings
from searchkit.index.index import Index
from searchkit.protocols import Progress
from searchkit.retrieve.bm25 import BM25Retriever, LexicalPart
from searchkit.retrieve.bm25_formula import BM25Params, Collection, curve, idf
from searchkit.types import Doc, Ranking, Rows

_TOP = 50  # documents of each ranking that are compared
_TOGETHER = 4096  # documents analysed together


def misranked(index: Index, queries: Sequence[str], progress: Progress) -> Iterator[str]:
    """Queries whose BM25 ranking is not the one that the stored texts give, bit for bit.

    Reads and analyses every document. Progress is in documents.
    """
    parts = [
        LexicalPart(base, postings, segment.gone)
        for (base, postings), segment in zip(index.postings, index.segments, strict=True)
    ]
    retriever = BM25Retriever(parts, analyzer=index.analyzer, params=BM25Params(), engine="numpy")
    asked = [Counter(index.analyzer.terms(query)) for query in queries]  # by first occurrence
    counted = _count(index, sorted(set().union(*asked)), progress)
    ranked = retriever.retrieve(queries, _TOP)
    for query, terms, ranking in zip(queries, asked, ranked, strict=True):
        if ranking != _rank(counted, terms):
            yield query


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """What BM25 has to know of the documents that are still there."""

    rows: Rows  # (n,)
    tf: Mapping[str, NDArray[np.int64]]  # of each term that is asked for: (n,)
    lengths: NDArray[np.int64]  # (2, n)


def _count(index: Index, terms: Sequence[str], progress: Progress) -> _Counted:
    n_docs = len(index)
    rows = np.arange(n_docs) if index.alive is None else np.flatnonzero(index.alive)
    tf = {term: np.zeros(n_docs, np.int64) for term in terms}
    lengths, held, done = np.zeros((2, n_docs), np.int64), list[Doc](), 0
    for n, doc in enumerate(index, 1):
        held.append(doc)
        if len(held) == _TOGETHER or n == n_docs:
            for field, texts in enumerate(([d.title for d in held], [d.text for d in held])):
                runs = index.analyzer.runs(large_strings(texts))
                lengths[field, done:n] = np.diff(runs.starts)
                owners = np.repeat(np.arange(len(held)), np.diff(runs.starts))
                for at, term in enumerate(runs.vocabulary):
                    if term in tf:
                        tf[term][done:n] += np.bincount(owners[runs.ids == at], minlength=len(held))
            held, done = [], n
            progress(n, n_docs)
    return _Counted(rows.astype(np.int64), tf, lengths)


def _rank(counted: _Counted, terms: Mapping[str, int]) -> Ranking:
    params, (title_length, text_length) = BM25Params(), counted.lengths.sum(axis=1).tolist()
    n_docs, shape = len(counted.rows), curve(params)
    mean = Collection(n_docs, title_length, text_length).mean_length(params)
    q = shape.q(counted.lengths, params, mean)
    sums, found = np.zeros(n_docs), np.zeros(n_docs, np.bool_)
    for term, times in terms.items():
        here = counted.tf[term] > 0
        if here.any():
            weight = times * idf(params.variant, n_docs, int(here.sum()))
            sums[here] += weight * shape.share(counted.tf[term][here].astype(np.float64), q[here])
            found |= here
    return Ranking.top(counted.rows[found], sums[found].astype(np.float32), _TOP)
