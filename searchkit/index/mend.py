"""A segment with damaged files -> the segment, each part derived again from what it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import SearchkitError
from searchkit.index import disk
from searchkit.index.ann_choice import FLAT, AnnForm
from searchkit.index.ann_parts import Anns
from searchkit.index.build import Watch
from searchkit.index.dense_parts import dense_parts
from searchkit.index.docs import DocStore
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Part, Segment
from searchkit.index.known import Known
from searchkit.index.recorded import recorded_choice
from searchkit.index.rederive import rederive_postings, rederive_tombstones
from searchkit.index.salvage import unturned
from searchkit.index.tombstones import ROWS, read_rows
from searchkit.index.verify import Fault, Where
from searchkit.protocols import Encoder
from searchkit.types import Rows

Opener: TypeAlias = Callable[[Path, Mapping[str, Any]], Encoder]

_OTHER = {  # why a part does not come out byte for byte
    "postings": "its terms differ, for the analyzer's libraries have changed since; `searchkit "
    "reanalyse` makes all segments alike",
    "vectors": "another machine or library rounds otherwise, or the old format said less",
    "ann": "a graph is linked in the order in which threads come",
    "tombstones": "they count the terms of other postings",
}
TURNED = "one bit was turned, and is turned back"


@dataclass(frozen=True, slots=True)
class Mended:
    """A file or part that was damaged, and what it was made from again."""

    file: str
    wrong: str
    how: str

    @property
    def sentence(self) -> str:
        return f"{self.file} {self.wrong}: {self.how}."


@dataclass(frozen=True, slots=True)
class Loss:
    """A segment or part that nothing here can bring back."""

    fault: Fault
    of: Segment | Part
    instead: Part | None = None  # what is left of it
    n_back: int = 0  # deleted documents that come back without it


class Mender:
    """Mends the segments of one generation, one after another. Without drafts it only plans."""

    def __init__(
        self, where: Where, drafts: Drafts | None, *, opener: Opener, watch: Watch
    ) -> None:
        self.where, self._drafts, self._opener, self._watch = where, drafts, opener, watch
        self.mended: list[Mended] = []
        self.losses: list[Loss] = []
        self._known, self._anns = Known(where.index), Anns()
        for segment in where.generation.segments:
            for part in filter(where.is_sound, segment.parts):
                self._known.learn(part)
                self._anns.learn(part)

    def mend(self, segment: Segment) -> Segment:
        """The segment with parts that are sound; what cannot be mended stays as it is."""
        if not self._turned_back(segment):
            self._lose(segment, "and its documents have no other source")
            return segment
        fresh: dict[str, Part] = {}
        for kind in ("postings", "vectors", "ann", "tombstones"):  # each from those before it
            for part in segment.parts:
                if part.kind == kind:
                    fresh[part.hash] = self._part(segment, part, fresh)
        for part in segment.parts:
            if part.kind == "tokens" and not self._is_let_go(part):
                fresh[part.hash] = part
        kept = (fresh[part.hash] for part in segment.parts if part.hash in fresh)
        return replace(segment, parts=tuple(kept))

    def _part(self, segment: Segment, part: Part, fresh: Mapping[str, Part]) -> Part:
        sources = [new for old, new in fresh.items() if old in part.config.values()]
        is_moved = any(new.hash not in part.config.values() for new in sources)
        if any(loss.of.hash in part.config.values() for loss in self.losses):
            return part  # what it would be made from is lost
        if not is_moved and (self.where.is_sound(part) or self._may_turn_back(part)):
            return part
        if part.kind == "postings":
            return self._postings(segment, part)
        if part.kind == "vectors":
            return self._vectors(segment, part)
        if part.kind == "ann":
            return self._ann(part, sources[0])
        return self._tombstones(segment, part, sources[0])

    def _postings(self, segment: Segment, part: Part) -> Part:
        analyzer = TextAnalyzer.from_config(part.config["analyzer"])
        told = self._watch(f"analyse as {analyzer.name}")
        make = lambda drafts: rederive_postings(drafts, segment, analyzer, told)  # noqa: E731
        return self._made(part, "from the stored texts", make)

    def _vectors(self, segment: Segment, part: Part) -> Part:
        name = part.config["encoder"]
        record = next(one for one in self.where.generation.encoders if one["name"] == name)
        try:
            encoder = self._opener(self.where.index, record)
        except SearchkitError as error:
            self._lose(part, f"and cannot be encoded again: {error}")
            return part
        choice = recorded_choice(encoder, record)

        def make(drafts: Drafts) -> Part:
            number = self.where.generation.segments.index(segment)
            return dense_parts(
                drafts,
                segment,
                number=number,
                choices=[choice],
                ann=FLAT,
                anns=self._anns,
                known=self._known,
                watch=self._watch,
            )[0]

        return self._made(part, f"from the stored texts by {name}", make)

    def _ann(self, part: Part, vectors: Part) -> Part:
        form = AnnForm.of(part.config)
        told = self._watch(f"{form.kind} over {part.config['encoder']}")
        make = lambda drafts: self._anns.build(drafts, vectors, form, told)  # noqa: E731
        return self._made(part, "from the vectors", make)

    def _tombstones(self, segment: Segment, part: Part, postings: Part) -> Part:
        n_gone, how = int(part.stats["n_docs"]), "from the postings"
        if f"{part.folder}/{ROWS}" in self.where.wrong:
            rows = self._superseded(segment)
            how = "from the later versions of the documents"
            if len(rows) != n_gone:
                n_back = max(n_gone - len(rows), 0)
                why = f"and nothing else tells {n_back:,} of its {n_gone:,} deleted documents"
                instead = self._stones(segment, postings, rows) if len(rows) else None
                self._lose(part, why, instead, n_back)
                return part
        else:
            rows = read_rows(self.where.index / part.folder)
        make = lambda drafts: rederive_tombstones(drafts, segment, postings, rows)  # noqa: E731
        return self._made(part, how, make)

    def _is_let_go(self, part: Part) -> bool:
        """Whether damaged tokens go: they are soon made again, and nothing needs them."""
        broken = list(self._broken(part))
        how = f"let go; `searchkit tokens add` makes the tokens of {part.config['model']} again"
        self.mended += [Mended(file, wrong, how) for file, wrong in broken]
        return bool(broken)

    def _stones(self, segment: Segment, postings: Part, rows: Rows) -> Part | None:
        if self._drafts is None:
            return None
        return rederive_tombstones(self._drafts, segment, postings, rows)

    def _superseded(self, segment: Segment) -> Rows:
        """Rows of documents that came in again later, which deleted them here."""
        segments, later = self.where.generation.segments, set[str]()
        if self._drafts is None and not self.where.is_sound(segment):
            return np.empty(0, np.int64)  # a plan turns no bits back, so its ids cannot be read
        for one in segments[segments.index(segment) + 1 :]:
            if self.where.is_sound(one):
                later.update(DocStore(self.where.index / one.folder).ids.to_pylist())
        ids = DocStore(self.where.index / segment.folder).ids.to_pylist()
        return np.array([row for row, id_ in enumerate(ids) if id_ in later], np.int64)

    # -- what happens to a damaged file ----------------------------------------------------

    def _made(self, part: Part, how: str, make: Callable[[Drafts], Part]) -> Part:
        fresh = make(self._drafts) if self._drafts else part
        self._known.learn(fresh)
        if self._drafts:
            alike = fresh.hash == part.hash
            how += ", byte for byte" if alike else f", as another part: {_OTHER[part.kind]}"
        broken = dict(self._broken(part)) or {part.folder: "belongs to a part that is another now"}
        self.mended += [Mended(file, wrong, f"made {how}") for file, wrong in broken.items()]
        return fresh

    def _lose(
        self, of: Segment | Part, why: str, instead: Part | None = None, n_back: int = 0
    ) -> None:
        for file, wrong in self._broken(of):
            fault = self.where.fault(file, f"{wrong}, {why}")
            self.losses.append(Loss(fault, of, instead, n_back))

    def _broken(self, holder: Segment | Part) -> Iterator[tuple[str, str]]:
        for name in holder.files:
            file = f"{holder.folder}/{name}"
            if file in self.where.wrong:
                yield file, self.where.wrong[file]

    def _may_turn_back(self, part: Part) -> bool:
        """Only where no cheaper source is: postings and graphs are made in less time."""
        return part.kind in ("vectors", "tombstones") and self._turned_back(part)

    def _turned_back(self, holder: Segment | Part) -> bool:
        """Whether every file is sound by now, for bits that were turned are turned back."""
        contents = {}
        for file, _ in self._broken(holder):
            path, stamp = self.where.index / file, holder.files[Path(file).name]
            there = path.is_file() and path.stat().st_size == stamp.n_bytes
            content = unturned(path.read_bytes(), stamp.sha256) if there else None
            if content is None:
                return False
            contents[file] = content
        for file, content in contents.items():
            if self._drafts:
                draft = self._drafts.folder("file") / Path(file).name
                disk.write(draft, content)
                disk.move(draft, self.where.index / file)
            self.mended.append(Mended(file, self.where.wrong[file], TURNED))
        return True


def without(segments: Sequence[Segment], losses: Sequence[Loss]) -> Iterator[Segment]:
    """The segments without what is lost: documents, deletions, or all vectors of an encoder."""
    lost = {loss.of.hash: loss for loss in losses}
    parts = [loss.of for loss in losses if isinstance(loss.of, Part)]
    encoders = {part.config["encoder"] for part in parts if part.kind == "vectors"}
    for segment in segments:
        if segment.hash not in lost:
            kept = [
                lost[part.hash].instead if part.hash in lost else part
                for part in segment.parts
                if part.config.get("encoder") not in encoders
            ]
            yield replace(segment, parts=tuple(part for part in kept if part is not None))
