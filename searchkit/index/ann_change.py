"""An index and another kind of ANN -> a new generation; vectors and all else stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from searchkit.errors import ConfigError
from searchkit.index import stamps
from searchkit.index.ann import AnnKind, choose_kind
from searchkit.index.build import Watch, versions
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import ann_kind, ann_part
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.writer import changing


def change_ann(
    index: Path,
    kind: AnnKind,
    *,
    commit: CommitOptions = PLAIN,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Search all vectors of an index by this kind, and return what was committed.

    As a build with it: a segment too small for the kind is scanned. What is of the kind already
    stays, and where all is nothing is committed. A promoted pipeline stays as well: every kind
    proposes, and the scores are those of the stored vectors. ConfigError without vectors.
    """
    with changing(index, commit) as (live, drafts):
        if not live.encoders:
            cure = f"Add some: searchkit encoder add {index} minilm"
            raise ConfigError(f"{index} has no vectors, so nothing to search by {kind}. {cure}")
        segments = tuple(
            replace(segment, parts=tuple(_by_kind(drafts, segment, kind, watch)))
            for segment in live.segments
        )
        meant = {kind} == {ann_kind(live, record["name"]) for record in live.encoders}
        if meant and segments == live.segments:
            return live
        encoders = tuple({**record, "ann": kind} for record in live.encoders)  # for merges, too
        draft = replace(live, segments=segments, encoders=encoders, versions=versions())
        fresh = publish(index, draft, keep=commit.keep)
    stamps.check(index, fresh)
    return fresh


def _by_kind(drafts: Drafts, segment: Segment, kind: AnnKind, watch: Watch) -> Iterator[Part]:
    """The parts of a segment in their order, each ANN part behind its vectors."""
    for part in segment.parts:
        if part.kind != "ann":
            yield part
        if part.kind == "vectors":
            wanted = choose_kind(kind, part.stats["n_vectors"])
            held = segment.part("ann", vectors=part.hash)
            if held is not None and held.config["ann"] == wanted:
                yield held
            elif wanted != "flat":
                told = watch(f"{wanted} over {part.config['encoder']}")
                yield ann_part(drafts, part, wanted, told)
