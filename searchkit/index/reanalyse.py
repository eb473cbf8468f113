"""An index and another analyzer -> a new generation with other postings, and nothing else anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.index import stamps
from searchkit.index.build import Watch, versions
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.rederive import rederive_postings, rederive_tombstones
from searchkit.index.tombstones import read_rows
from searchkit.index.writer import changing
from searchkit.protocols import Progress


def reanalyse(
    index: Path,
    analyzer: str,
    *,
    commit: CommitOptions = PLAIN,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Analyse every stored text with another analyzer, and return what was committed.

    The index ranks as if it had been built with it. A promoted pipeline goes: it was measured with
    the terms of the old one. Where not a byte changes nothing is committed. ConfigError where there
    is no analyzer of this name.
    """
    chosen = TextAnalyzer.named(analyzer)
    with changing(index, commit) as (live, drafts):
        segments = tuple(
            _analysed(drafts, segment, chosen, watch(f"analyse as {analyzer}{_nth(n)}"))
            for n, segment in enumerate(live.segments)
        )
        if segments == live.segments:
            return live
        draft = replace(live, segments=segments, pipeline=None, versions=versions())
        fresh = publish(index, draft, keep=commit.keep)
    stamps.check(index, fresh)
    return fresh


def _nth(n: int) -> str:
    return f", segment {n + 1}" if n else ""


def _analysed(
    drafts: Drafts, segment: Segment, analyzer: TextAnalyzer, progress: Progress
) -> Segment:
    """Its parts in their order: postings are other ones, and what counts their terms follows."""
    postings = rederive_postings(drafts, segment, analyzer, progress)
    parts: list[Part] = []
    for part in segment.parts:
        if part.kind == "tombstones":
            rows = read_rows(drafts.index / part.folder)
            parts.append(rederive_tombstones(drafts, segment, postings, rows))
        else:
            parts.append(postings if part.kind == "postings" else part)
    return replace(segment, parts=tuple(parts))
