"""Which documents hold which term: the inverted index of one segment, mapped from the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import DamagedIndex
from searchkit.index.terms import TermTable
from searchkit.types import Rows

WIDE = 255  # a count of this value or more stands in the overflow arrays


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Postings:
    """Term t owns the slice [starts[t], starts[t + 1]) of `rows`, `counts` and `title_counts`.

    Doc d owns [doc_starts[d], doc_starts[d + 1]) of `doc_terms`, ascending: the forward list.
    """

    terms: TermTable  # sorted
    starts: NDArray[np.int64]  # (n_terms + 1,)
    rows: NDArray[np.uint32]  # (n_postings,), ascending within a term
    counts: NDArray[np.uint8]  # (n_postings,) occurrences in title and text, at most WIDE
    title_counts: NDArray[np.uint8]  # (n_postings,) occurrences in the title, at most WIDE
    overflow: NDArray[np.int64]  # (n_overflow, 3) posting, count, title count; by posting
    max_counts: NDArray[np.int32]  # (n_terms,) the largest count of each term
    lengths: NDArray[np.uint32]  # (2, n_docs) terms in the title, in the text
    doc_starts: NDArray[np.int64]  # (n_docs + 1,)
    doc_terms: NDArray[np.uint32]  # (n_postings,)

    @property
    def n_docs(self) -> int:
        return int(self.lengths.shape[1])

    def exact_counts(self, place: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Counts and title counts of a slice of postings, whatever their size: (n,) int64 each."""
        counts = self.counts[place].astype(np.int64)
        title_counts = self.title_counts[place].astype(np.int64)
        if len(self.overflow) and (counts == WIDE).any():
            first, last = np.searchsorted(self.overflow[:, 0], [place.start, place.stop])
            wide = self.overflow[first:last]
            counts[wide[:, 0] - place.start] = wide[:, 1]
            title_counts[wide[:, 0] - place.start] = wide[:, 2]
        return counts, title_counts

    def find(self, term: int, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Posting of the term in each of the rows, and whether there is one."""
        start, stop = int(self.starts[term]), int(self.starts[term + 1])
        held = self.rows[start:stop]
        at = np.searchsorted(held, rows.astype(np.uint32))
        there = at < len(held)
        there[there] = held[at[there]] == rows[there]
        return start + at, there


_ARRAYS = ("starts", "rows", "counts", "title_counts", "overflow", "max_counts", "lengths")
_FORWARD = ("doc_starts", "doc_terms")


def write_postings(folder: Path, terms: Sequence[str], arrays: dict[str, NDArray[Any]]) -> None:
    TermTable.write(folder, terms)
    for name in (*_ARRAYS, *_FORWARD):
        np.save(folder / f"{name}.npy", arrays[name], allow_pickle=False)


def open_postings(folder: Path) -> Postings:
    arrays = {name: map_array(folder / f"{name}.npy") for name in (*_ARRAYS, *_FORWARD)}
    terms = TermTable.open(folder)
    n_postings = len(arrays["rows"])
    sizes = {
        "starts": len(terms) + 1,
        "counts": n_postings,
        "title_counts": n_postings,
        "max_counts": len(terms),
        "doc_terms": n_postings,
        "doc_starts": arrays["lengths"].shape[1] + 1,
    }
    for name, size in sizes.items():
        if len(arrays[name]) != size:
            why = f"holds {len(arrays[name])} values where {size} belong"
            raise DamagedIndex(folder / f"{name}.npy", why, "Run `searchkit repair` on the index.")
    return Postings(terms=terms, **arrays)


def map_array(path: Path) -> NDArray[Any]:
    """An array of the index, mapped; an empty one is read, because nothing cannot be mapped."""
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        try:
            mapped = np.load(path, allow_pickle=False)
        except ValueError:
            raise DamagedIndex(
                path, "is not an array", "Run `searchkit repair` on the index."
            ) from None
    # a plain view: numpy's memmap class costs microseconds on every slice
    return np.asarray(mapped).view(np.ndarray)
