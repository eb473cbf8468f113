"""Postings of adjacent segments and their living rows -> one segment's, without analysing again.

Everything a posting says is copied: analysing the texts again could give other terms, for stemmers
change between versions. A posting's place among the merged ones is that of its term, then of its
segment, then its own, so that nothing is sorted but the terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from searchkit.index.invert import tally
from searchkit.index.postings import Postings, write_postings
from searchkit.types import Mask

_BLOCK = 1 << 22  # postings copied at a time: bounds the memory beside the merged arrays


@dataclass(frozen=True, slots=True, eq=False)
class Living:
    """The postings of a segment and which of its rows are still there."""

    postings: Postings
    alive: Mask  # (n_docs,)


def merge_postings(folder: Path, segments: Sequence[Living]) -> dict[str, int]:
    """Write what a build of the living documents would, byte for byte; what it counts."""
    dfs = [_dfs(one) for one in segments]
    terms, ids = _terms(segments, dfs)
    total = np.zeros(len(terms), np.int64)
    for df, id_ in zip(dfs, ids, strict=True):
        total[id_[df > 0]] += df[df > 0]
    starts = np.concatenate([[0], np.cumsum(total)])
    arrays = _columns(segments, dfs, ids, starts) | _forward(segments, ids, int(starts[-1]))
    write_postings(folder, terms.to_pylist(), arrays)
    return tally(arrays["lengths"], n_terms=len(terms), n_postings=int(starts[-1]))


def _dfs(one: Living) -> NDArray[np.int64]:
    """Living documents that hold each term of the segment: (n_terms,)."""
    p, held = one.postings, np.zeros(len(one.postings.terms), np.int64)
    for first, last in _blocks(p.starts):
        lives = one.alive[p.rows[p.starts[first] : p.starts[last]]]
        ends = np.concatenate([[0], np.cumsum(lives)])[p.starts[first : last + 1] - p.starts[first]]
        held[first:last] = np.diff(ends)
    return held


def _terms(
    segments: Sequence[Living], dfs: Sequence[NDArray[np.int64]]
) -> tuple[pa.Array, list[NDArray[np.int64]]]:
    """Terms of a living document, sorted; the id of each segment's terms among them.

    A term that only dead documents hold has some id, which no posting uses.
    """
    texts = [one.postings.terms.texts for one in segments]
    held = [text.filter(pa.array(df > 0)) for text, df in zip(texts, dfs, strict=True)]
    terms = pc.unique(pa.chunked_array(held, pa.large_string()))
    terms = terms.take(pc.sort_indices(terms))  # by bytes, as a build sorts them
    ids = [pc.index_in(text, value_set=terms).fill_null(0).to_numpy() for text in texts]
    return terms, [id_.astype(np.int64) for id_ in ids]


def _columns(
    segments: Sequence[Living],
    dfs: Sequence[NDArray[np.int64]],
    ids: Sequence[NDArray[np.int64]],
    starts: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    n = int(starts[-1])
    rows = np.empty(n, np.uint32)
    counts, title_counts = np.empty(n, np.uint8), np.empty(n, np.uint8)
    overflow = [np.empty((0, 3), np.int64)]
    free, base = starts.copy(), 0  # where the next posting of each term belongs
    for one, df, id_ in zip(segments, dfs, ids, strict=True):
        p, places = one.postings, (base + np.cumsum(one.alive) - 1).astype(np.uint32)
        for first, last in _blocks(p.starts):
            here, few = slice(int(p.starts[first]), int(p.starts[last])), df[first:last]
            lives = one.alive[p.rows[here]]
            at = _runs(free[id_[first:last]], few)
            rows[at] = places[p.rows[here][lives]]
            counts[at] = p.counts[here][lives]
            title_counts[at] = p.title_counts[here][lives]
            overflow.append(_overflow(p, here, lives, at))
            free[id_[first:last][few > 0]] += few[few > 0]
        base += int(np.count_nonzero(one.alive))
    wide = np.concatenate(overflow)
    wide = wide[np.argsort(wide[:, 0])]
    return {
        "starts": starts,
        "rows": rows,
        "counts": counts,
        "title_counts": title_counts,
        "overflow": wide,
        "max_counts": _largest(counts, wide, starts),
    }


def _overflow(p: Postings, here: slice, lives: Mask, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The exact counts that stand aside for a slice of postings, at their merged places."""
    first, last = np.searchsorted(p.overflow[:, 0], [here.start, here.stop])
    wide: NDArray[np.int64] = p.overflow[first:last].copy()
    old = wide[:, 0] - here.start
    wide, old = wide[lives[old]], old[lives[old]]
    if len(wide):
        wide[:, 0] = at[np.cumsum(lives)[old] - 1]
    return wide


def _largest(
    counts: NDArray[np.uint8], wide: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.int32]:
    largest = np.maximum.reduceat(counts, starts[:-1]) if len(counts) else counts
    exact = largest.astype(np.int32)
    np.maximum.at(exact, np.searchsorted(starts, wide[:, 0], "right") - 1, wide[:, 1])
    return exact


def _forward(
    segments: Sequence[Living], ids: Sequence[NDArray[np.int64]], n_postings: int
) -> dict[str, NDArray[Any]]:
    doc_terms, at = np.empty(n_postings, np.uint32), 0
    for one, id_ in zip(segments, ids, strict=True):
        starts = one.postings.doc_starts
        for first, last in _blocks(starts):
            kept = np.repeat(one.alive[first:last], np.diff(starts[first : last + 1]))
            terms = id_[one.postings.doc_terms[starts[first] : starts[last]][kept]]
            doc_terms[at : at + len(terms)] = terms
            at += len(terms)
    sizes = [np.diff(one.postings.doc_starts)[one.alive] for one in segments]
    lengths = [one.postings.lengths[:, one.alive] for one in segments]
    return {
        "lengths": np.ascontiguousarray(np.concatenate(lengths, axis=1)),
        "doc_starts": np.concatenate([[0], np.cumsum(np.concatenate(sizes))]),
        "doc_terms": doc_terms,
    }


def _runs(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """begins[0], begins[0] + 1, ... up to sizes[0] of them, then those of the next: (sum,)."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(begins - before, sizes) + np.arange(sizes.sum())


def _blocks(starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of whole slices that hold about `_BLOCK` values together: (first, beyond the last)."""
    first, n = 0, len(starts) - 1
    while first < n:
        last = int(np.searchsorted(starts, starts[first] + _BLOCK, "right")) - 1
        last = min(max(last, first + 1), n)
        yield first, last
        first = last
