"""An index of an older format -> the same index in the newest, and nothing encoded for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from searchkit.encode import grids
from searchkit.errors import SearchkitError
from searchkit.index import stamps
from searchkit.index.build import Watch
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import with_kinds
from searchkit.index.docs import DocStore
from searchkit.index.drafts import Drafts
from searchkit.index.generation import FORMAT, Generation, Part, Segment
from searchkit.index.mend import Opener
from searchkit.index.recorded import open_recorded
from searchkit.index.vectors import DIGESTS, N_TOKENS, digests_of
from searchkit.index.writer import changing
from searchkit.protocols import Encoder, Progress


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The generation that is live now, the format that was, and what could not be had."""

    generation: Generation
    before: int
    changed: bool
    n_described: int = 0  # vector parts that know now what texts they were made of
    notes: tuple[str, ...] = ()


def upgrade(
    index: Path,
    *,
    opener: Opener = open_recorded,
    commit: CommitOptions = PLAIN,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Upgrade:
    """Commit an index in the newest format; it ranks as before.

    An index of every readable format can be searched and changed as it is, and its first change
    writes the newest format. What this adds: what text each vector was made of, so that later
    commits need not encode it again. That takes the encoder's tokenizer; vectors whose encoder
    cannot be loaded stay as they are, and `notes` says so. Nothing is committed where nothing is
    missing.
    """
    with changing(index, commit) as (live, drafts):
        work = _Upgrader(drafts, live, opener, watch)
        draft = replace(live, segments=tuple(work.segments()), encoders=with_kinds(live))
        changed = draft != live or live.format != FORMAT
        fresh = publish(index, draft, keep=commit.keep) if changed else live
    stamps.check(index, fresh)
    return Upgrade(fresh, live.format, changed, work.n_described, tuple(work.notes.values()))


class _Upgrader:
    def __init__(self, drafts: Drafts, live: Generation, opener: Opener, watch: Watch) -> None:
        self._drafts, self._live, self._opener, self._watch = drafts, live, opener, watch
        self._encoders: dict[str, Encoder | None] = {}
        self.notes: dict[str, str] = {}  # by encoder
        self.n_described = 0

    def segments(self) -> Iterator[Segment]:
        for segment in self._live.segments:
            moved: dict[str, str] = {}  # hash of a vector part -> that of the one in its place
            parts = []
            for part in segment.parts:
                fresh = part
                if part.kind == "vectors" and DIGESTS not in part.files:
                    fresh = self._described(segment, part)
                    moved[part.hash] = fresh.hash
                    self.n_described += fresh is not part
                elif part.kind == "ann":
                    fresh = self._over(part, moved.get(part.config["vectors"]))
                parts.append(fresh)
            yield replace(segment, parts=tuple(parts))

    def _described(self, segment: Segment, part: Part) -> Part:
        """The same vectors with what they were made of; the same part where that is unknown."""
        name = part.config["encoder"]
        encoder = self._encoder(name)
        if encoder is None:
            return part
        told = self._watch(f"count tokens for {name}")
        digests, n_tokens = _texts_of(
            self._drafts.index, segment, part, encoder=encoder, progress=told
        )
        if len(digests) != part.stats["n_vectors"]:
            self.notes[name] = f"Texts are cut in another way now: vectors of {name} stay as is."
            return part
        folder = self._copied(part)
        np.save(folder / DIGESTS, digests)
        np.save(folder / N_TOKENS, n_tokens)
        return self._drafts.part(
            "vectors", folder, part.config, inputs=segment.hash, stats=part.stats
        )

    def _over(self, part: Part, vectors: str | None) -> Part:
        """The same graph, over the same vectors in another part."""
        if vectors is None or vectors == part.config["vectors"]:
            return part
        config = {**part.config, "vectors": vectors}
        folder = self._copied(part)
        return self._drafts.part("ann", folder, config, inputs=vectors, stats=part.stats)

    def _copied(self, part: Part) -> Path:
        folder = self._drafts.folder(part.kind)
        for name in part.files:
            shutil.copyfile(self._drafts.index / part.folder / name, folder / name)
        return folder

    def _encoder(self, name: str) -> Encoder | None:
        if name not in self._encoders:
            record = next(one for one in self._live.encoders if one["name"] == name)
            try:
                self._encoders[name] = self._opener(self._drafts.index, record)
            except SearchkitError as error:
                self._encoders[name] = None
                self.notes[name] = f"Vectors of {name} stay without their texts: {error}"
        return self._encoders[name]


def _texts_of(
    index: Path, segment: Segment, part: Part, *, encoder: Encoder, progress: Progress
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Digest and length in tokens of the text of every vector: (n, 2) uint64 and (n,) uint32."""
    digests, n_tokens, done = [digests_of([])], list[int](), 0
    for grid in grids(DocStore(index / segment.folder), part.config["passages"], encoder):
        digests.append(digests_of(grid.texts))
        n_tokens += encoder.n_tokens(grid.texts)
        done += len(grid.counts)
        progress(done, segment.n_docs)
    return np.concatenate(digests), np.array(n_tokens, np.uint32)
