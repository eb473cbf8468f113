"""An index and the tokens that a cross-encoder reads of it, or without -> a new generation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.errors import ConfigError
from searchkit.index import stamps
from searchkit.index.build import Watch, versions
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.docs import DocStore
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.tokens import token_part, write_tokens
from searchkit.index.writer import changing
from searchkit.protocols import Progress, Reading

if TYPE_CHECKING:
    from searchkit.models.pair_scorer import CrossEncoderScorer


def add_tokens(
    index: Path,
    scorer: CrossEncoderScorer,
    *,
    commit: CommitOptions = PLAIN,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Tokenise every document as this cross-encoder reads it, and return what was committed.

    No score changes: it only tokenises less when it reranks. Segments whose tokens serve already
    stay as they are, and where all do nothing is committed; what comes into the index later has
    none until this is called again. ConfigError where what it reads depends on the query.
    """
    reading = scorer.reading
    if reading is None:
        raise ConfigError(
            f"{scorer.name} reads the sentences of a document that share most with the query, "
            "so stored tokens would not be used. Nothing was written."
        )
    with changing(index, commit) as (live, drafts):
        segments = tuple(
            _tokenised(drafts, segment, scorer, reading=reading, progress=watch("tokenise"))
            if token_part(segment, reading) is None
            else segment
            for segment in live.segments
        )
        if segments == live.segments:
            return live
        draft = replace(live, segments=segments, versions=versions())
        fresh = publish(index, draft, keep=commit.keep)
    stamps.check(index, fresh)
    return fresh


def drop_tokens(index: Path, name: str, *, commit: CommitOptions = PLAIN) -> Generation:
    """Remove the tokens that were added for a cross-encoder, and return what was committed.

    ConfigError where the index has none of this name.
    """
    with changing(index, commit) as (live, _):
        known = token_names(live)
        if name not in known:
            held = f"It has those of {', '.join(known)}." if known else "It has none."
            raise ConfigError(f"{index} has no tokens of {name}. {held}")
        segments = tuple(
            replace(segment, parts=tuple(_others(segment, name))) for segment in live.segments
        )
        return publish(index, replace(live, segments=segments), keep=commit.keep)


def token_names(generation: Generation) -> list[str]:
    """The cross-encoders for which tokens were added, by name."""
    parts = (part for segment in generation.segments for part in segment.parts)
    return sorted({part.config["model"] for part in parts if part.kind == "tokens"})


def _tokenised(
    drafts: Drafts,
    segment: Segment,
    scorer: CrossEncoderScorer,
    *,
    reading: Reading,
    progress: Progress,
) -> Segment:
    """The segment with tokens for the reading, in place of those of an earlier state of it."""
    folder, docs = drafts.folder("tokens"), DocStore(drafts.index / segment.folder)
    stats = write_tokens(folder, docs, scorer=scorer, limit=reading.limit, progress=progress)
    config = {"model": scorer.name, **asdict(reading)}
    part = drafts.part("tokens", folder, config, inputs=segment.hash, stats=stats)
    return replace(segment, parts=(*_others(segment, scorer.name), part))


def _others(segment: Segment, name: str) -> Iterator[Part]:
    for part in segment.parts:
        if part.kind != "tokens" or part.config["model"] != name:
            yield part
