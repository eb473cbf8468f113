"""`searchkit compact`: an index in fewer segments, without its deleted documents."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import IndexPath
from searchkit.cli.screen import say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from searchkit.index.compact import Plan, Step
    from searchkit.index.generation import Generation, Segment

Everything = Annotated[
    bool,
    typer.Option("--all", help="Make as few segments as can be, and leave no deleted document."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what is due, and do nothing.")]


@ended_by_sigterm()
def compact(
    index: IndexPath,
    everything: Everything = False,
    dry_run: DryRun = False,
    keep: Keep = None,
    *,
    wait: Wait = False,
) -> None:
    """Merge the segments of INDEX where that is due.

    No ranking changes, and searches go on meanwhile. Changes of an index do what is due by
    themselves; deleted documents leave the disk for certain with --all.

    \b
    Example:
      searchkit compact indexes/papers --all
    """
    from searchkit.index import generation as generations
    from searchkit.index.compact import due, due_all

    if dry_run and (keep is not None or wait):
        raise ConfigError("--dry-run commits nothing, so it stands alone. Drop the others.")
    plan, live = due_all if everything else due, generations.read(index)
    if dry_run:
        _foretell(index, live, plan)
        return
    begin, n_bytes = perf_counter(), _bytes(index)
    try:
        last = _compacted(index, plan, keep=keep, wait=wait)
    except KeyboardInterrupt:
        left = f"interrupted. {index} is as the last merge left it"
        raise KeyboardInterrupt(f"{left}, and the same command goes on.") from None
    if last is None or last.segments == live.segments:
        say(_nothing(index, live, everything=everything))
    else:
        _sum_up(index, live, last, freed=n_bytes - _bytes(index), time_s=perf_counter() - begin)
    if last is not None:
        _tell_snapshots(index, live, last)


def _compacted(index: Path, plan: Plan, *, keep: int | None, wait: bool) -> Generation | None:
    """What was committed last, each commit with a line; None where nothing was due."""
    from searchkit.cli.progress import Bars
    from searchkit.index.compact import keep_snapshots, steps

    last, commit = None, committing(keep=keep, wait=wait)
    with Bars() as bars:
        for step in steps(index, watch=bars, plan=plan, commit=commit):
            bars.close()
            say(_spell(step))
            last = step.generation
    return keep_snapshots(index, commit) or last


def _spell(step: Step) -> str:
    if step.after is None:
        return f"dropped {_spell_segments(step.before)}: no document is left there"
    [first, *_] = step.before
    if first.hash == step.after.hash:
        return f"built an ANN over {_spell_segments(step.before)}"
    return f"merged {_spell_segments(step.before)}"


def _spell_segments(segments: Sequence[Segment]) -> str:
    from searchkit.evaluate.sizes import count

    n_deleted = sum(segment.n_deleted for segment in segments)
    n_docs = sum(segment.n_docs for segment in segments) - n_deleted
    deleted = f", without {n_deleted:,} deleted" if n_deleted else ""
    return f"{count(len(segments), 'segment')} of {count(n_docs, 'document')}{deleted}"


def _foretell(index: Path, live: Generation, plan: Plan) -> None:
    from searchkit.index.compact import without_ann

    lines = [f"would merge {_spell_segments(live.segments[place])}" for place in plan(live)]
    for segment, vectors, form in without_ann(live):
        where = _spell_segments([segment])
        lines.append(f"would build {form.kind} over {vectors.config['encoder']} in {where}")
    for line in lines or [f"{index}: nothing is due in {_spell_segments(live.segments)}."]:
        say(line)


def _nothing(index: Path, live: Generation, *, everything: bool) -> str:
    found = f"{index}: nothing is due in {_spell_segments(live.segments)}"
    n_deleted = live.n_rows - live.n_docs
    if everything or (len(live.segments) == 1 and not n_deleted):
        return f"{found}."
    return f"{found}. `--all` makes as few segments as can be."


def _sum_up(index: Path, live: Generation, last: Generation, *, freed: int, time_s: float) -> None:
    from searchkit.evaluate.sizes import count, spell_bytes

    before, after = count(len(live.segments), "segment"), len(last.segments)
    disk = f"{spell_bytes(freed)} freed" if freed >= 0 else f"{spell_bytes(-freed)} more on disk"
    say(f"{index}: {before} became {after}, {disk}, in {time_s:.1f} s.")


def _tell_snapshots(index: Path, live: Generation, last: Generation) -> None:
    from searchkit.evaluate.sizes import count

    gone = len(live.snapshots.keys() - last.snapshots.keys())
    if gone:
        say(f"{index}: {count(gone, 'snapshot')} gone.")
    if last.snapshots:
        n = count(len(last.snapshots), "older generation")
        say(f"The files of {n} stay. `searchkit info {index}` lists them.")
    if last.keep != live.keep:
        say(f"Commits keep {count(last.keep, 'snapshot')} from now on; it was {live.keep:,}.")


def _bytes(index: Path) -> int:
    """On disk, with what snapshots and readers keep."""
    files = (path for root in ("segments", "parts") for path in (index / root).rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file())
