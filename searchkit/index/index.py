"""An index, open for reading: one generation, its rows, documents and parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from itertools import compress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import DamagedIndex, QueryError
from searchkit.index import generation as generations
from searchkit.index import stamps
from searchkit.index.docs import DocStore
from searchkit.index.generation import Generation, Part
from searchkit.index.open_segment import OpenSegment
from searchkit.index.opened import shared
from searchkit.index.postings import Postings, open_postings
from searchkit.index.snapshots import hold_snapshot
from searchkit.index.table import table_of
from searchkit.index.tokens import StoredTokens
from searchkit.index.tombstones import Tombstones, open_tombstones
from searchkit.protocols import Reading
from searchkit.types import Doc, Mask, Row, Rows

_TEXT = pa.large_string()


class Index:
    """One generation, held against collection until it is closed. Rows mean nothing beyond it."""

    def __init__(
        self, path: Path, generation: Generation, held: BinaryIO, *, was_chosen: bool = False
    ) -> None:
        self.path, self.generation, self._held = path, generation, held
        self.was_chosen = was_chosen  # by its number: what is committed later does not concern it
        self.segments: list[OpenSegment] = []
        base = 0
        for segment in generation.segments:
            docs = shared(path / segment.folder, DocStore)
            if len(docs) != segment.n_docs:
                why = f"holds {len(docs)} documents where {segment.n_docs} were written"
                raise DamagedIndex(path / segment.folder, why, "Build the index again.")
            stones = segment.part("tombstones")
            gone = _gone(path / stones.folder, segment.n_docs) if stones else None
            self.segments.append(OpenSegment(base, segment, docs, gone))
            base += segment.n_docs
        self._tokens: dict[Reading, StoredTokens] = {}
        self._bases = np.array([segment.base for segment in self.segments], np.int64)

    @classmethod
    def open(cls, path: Path, *, number: int | None = None) -> Index:
        """The live generation, after a check of every file that this machine has not hashed yet.

        number: that of a snapshot instead; QueryError where there is none.
        """
        hold = generations.hold_live(path) if number is None else hold_snapshot(path, number)
        generation, held = hold
        try:
            stamps.check(path, generation)
            return cls(path, generation, held, was_chosen=number is not None)
        except BaseException:
            held.close()
            raise

    @classmethod
    def checked(cls, path: Path, live: Generation) -> Index:
        """The live generation, for its writer, who has checked its files and keeps others away."""
        _, held = generations.hold_live(path)
        return cls(path, live, held)

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Documents that a search can find."""
        return self.generation.n_docs

    @property
    def n_rows(self) -> int:
        """What masks over rows count: deleted documents among them."""
        return self.generation.n_rows

    @cached_property
    def alive(self) -> Mask | None:
        """Rows that a search may find, (n_rows,); None where nothing is deleted."""
        if self.n_rows == len(self):
            return None
        return np.concatenate(
            [
                np.ones(one.segment.n_docs, np.bool_) if one.alive is None else one.alive
                for one in self.segments
            ]
        )

    def __getitem__(self, row: Row) -> Doc:
        segment = self._segment_of(row)
        return segment.docs[row - segment.base]

    def take(self, rows: Rows) -> list[Doc]:
        """The documents at these rows, in their order; faster than one by one."""
        found: list[Doc | None] = [None] * len(rows)
        of_segment = np.searchsorted(self._bases, rows, "right") - 1
        for n in np.unique(of_segment).tolist():
            here = np.flatnonzero(of_segment == n)
            docs = self.segments[n].docs.take(rows[here] - self.segments[n].base)
            for place, doc in zip(here.tolist(), docs, strict=True):
                found[place] = doc
        return [doc for doc in found if doc is not None]

    def __iter__(self) -> Iterator[Doc]:
        """Every document that is still there, in `seq` order."""
        for segment in self.segments:
            alive = segment.alive
            yield from segment.docs if alive is None else compress(segment.docs, alive)

    def id(self, row: Row) -> str:
        segment = self._segment_of(row)
        return segment.docs.id(row - segment.base)

    def ids(self, rows: Rows) -> list[str]:
        return [self.id(row) for row in rows.tolist()]

    def all_ids(self) -> list[str]:
        """The id of every document that is still there, in `seq` order."""
        ids = pa.chunked_array([c for s in self.segments for c in s.docs.ids.chunks], _TEXT)
        found: list[str] = (ids if self.alive is None else ids.filter(self.alive)).to_pylist()
        return found

    def row(self, doc_id: str) -> Row:
        """Row of the document with this id; QueryError where there is none."""
        for segment in self.segments:
            rows = pc.indices_nonzero(
                pc.equal(segment.docs.ids, pa.scalar(doc_id, _TEXT))
            ).to_pylist()  # an id may have come back after it was deleted
            gone = segment.gone
            for row in rows:
                if gone is None or row not in gone.rows:
                    return segment.base + int(row)
        raise QueryError(
            f"there is no document {doc_id!r} in {self.path}. Ids are as in the corpus."
        )

    def rows_of(self, doc_ids: Iterable[str]) -> dict[str, Row]:
        """Row of each of these documents that is there. One pass over all ids, for many of them."""
        wanted, rows = pa.array(list(doc_ids), _TEXT), dict[str, Row]()
        for segment in self.segments:
            ids, alive = segment.docs.ids, segment.alive
            local = pc.indices_nonzero(pc.is_in(ids, value_set=wanted))
            if alive is not None:
                local = local.filter(pa.array(alive[local.to_numpy()]))
            for id_, row in zip(ids.take(local).to_pylist(), local.to_pylist(), strict=True):
                rows[id_] = segment.base + row
        return rows

    def part(self, kind: str, **config: object) -> list[tuple[OpenSegment, Part]] | None:
        """The part of this kind in every segment, or None where one lacks it."""
        found = [(s, s.segment.part(kind, **config)) for s in self.segments]
        held = [(segment, part) for segment, part in found if part is not None]
        return held if len(held) == len(found) else None

    def tokens(self, reading: Reading) -> StoredTokens:
        """The stored tokens of each row for scorers of this reading, where there are any."""
        if reading not in self._tokens:
            segments = self.generation.segments
            self._tokens[reading] = StoredTokens(self.path, segments, reading)
        return self._tokens[reading]

    def folder(self, part: Part) -> Path:
        return self.path / part.folder

    @cached_property
    def analyzer(self) -> TextAnalyzer:
        found = self.part("postings")
        if not found:
            return TextAnalyzer.named("english")
        return TextAnalyzer.from_config(found[0][1].config["analyzer"])

    @cached_property
    def postings(self) -> list[tuple[int, Postings]]:
        """Postings of every segment with its base row."""
        found = self.part("postings")
        if found is None:
            raise DamagedIndex(
                self.path, "has no postings", "Build the index again with --replace."
            )
        return [(one.base, shared(self.folder(part), open_postings)) for one, part in found]

    @cached_property
    def table(self) -> pa.Table:
        """Metadata of all rows, with `id` and `title`: what filters look at."""
        return table_of(self.segments)

    def _segment_of(self, row: Row) -> OpenSegment:
        if not 0 <= row < self.n_rows:
            raise IndexError(f"row {row} of {self.n_rows}")
        return self.segments[int(np.searchsorted(self._bases, row, "right")) - 1]


def _gone(folder: Path, n_rows: int) -> Tombstones:
    return shared(folder, partial(open_tombstones, n_rows=n_rows))
