"""An index and another kind of ANN -> a new generation; vectors and all else stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from searchkit.errors import ConfigError
from searchkit.index import stamps
from searchkit.index.ann_choice import AnnConfig, AnnForm, forgotten
from searchkit.index.ann_parts import Anns
from searchkit.index.build import Watch, versions
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import ann_config
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.writer import changing


def change_ann(
    index: Path,
    config: AnnConfig,
    *,
    commit: CommitOptions = PLAIN,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Search all vectors of an index in this way, and return what was committed.

    As a build with it: a segment too small for the kind is scanned. What is of the kind already
    stays, and where all is nothing is committed. A promoted pipeline stays as well: every kind
    proposes, and the scores are those of the stored vectors. ConfigError without vectors.
    """
    with changing(index, commit) as (live, drafts):
        if not live.encoders:
            cure = f"Add some: searchkit encoder add {index} minilm"
            raise ConfigError(
                f"{index} has no vectors, so nothing to search by {config.kind}. {cure}"
            )
        work = _Work(drafts, live, config, watch)
        segments = tuple(
            replace(segment, parts=tuple(work.parts(segment))) for segment in live.segments
        )
        meant = {config} == {ann_config(live, record["name"]) for record in live.encoders}
        if meant and segments == live.segments:
            return live
        encoders = tuple({**forgotten(record), **config.to_record()} for record in live.encoders)
        draft = replace(live, segments=segments, encoders=encoders, versions=versions())
        fresh = publish(index, draft, keep=commit.keep)
    stamps.check(index, fresh)
    return fresh


class _Work:
    def __init__(self, drafts: Drafts, live: Generation, config: AnnConfig, watch: Watch) -> None:
        self._drafts, self._config, self._watch, self._anns = drafts, config, watch, Anns()
        self._dims = {record["name"]: record["dim"] for record in live.encoders}

    def parts(self, segment: Segment) -> Iterator[Part]:
        """The parts of a segment in their order, each ANN part behind its vectors."""
        for part in segment.parts:
            if part.kind != "ann":
                yield part
            if part.kind == "vectors":
                name = part.config["encoder"]
                form = self._anns.choose(self._config, part, self._dims[name])
                held = segment.part("ann", vectors=part.hash)
                if form is not None and held is not None and AnnForm.of(held.config) == form:
                    self._anns.learn(held)
                    yield held
                elif form is not None:
                    told = self._watch(f"{form.kind} over {name}")
                    yield self._anns.build(self._drafts, part, form, told)
