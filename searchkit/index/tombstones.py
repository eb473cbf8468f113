"""Deleted rows of a segment -> its tombstones: which they are, and what BM25 forgets with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import DamagedIndex
from searchkit.index.postings import Postings, map_array
from searchkit.types import Mask, Rows

ROWS = "rows.npy"
_FILES = ("rows", "terms", "dfs", "lengths")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Tombstones:
    """The deleted rows of one segment, and their share of its BM25 statistics."""

    rows: NDArray[np.uint32]  # (n,) ascending, inside the segment
    terms: NDArray[np.uint32]  # (n_terms,) ascending: ids in the segment's postings
    dfs: NDArray[np.uint32]  # (n_terms,) deleted documents that hold the term
    lengths: NDArray[np.int64]  # (2,) terms in their titles, in their texts

    def alive(self, n_rows: int) -> Mask:
        """True for the rows that are still there: (n_rows,)."""
        mask = np.ones(n_rows, np.bool_)
        mask[self.rows] = False
        return mask

    def df(self, terms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Deleted documents that hold each of the terms, which are ids: (len(terms),)."""
        at = np.minimum(np.searchsorted(self.terms, terms), len(self.terms) - 1)
        held = self.terms[at] == terms if len(self.terms) else np.zeros(len(terms), np.bool_)
        return np.where(held, self.dfs[at] if len(self.terms) else 0, 0).astype(np.int64)


def count_tombstones(rows: Rows, postings: Postings) -> Tombstones:
    """The tombstones of these rows, ascending.

    The statistics come from the forward list: analysing the texts again could give other terms,
    for stemmers change between versions.
    """
    starts, stops = postings.doc_starts[rows], postings.doc_starts[rows + 1]
    counts = stops - starts
    places = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    terms, dfs = np.unique(postings.doc_terms[places], return_counts=True)
    lengths = postings.lengths[:, rows].sum(axis=1, dtype=np.int64)
    return Tombstones(rows.astype(np.uint32), terms, dfs.astype(np.uint32), lengths)


def write_tombstones(folder: Path, rows: Rows, postings: Postings) -> dict[str, int]:
    """Write the tombstones of these rows, ascending; what they count, for the part."""
    counted = count_tombstones(rows, postings)
    for name in _FILES:
        np.save(folder / f"{name}.npy", getattr(counted, name), allow_pickle=False)
    return {"n_docs": len(rows)}


def read_rows(folder: Path) -> Rows:
    """The deleted rows alone, ascending, from a file that was checked."""
    rows: Rows = map_array(folder / ROWS).astype(np.int64)
    return rows


def open_tombstones(folder: Path, n_rows: int) -> Tombstones:
    """The tombstones in a folder, checked against the segment; else DamagedIndex."""
    found = Tombstones(*(map_array(folder / f"{name}.npy") for name in _FILES))
    within = not len(found.rows) or int(found.rows[-1]) < n_rows
    if not within or len(found.terms) != len(found.dfs) or found.lengths.shape != (2,):
        raise DamagedIndex(
            folder, "does not fit its segment", "Run `searchkit repair` on the index."
        )
    return found
