"""An index and one encoder more, or one less -> a new generation; no other part is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from searchkit.errors import ConfigError
from searchkit.index import stamps
from searchkit.index.ann_choice import DEFAULT, AnnConfig
from searchkit.index.ann_parts import Anns
from searchkit.index.build import Watch, versions
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import DenseChoice, dense_parts, records
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Segment
from searchkit.index.known import Known
from searchkit.index.writer import changing


def add_encoder(
    index: Path,
    choice: DenseChoice,
    *,
    ann: AnnConfig = DEFAULT,
    pipeline: Mapping[str, Any] | None = None,
    commit: CommitOptions = PLAIN,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Encode every document with one encoder more, and return what was committed.

    The index ranks as if it had been built with its encoders and then this one. pipeline: takes
    the place of the promoted one in the same commit; None leaves it. Interrupted at any instant
    it leaves the index as it was; vectors encoded so far are kept, and the same call takes them
    up again. ConfigError where the index has vectors of an encoder of this name.
    """
    with changing(index, commit) as (live, drafts):
        refuse_known(index, live, choice.encoder.name, choice.encoder.fingerprint)
        draft = replace(
            live,
            segments=tuple(_extended(drafts, live, choice, ann=ann, watch=watch)),
            encoders=(*live.encoders, *records(index, live.segments[0], [choice], ann=ann)),
            pipeline=dict(pipeline) if pipeline is not None else live.pipeline,
            versions=versions(),
        )
        fresh = publish(index, draft, keep=commit.keep)
        drafts.clear_shards()
    stamps.check(index, fresh)
    return fresh


def drop_encoder(index: Path, name: str, *, commit: CommitOptions = PLAIN) -> Generation:
    """Remove an encoder's vectors, and return what was committed.

    A promoted pipeline that searches with it goes as well: the index runs the factory's then.
    ConfigError where the index has no such encoder.
    """
    with changing(index, commit) as (live, _):
        known = [record["name"] for record in live.encoders]
        if name not in known:
            held = f"It has {', '.join(known)}." if known else "It has none."
            raise ConfigError(f"{index} has no vectors of {name}. {held}")
        draft = replace(
            live,
            segments=tuple(_without(segment, name) for segment in live.segments),
            encoders=tuple(record for record in live.encoders if record["name"] != name),
            pipeline=None if uses(live.pipeline, name) else live.pipeline,
        )
        return publish(index, draft, keep=commit.keep)


def uses(pipeline: Mapping[str, Any] | None, encoder: str) -> bool:
    """Whether a stored pipeline searches with the encoder of this name."""
    return pipeline is not None and encoder in pipeline.get("encoders", ())


def refuse_known(index: Path, live: Generation, name: str, fingerprint: str | None = None) -> None:
    """ConfigError where the index has vectors of an encoder of this name.

    fingerprint: of the encoder; None before it was loaded.
    """
    for record in live.encoders:
        if record["name"] == name:
            same = fingerprint in (None, record["fingerprint"])
            what = "" if same else "another state of "
            cure = f"Drop them first: searchkit encoder drop {index} {name}"
            raise ConfigError(f"{index} has vectors of {what}{name} already. {cure}")


def _extended(
    drafts: Drafts, live: Generation, choice: DenseChoice, *, ann: AnnConfig, watch: Watch
) -> Iterator[Segment]:
    known, anns = Known.of(drafts.index, live), Anns(live.segments)
    for n, segment in enumerate(live.segments):
        parts = dense_parts(
            drafts,
            segment,
            number=n,
            choices=[choice],
            ann=ann,
            anns=anns,
            known=known,
            watch=watch,
        )
        yield replace(segment, parts=segment.parts + parts)


def _without(segment: Segment, encoder: str) -> Segment:
    """Parts that are no encoder's, such as postings, name none in their configuration."""
    kept = tuple(part for part in segment.parts if part.config.get("encoder") != encoder)
    return replace(segment, parts=kept)
