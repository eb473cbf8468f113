"""The terms of a segment in order, looked up by search and not by a table in memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TERMS, PREFIXES = "terms.arrow", "term_prefixes.npy"


@dataclass(frozen=True, slots=True, eq=False)
class TermTable:
    """Terms sorted by their UTF-8 bytes; the first 8 bytes of each, as a number, lead to it."""

    texts: pa.Array  # (n_terms,) large_string
    prefixes: NDArray[np.uint64]  # (n_terms,) ascending

    def __len__(self) -> int:
        return len(self.texts)

    def find(
        self, terms: Sequence[str], *, prefixes: NDArray[np.uint64] | None = None
    ) -> NDArray[np.int64]:
        """Id of each term, -1 where the segment does not hold it: (len(terms),) int64.

        prefixes: what `prefixes_of` says of the terms, where many tables are asked for them.
        """
        found = np.full(len(terms), -1, np.int64)
        if not len(self) or not len(terms):
            return found
        wanted = prefixes_of(terms) if prefixes is None else prefixes
        at = np.minimum(np.searchsorted(self.prefixes, wanted), len(self) - 1)
        starts = np.frombuffer(self.texts.buffers()[1], np.int64)[self.texts.offset :]
        sizes = (starts[at + 1] - starts[at]).tolist()
        for n in np.flatnonzero(self.prefixes[at] == wanted).tolist():
            spelled = terms[n].encode()
            # up to 8 bytes, prefix and length are the whole term: a shorter one comes first
            if len(spelled) <= 8 and sizes[n] >= len(spelled):
                found[n] = at[n] if sizes[n] == len(spelled) else -1
            else:
                found[n] = self._within(spelled, int(at[n]), wanted[n])
        return found

    def _within(self, spelled: bytes, low: int, prefix: np.uint64) -> int:
        """The id of a term among those of its prefix, of which the first is known."""
        high = int(np.searchsorted(self.prefixes, prefix, "right"))
        window = _Window(self.texts)
        at = bisect_left(window, spelled, low, high)
        return at if at < high and window[at] == spelled else -1

    @staticmethod
    def write(folder: Path, terms: Sequence[str]) -> None:
        texts = pa.record_batch([pa.array(terms, pa.large_string())], names=["term"])
        with (
            pa.OSFile(str(folder / TERMS), "wb") as sink,
            pa.ipc.new_file(sink, texts.schema) as file,
        ):
            file.write_batch(texts)
        np.save(folder / PREFIXES, prefixes_of(terms), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> TermTable:
        texts = pa.ipc.open_file(pa.memory_map(str(folder / TERMS))).get_batch(0).column(0)
        prefixes = np.load(folder / PREFIXES, allow_pickle=False)
        return cls(texts, prefixes)


@dataclass(frozen=True, slots=True)
class _Window:
    """Terms as bytes, for bisect: their order is that of bytes."""

    texts: pa.Array

    def __getitem__(self, at: int) -> bytes:
        spelled: str = self.texts[at].as_py()
        return spelled.encode()

    def __len__(self) -> int:
        return len(self.texts)


def prefixes_of(terms: Sequence[str]) -> NDArray[np.uint64]:
    """First 8 bytes of each term as a big-endian number, NUL-padded: (len(terms),)."""
    eight = b"".join(term.encode()[:8].ljust(8, b"\0") for term in terms)
    return np.frombuffer(eight, ">u8").astype(np.uint64)
