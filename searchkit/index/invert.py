"""Titles and texts -> postings of one segment, in memory bounded by the segment's size.

A batch is analysed into keys (row, term, field), sorted and counted: that is the forward list.
When all batches are in, terms take their sorted order and the forward list is transposed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from searchkit.analyze.analyzer import Chunks, GrowingVocabulary, TextAnalyzer, cut
from searchkit.index.postings import WIDE, write_postings

_CLIP = 0xFFFF  # a count of this value or more is kept aside, exactly


@dataclass(frozen=True, slots=True)
class _Counted:
    """The forward list of one batch; terms are ids in order of first occurrence."""

    sizes: NDArray[np.int64]  # (n_docs,) distinct terms of each document
    terms: NDArray[np.int32]  # (n,)
    counts: NDArray[np.uint32]  # (n,) count in the low half, title count in the high half
    lengths: NDArray[np.uint32]  # (2, n_docs)
    wide: NDArray[np.int64]  # (n_wide, 4) row, term, count, title count, where clipped


def cut_batch(titles: pa.Array, texts: pa.Array) -> Chunks:
    """Titles, then texts, cut into chunks. Releases the GIL for most of its time."""
    return cut(pa.concat_arrays([titles, texts]))


class PostingsBuilder:
    """Collects batches of one segment, in row order, then writes its postings."""

    def __init__(self, analyzer: TextAnalyzer) -> None:
        self._vocabulary = GrowingVocabulary(analyzer)
        self._batches: list[_Counted] = []
        self._n_docs = 0

    def add(self, chunks: Chunks) -> None:
        """Take in what `cut_batch` made of the next documents."""
        starts, ids = self._vocabulary.add(chunks)
        n_docs = (len(starts) - 1) // 2
        self._batches.append(_count(starts, ids, n_docs, self._n_docs))
        self._n_docs += n_docs

    def finish(self, folder: Path) -> dict[str, int]:
        """Write the postings; what they count, for the ledger."""
        from scipy.sparse import csr_matrix

        names = self._vocabulary.terms
        order = sorted(range(len(names)), key=names.__getitem__)
        place = np.empty(len(names), np.int32)
        place[order] = np.arange(len(names), dtype=np.int32)

        sizes = np.concatenate([b.sizes for b in self._batches] or [np.empty(0, np.int64)])
        doc_starts = np.concatenate([[0], np.cumsum(sizes)])
        wide = np.concatenate([b.wide for b in self._batches] or [np.empty((0, 4), np.int64)])
        lengths = np.concatenate(
            [b.lengths for b in self._batches] or [np.empty((2, 0), np.uint32)], axis=1
        )
        held = np.concatenate([b.counts for b in self._batches] or [np.empty(0, np.uint32)])
        terms = np.concatenate([place[b.terms] for b in self._batches] or [np.empty(0, np.int32)])
        self._batches.clear()
        shape = (len(sizes), len(names))
        by_doc = csr_matrix((held.view(np.int32), terms, doc_starts), shape=shape)
        del held, terms
        by_term = by_doc.tocsc()  # rows come out ascending within a term
        del by_doc
        with ThreadPoolExecutor(1) as beside:
            transposed = beside.submit(by_term.tocsr)  # without the GIL
            arrays = _columns(by_term, wide, place)
            forward = transposed.result()
        arrays |= {
            "lengths": lengths,
            "doc_starts": doc_starts.astype(np.int64),
            "doc_terms": forward.indices.astype(np.uint32),
        }
        write_postings(folder, [names[i] for i in order], arrays)
        return tally(lengths, n_terms=len(names), n_postings=len(arrays["rows"]))


def tally(lengths: NDArray[np.uint32], *, n_terms: int, n_postings: int) -> dict[str, int]:
    """What postings count, for the ledger."""
    return {
        "n_docs": lengths.shape[1],
        "n_terms": n_terms,
        "n_postings": n_postings,
        "title_length": int(lengths[0].sum(dtype=np.int64)),
        "text_length": int(lengths[1].sum(dtype=np.int64)),
    }


def _count(
    starts: NDArray[np.int64], ids: NDArray[np.int32], n_docs: int, first_row: int
) -> _Counted:
    sizes = np.diff(starts)
    doc = np.repeat(np.tile(np.arange(n_docs, dtype=np.uint64), 2), sizes)
    in_text = np.repeat(np.repeat(np.array([0, 1], np.uint64), n_docs), sizes)
    keys = (doc << np.uint64(33)) | (ids.astype(np.uint64) << np.uint64(1)) | in_text
    keys.sort()
    pairs = keys >> np.uint64(1)
    first = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]])[: len(pairs)])
    counts = np.diff(np.concatenate([first, [len(pairs)]]))
    in_title = np.concatenate([[0], np.cumsum((keys & np.uint64(1)) == 0)])
    title_counts = in_title[first + counts] - in_title[first]
    rows = (pairs[first] >> np.uint64(32)).astype(np.int64)
    terms = (pairs[first] & np.uint64(0xFFFFFFFF)).astype(np.int32)
    clipped = np.flatnonzero(counts >= _CLIP)
    wide = [rows[clipped] + first_row, terms[clipped], counts[clipped], title_counts[clipped]]
    low = np.minimum(counts, _CLIP).astype(np.uint32)
    high = np.minimum(title_counts, _CLIP).astype(np.uint32)
    return _Counted(
        sizes=np.bincount(rows, minlength=n_docs),
        terms=terms,
        counts=low | (high << np.uint32(16)),
        lengths=sizes.reshape(2, n_docs).astype(np.uint32),
        wide=np.stack(wide, axis=1).astype(np.int64).reshape(-1, 4),
    )


def _columns(by_term: Any, wide: NDArray[np.int64], place: NDArray[np.int32]) -> dict[str, Any]:  # noqa: ANN401 - scipy has no types
    packed = by_term.data.view(np.uint32)
    counts, title_counts = packed & np.uint32(_CLIP), packed >> np.uint32(16)
    starts = by_term.indptr.astype(np.int64)
    for row, term, count, title_count in wide.tolist():
        low, high = starts[place[term]], starts[place[term] + 1]
        at = low + np.searchsorted(by_term.indices[low:high], row)
        counts[at], title_counts[at] = count, title_count
    over = np.flatnonzero(counts >= WIDE)
    largest = np.maximum.reduceat(counts, starts[:-1]) if len(counts) else counts
    return {
        "starts": starts,
        "rows": by_term.indices.astype(np.uint32),
        "counts": np.minimum(counts, WIDE).astype(np.uint8),
        "title_counts": np.minimum(title_counts, WIDE).astype(np.uint8),
        "overflow": np.stack([over, counts[over], title_counts[over]], axis=1).astype(np.int64),
        "max_counts": largest.astype(np.int32),
    }
