"""Documents in, documents out -> one commit: what add, update, delete and sync have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.errors import ConfigError
from searchkit.index import stamps
from searchkit.index.ann_parts import Anns
from searchkit.index.build import Watch, versions
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import DenseChoice, ann_config, dense_parts
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.index import Index
from searchkit.index.known import Known
from searchkit.index.open_segment import OpenSegment
from searchkit.index.rederive import rederive_tombstones
from searchkit.index.segments import write_segments
from searchkit.index.sorter import ADD, Rule, Sorter, Summary
from searchkit.index.writer import changing
from searchkit.types import Doc, Mask, Rows


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did, and the generation that holds it; None where nothing was committed."""

    summary: Summary
    generation: Generation | None
    settled: Generation | None = None  # after the merges that it made due, where there were any


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeConfig:
    """How a change is made."""

    rule: Rule = ADD
    dense: Callable[[Generation], Sequence[DenseChoice]] = lambda live: ()  # its encoders, loaded
    agree: Callable[[Summary], None] = lambda summary: None  # raises to leave all as it is
    dry_run: bool = False  # count, or refuse as the change would, and change nothing
    commit: CommitOptions = PLAIN


def change_index(
    index: Path,
    docs: Iterable[Doc],
    config: ChangeConfig,
    *,
    n_docs: int = 0,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Changed:
    """Feed documents into an index in one commit, by the rule of the config.

    A document that is written comes after all others, whether its id is new or not; one that is
    as the index holds it is left where it stands. The index ranks then as a fresh build of what
    it holds. Interrupted at any instant it is as it was; vectors encoded so far are kept, and the
    same call takes them up again. ConfigError: a document that the rule refuses, or a change that
    leaves no document.
    """
    told = watch("read and compare" if config.dry_run else "read and invert")
    if config.dry_run:
        with Index.open(index) as opened:
            sorter = Sorter(opened, config.rule)
            for n, _ in enumerate(sorter.written(docs), 1):
                told(n, n_docs)
        _refuse_empty(index, sorter.summary)
        config.agree(sorter.summary)
        return Changed(sorter.summary, None)
    with changing(index, config.commit) as (live, drafts):
        with Index.checked(index, live) as opened:
            sorter = Sorter(opened, config.rule)
            fresh = write_segments(
                drafts,
                sorter.written(docs),
                opened.analyzer,
                first_seq=live.next_seq,
                progress=told,
                n_docs=n_docs,
            )
            _refuse_empty(index, sorter.summary)
            config.agree(sorter.summary)
            kept = list(_buried(drafts, opened, sorter.gone))
        if not sorter.summary.changes:
            return Changed(sorter.summary, None)
        added = list(_encoded(drafts, fresh, live, config=config, watch=watch))
        committed = _commit(
            live, kept + added, sorter.summary, index=index, keep=config.commit.keep
        )
        drafts.clear_shards()
    stamps.check(index, committed)
    return Changed(sorter.summary, committed)


def delete_rows(
    index: Path,
    choose: Callable[[Index], Rows],
    *,
    dry_run: bool = False,
    agree: Callable[[Summary], None] = lambda summary: None,
    commit: CommitOptions = PLAIN,
) -> Changed:
    """Delete the documents at the rows that `choose` names, in one commit.

    choose: asked for rows of the live generation. agree: hears what would go, and raises to leave
    it. ConfigError where no document would be left.
    """
    if dry_run:
        with Index.open(index) as opened:
            summary = _deleted(opened, choose).summary
        _refuse_empty(index, summary)
        agree(summary)
        return Changed(summary, None)
    with changing(index, commit) as (live, drafts):
        with Index.checked(index, live) as opened:
            sorter = _deleted(opened, choose)
            _refuse_empty(index, sorter.summary)
            agree(sorter.summary)
            kept = list(_buried(drafts, opened, sorter.gone))
        if not sorter.summary.changes:
            return Changed(sorter.summary, None)
        committed = _commit(live, kept, sorter.summary, index=index, keep=commit.keep)
    stamps.check(index, committed)
    return Changed(sorter.summary, committed)


def _deleted(opened: Index, choose: Callable[[Index], Rows]) -> Sorter:
    sorter = Sorter(opened, ADD)
    sorter.bury(np.unique(choose(opened)))
    return sorter


def _refuse_empty(index: Path, summary: Summary) -> None:
    if not summary.n_after:
        raise ConfigError(
            f"this would leave no document in {index}. Remove the folder to be rid of the index."
        )


def _buried(drafts: Drafts, opened: Index, gone: Mask) -> Iterator[Segment]:
    """The segments with tombstones for what goes; one in which nothing is left is left out."""
    for one in opened.segments:
        segment, here = one.segment, gone[one.base : one.base + one.segment.n_docs]
        if not here.any():
            yield segment
            continue
        dead = here if one.alive is None else here | ~one.alive
        if not dead.all():
            others = tuple(part for part in segment.parts if part.kind != "tombstones")
            stones = bury(drafts, one, np.flatnonzero(dead))
            yield replace(segment, parts=(*others, stones))


def bury(drafts: Drafts, one: OpenSegment, rows: Rows) -> Part:
    """The tombstones of these rows of a segment, ascending, as a part."""
    postings = one.segment.part("postings")
    if postings is None:
        raise ValueError(f"{one.segment.folder} has no postings")
    return rederive_tombstones(drafts, one.segment, postings, rows)


def _encoded(
    drafts: Drafts,
    fresh: Sequence[Segment],
    live: Generation,
    *,
    config: ChangeConfig,
    watch: Watch,
) -> Iterator[Segment]:
    """The new segments with the vectors and the kind of ANN that the index has."""
    if fresh and live.encoders:
        watch("load the encoders")
    choices, known = config.dense(live) if fresh else (), Known.of(drafts.index, live)
    anns = Anns(live.segments)
    for n, segment in enumerate(fresh):
        parts = segment.parts
        for choice in choices:
            parts += dense_parts(
                drafts,
                segment,
                number=n,
                choices=[choice],
                ann=ann_config(live, choice.encoder.name),
                anns=anns,
                known=known,
                watch=watch,
            )
        yield replace(segment, parts=parts)


def _commit(
    live: Generation,
    segments: Sequence[Segment],
    summary: Summary,
    *,
    index: Path,
    keep: int | None,
) -> Generation:
    draft = replace(
        live,
        segments=tuple(segments),
        next_seq=live.next_seq + summary.added.n + summary.replaced.n,
        ledger=live.ledger | {"changes": _changes(live.ledger.get("changes", {}), summary)},
        versions=versions(),
    )
    return publish(index, draft, keep=keep)


def _changes(before: dict[str, Any], summary: Summary) -> dict[str, int]:
    """Documents added, replaced and deleted since the index was built, and in how many commits."""
    return dict(Counter(before) + Counter({"commits": 1, **summary.counts()}))
