"""An index -> what is wrong with it: files by their bytes, parts by what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchkit.errors import FormatError
from searchkit.index import generation as generations
from searchkit.index import stamps
from searchkit.index.crosscheck import check_segment, check_segments
from searchkit.index.docs import DocStore
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.tombstones import ROWS, read_rows
from searchkit.protocols import Progress

Watch = Callable[[str], Progress]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an index, and the documents that lie in it."""

    file: str  # inside the index, or the folder of a part
    wrong: str
    n_docs: int  # documents in it that a search could find; where deletions are lost, all of them
    ids: tuple[str, ...] = ()  # theirs; empty where they cannot be read
    seqs: tuple[int, int] | None = None  # first and last, where the ids cannot be read

    @property
    def sentence(self) -> str:
        return f"{self.file} {self.wrong}; it touches {self.n_docs:,} documents{self._which()}."

    def _which(self, shown: int = 3) -> str:
        if self.ids:
            more = len(self.ids) - shown
            return f": {', '.join(self.ids[:shown])}" + (f" and {more:,} more" * (more > 0))
        if self.seqs is None:
            return ""
        first, last = self.seqs
        among = "among " * (last - first + 1 > self.n_docs)
        return f": {among}seq {first:,} to {last:,}"


def faults(
    index: Path,
    generation: Generation,
    *,
    full: bool = False,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Iterator[Fault]:
    """What is wrong with a generation that the caller holds; nothing where it is sound.

    Without `full` a file is wrong where it is missing, has another size, or no longer has inode
    and time of its stamp and has other bytes. With it every file is hashed, and what lies in sound
    files is counted against each other. Nothing but hashing touches a damaged file.
    """
    told = watch("hash" if full else "look at files")
    wrong = dict(stamps.faults(index, generation, full=full, progress=told))
    where = Where(index, generation, wrong)
    for file, what in wrong.items():
        yield where.fault(file, what)
    if full:
        for holder, what in _miscounts(where, watch("count")):
            yield where.fault(holder.folder, what)
        yield from _snapshots(index, generation)


def _miscounts(where: Where, progress: Progress) -> Iterator[tuple[Segment | Part, str]]:
    segments = where.generation.segments
    for n, segment in enumerate(segments, 1):
        yield from check_segment(where.index, segment, where.is_sound, where.generation)
        progress(n, len(segments))
    holders: list[Segment | Part] = [*segments]
    holders += [part for segment in segments for part in segment.parts if part.kind == "tombstones"]
    if all(map(where.is_sound, holders)):
        yield from check_segments(where.index, where.generation)


def _snapshots(index: Path, live: Generation) -> Iterator[Fault]:
    for number in live.snapshots:
        yield from snapshot_faults(index, live, number)


def snapshot_faults(index: Path, live: Generation, number: str) -> list[Fault]:
    """Damaged files of an older generation that was left to be searched, beside those of `live`."""
    path = generations.path_of(index, int(number))
    name = str(path.relative_to(index))
    try:
        found = generations.hold(index, int(number), live.snapshots[number])
    except FormatError as error:
        return [Fault(name, error.why, 0)]
    if found is None:
        return [Fault(name, "is missing", 0)]
    snapshot, held = found
    with held:
        seen = dict(live.files())
        own = ((file, stamp) for file, stamp in snapshot.files() if file not in seen)
        damages = {file: stamps.damage(index / file, stamp) for file, stamp in own}
        where = Where(index, snapshot, {file: what for file, what in damages.items() if what})
        return [where.fault(file, what) for file, what in where.wrong.items()]


@dataclass(frozen=True, slots=True)
class Where:
    """Which documents lie in a file of a generation, of whose files some are known to be wrong."""

    index: Path
    generation: Generation
    wrong: Mapping[str, str]  # file -> what is wrong with it

    def is_sound(self, holder: Segment | Part) -> bool:
        return not any(f"{holder.folder}/{file}" in self.wrong for file in holder.files)

    def fault(self, file: str, what: str) -> Fault:
        n, segment = next(
            (n, segment)
            for n, segment in enumerate(self.generation.segments)
            for folder in (segment.folder, *(part.folder for part in segment.parts))
            if f"{file}/".startswith(f"{folder}/")
        )
        if self.is_sound(segment):
            ids = tuple(self.ids(segment))
            return Fault(file, what, len(ids), ids=ids)
        return Fault(file, what, segment.n_docs - segment.n_deleted, seqs=self._seqs(n))

    def ids(self, segment: Segment) -> list[str]:
        """Of the documents of a segment whose files are sound that a search can find.

        Of all its documents where the file that tells the deleted ones is damaged.
        """
        ids = DocStore(self.index / segment.folder).ids
        gone = segment.part("tombstones")
        if gone is not None and f"{gone.folder}/{ROWS}" not in self.wrong:
            alive = np.ones(segment.n_docs, np.bool_)
            rows = read_rows(self.index / gone.folder)
            alive[rows[rows < segment.n_docs]] = False
            ids = ids.filter(alive)
        found: list[str] = ids.to_pylist()
        return found

    def _seqs(self, n: int) -> tuple[int, int]:
        """What the seq of a segment's documents lie between, by those of its neighbours."""
        segments = self.generation.segments
        before = [self._ends(s)[1] + 1 for s in segments[:n] if self.is_sound(s)]
        after = [self._ends(s)[0] - 1 for s in segments[n + 1 :] if self.is_sound(s)]
        first, last = max(before, default=0), min(after, default=self.generation.next_seq - 1)
        return first, last

    def _ends(self, segment: Segment) -> tuple[int, int]:
        seqs = DocStore(self.index / segment.folder).seqs
        return int(seqs[0].as_py()), int(seqs[-1].as_py())


def spread(n_rows: int, n: int) -> Sequence[int]:
    """Up to n rows, evenly over all."""
    return sorted(set(np.linspace(0, n_rows - 1, n).astype(int).tolist())) if n_rows else []
