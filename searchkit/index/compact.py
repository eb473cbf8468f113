"""An index in many segments -> in few: which merges are due, each of them a commit of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

from searchkit.errors import StorageError
from searchkit.index import generation as generations
from searchkit.index import stamps
from searchkit.index.ann_choice import AnnForm
from searchkit.index.ann_parts import Anns
from searchkit.index.build import Watch
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import ann_config, with_kinds
from searchkit.index.docs import BATCH_DOCS
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.lexical import SEGMENT_DOCS
from searchkit.index.merge import merge
from searchkit.index.writer import changing

_LOG = logging.getLogger(__name__)

FANOUT = 4  # a merge makes a segment of a higher power of this than all that go into it
WORN = 0.2  # share of deleted rows from which a segment is written again
# Where its ANN has to be built again as well, which takes minutes: over 24,038 abstracts the recall
# of hnsw is .999 at any share, and a search takes 1.9 times as long (benchmarks/ann_deleted.py).
WORN_ANN = 0.5
WORN_ROWS = BATCH_DOCS  # deleted rows below which no search feels them

Plan: TypeAlias = Callable[[Generation], list[slice]]


@dataclass(frozen=True, slots=True)
class Step:
    """One commit of a compaction."""

    before: tuple[Segment, ...]  # adjacent segments that were merged, or the one that got an ANN
    after: Segment | None  # what stands in their place; None where nothing lived
    generation: Generation  # that was committed


def due(generation: Generation) -> list[slice]:
    """Adjacent segments that should become one, in row order; a slice of one is written again.

    Segments are due together where they hold FANOUT^(t+1) documents or more and none of them
    does alone, with t as large as it can be. So a document is copied at most once for each power of
    FANOUT up to the size of a segment: n commits of as many documents cost O(n log n), and fewer
    than FANOUT segments of each power stay. Source: O'Neil et al., The log-structured merge-tree,
    1996, doi:10.1007/s002360050048; only neighbours merge, so that rows stay in `seq` order.

    A segment is due by itself once many of its rows are deleted.
    """
    living = [_living(segment) for segment in generation.segments]
    found: list[slice] = []
    for tier in range(_tier(SEGMENT_DOCS), -1, -1):
        found += _together(living, tier, found)
    taken = {n for place in found for n in range(place.start, place.stop)}
    for n, segment in enumerate(generation.segments):
        if n not in taken and _is_worn(segment):
            found.append(slice(n, n + 1))
    return sorted(found, key=lambda place: place.start)


def due_all(generation: Generation) -> list[slice]:
    """As few segments as neighbours can make, none with a deleted row: what `all` asks for."""
    living = [_living(segment) for segment in generation.segments]
    deleted = [segment.n_deleted for segment in generation.segments]
    return [p for p in _packed(living, 0, len(living)) if p.stop - p.start > 1 or deleted[p.start]]


def without_ann(live: Generation) -> Iterator[tuple[Segment, Part, AnnForm]]:
    """Vectors that are to have an ANN and have none, with their segment and what they get."""
    anns, dims = Anns(live.segments), {one["name"]: one["dim"] for one in live.encoders}
    for segment in live.segments:
        for part in segment.parts:
            if part.kind == "vectors" and segment.part("ann", vectors=part.hash) is None:
                name = part.config["encoder"]
                form = anns.choose(ann_config(live, name), part, dims[name])
                if form is not None:
                    yield segment, part, form


def compact(
    index: Path,
    *,
    watch: Watch = lambda phase: lambda done, total: None,
    all: bool = False,  # noqa: A002 - as the flag is called
    commit: CommitOptions = PLAIN,
) -> Generation | None:
    """Do what is due, and return what was committed last; None where nothing was.

    A commit that asks for another number of snapshots is due as well.

    all: make as few segments as can be, and leave no deleted row. Each merge is a commit of its
    own and takes the writer's lock for itself, so that others write in between; an ANN that a merge
    dropped is built again in another. Searches go on meanwhile, snapshots stay, and what is
    committed keeps the date of the documents. Interrupted at any instant it leaves what the last
    commit left, and the same call goes on from there. No ranking changes, but for that of an ANN
    within its recall.
    """
    fresh = None
    for step in steps(index, watch=watch, plan=due_all if all else due, commit=commit):
        fresh = step.generation
    return keep_snapshots(index, commit) or fresh


def keep_snapshots(index: Path, commit: CommitOptions) -> Generation | None:
    """Commit how many snapshots an index keeps; None where it keeps as many already."""
    if commit.keep in (None, generations.read(index).keep):
        return None
    with changing(index, commit) as (live, _):
        fresh = publish(index, live, keep=commit.keep, instead=True)
    stamps.check(index, fresh)
    return fresh


def after_commit(
    index: Path, watch: Watch = lambda phase: lambda done, total: None
) -> Generation | None:
    """Do what a commit has made due: called by who changed documents, without the lock.

    What another writer, or the disk, prevents stays due, with a warning: the commit stands.
    """
    try:
        return compact(index, watch=watch)
    except StorageError as error:
        _LOG.warning("Segments stay unmerged until the next change: %s", error)
        return None


def steps(
    index: Path,
    *,
    watch: Watch,
    plan: Plan = due,
    commit: CommitOptions = PLAIN,
) -> Iterator[Step]:
    """Commit after commit until nothing is due: merges, the smallest first, then ANN."""
    for one in (_merge_one, _index_one):
        while (step := one(index, plan, watch, commit)) is not None:
            yield step


def _merge_one(index: Path, plan: Plan, watch: Watch, commit: CommitOptions) -> Step | None:
    if not plan(generations.read(index)):
        return None
    with changing(index, commit) as (live, drafts):
        found = plan(live)  # again: another may have written since
        if not found:
            return None
        place = min(found, key=partial(_rows, live.segments))
        before = live.segments[place]
        after = merge(drafts, before, progress=watch(f"merge {len(before)} segments"))
        kept = () if after is None else (after,)
        segments = live.segments[: place.start] + kept + live.segments[place.stop :]
        draft = replace(live, segments=segments, encoders=with_kinds(live))
        fresh = publish(index, draft, keep=commit.keep, instead=True)
    stamps.check(index, fresh)
    return Step(before, after, fresh)


def _index_one(index: Path, _: Plan, watch: Watch, commit: CommitOptions) -> Step | None:
    if next(without_ann(generations.read(index)), None) is None:
        return None
    with changing(index, commit) as (live, drafts):
        found = next(without_ann(live), None)
        if found is None:
            return None
        segment, vectors, form = found
        told = watch(f"{form.kind} over {vectors.config['encoder']}")
        built = Anns(live.segments).build(drafts, vectors, form, told)
        at = segment.parts.index(vectors) + 1
        fuller = replace(segment, parts=(*segment.parts[:at], built, *segment.parts[at:]))
        segments = tuple(fuller if one is segment else one for one in live.segments)
        draft = replace(live, segments=segments)
        fresh = publish(index, draft, keep=commit.keep, instead=True)
    stamps.check(index, fresh)
    return Step((segment,), fuller, fresh)


def _rows(segments: Sequence[Segment], place: slice) -> int:
    return sum(segment.n_docs for segment in segments[place])


def _living(segment: Segment) -> int:
    return segment.n_docs - segment.n_deleted


def _tier(n_docs: int) -> int:
    """The largest power of FANOUT within the number; -1 for none."""
    tier = -1
    while FANOUT ** (tier + 1) <= n_docs:
        tier += 1
    return tier


def _together(living: Sequence[int], tier: int, found: Sequence[slice]) -> Iterator[slice]:
    """Neighbours of this tier or a lower one that make a segment of a higher one."""
    taken = {n for place in found for n in range(place.start, place.stop)}
    low = [n not in taken and _tier(size) <= tier for n, size in enumerate(living)]
    for is_low, places in groupby(range(len(living)), key=low.__getitem__):
        run = list(places)
        for place in _packed(living, run[0], run[-1] + 1) if is_low else ():
            total = sum(living[place])
            if place.stop - place.start > 1 and total >= FANOUT ** (tier + 1):
                yield place


def _packed(living: Sequence[int], first: int, last: int) -> Iterator[slice]:
    """A run of segments by neighbours that fit into one, as many as fit."""
    begin, held = first, 0
    for n in range(first, last):
        if held and held + living[n] > SEGMENT_DOCS:
            yield slice(begin, n)
            begin, held = n, 0
        held += living[n]
    if begin < last:
        yield slice(begin, last)


def _is_worn(segment: Segment) -> bool:
    share = WORN if segment.part("ann") is None else WORN_ANN
    return segment.n_deleted >= max(WORN_ROWS, share * segment.n_docs)
