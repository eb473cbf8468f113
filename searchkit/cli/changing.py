"""A change of an index's documents, aloud: what it will do, how far it is, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli import index_options as own
from searchkit.cli.index import columns_of
from searchkit.cli.interrupt import ended_by_sigterm, how_to_go_on
from searchkit.cli.reuse import say_reuse
from searchkit.cli.screen import say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.corpus.read import ReadOptions
    from searchkit.index.change import Changed
    from searchkit.index.sorter import Summary, Tally
    from searchkit.search.changes import ChangeOptions

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]
Force = Annotated[
    bool, typer.Option("--force", help="Delete more than half of the index where it must be.")
]
Corpus = own.Corpus
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        help="Where id, title or text stands; default: as when the index was built.",
    ),
]


def reading(
    *, columns: Sequence[str] | None, on_error: Literal["stop", "skip"], rejects: Path | None
) -> ReadOptions:
    """The flags that say how a corpus is read."""
    from searchkit.corpus.read import ReadOptions

    if rejects is not None and on_error != "skip":
        raise ConfigError("--rejects has no effect: bad rows stop it. Add --on-error skip.")
    return ReadOptions(columns=columns_of(columns or []), on_error=on_error, rejects=rejects)


@ended_by_sigterm()
def change_aloud(
    index: Path,
    change: Callable[[ChangeOptions], Changed],
    options: ChangeOptions,
    *,
    corpus: Sequence[str] = (),
) -> None:
    """Make the change with a summary before it, bars, and a word about what came of it."""
    from searchkit.cli.progress import Bars
    from searchkit.corpus.estimate import estimate
    from searchkit.index import generation as generations

    begin, live = perf_counter(), generations.read(index)
    size = estimate(corpus, options.read) if corpus else None
    options = replace(options, agree=lambda summary: say(*planned(summary, options)))
    try:
        with Bars() as bars:
            sized = replace(options, n_docs=size.n_docs if size else 0, watch=bars)
            changed = change(sized)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(index, corpus, live=live.number)) from None
    if options.dry_run:
        say("Nothing was changed: this was a dry run.")
        return
    if changed.generation is not None:
        say_reuse(changed.generation, live)
    _report(index, changed, time_s=perf_counter() - begin)


def planned(summary: Summary, options: ChangeOptions) -> list[str]:
    """What was met in the corpus, and what a change does, a line for each kind of document."""
    from searchkit.cli.info import spell_reading

    read = spell_reading(options.ledger.counts())[1:] if options.ledger.n_docs else []
    kinds = {
        "add": summary.added,
        "replace": summary.replaced,
        "delete": summary.deleted,
        "leave as it is": summary.unchanged,
        "pass over": summary.skipped,
    }
    found = [f"To {verb}: {_named(tally)}." for verb, tally in kinds.items() if tally.n]
    for column, value in summary.retyped.items():
        found.append(
            f"Column {column} becomes text, by {value!r}: filters that compare it with a number or "
            "a truth value will be refused."
        )
    return read + found


def _named(tally: Tally) -> str:
    from searchkit.evaluate.sizes import count

    more = ", ..." if tally.n > len(tally.ids) else ""
    return f"{count(tally.n, 'document')} ({', '.join(tally.ids)}{more})"


def _report(index: Path, changed: Changed, *, time_s: float) -> None:
    from searchkit.evaluate.sizes import count

    live = changed.settled or changed.generation
    if live is None:
        say(f"{index} is as it was: there was nothing to change.")
        return
    merged = ", segments merged" if changed.settled else ""
    n_docs = count(live.n_docs, "document")
    say(f"{index}: {n_docs}, generation {live.number}{merged}, in {time_s:.1f} s.")


def _interrupted(index: Path, corpus: Sequence[str], *, live: int) -> str:
    from searchkit.index import generation as generations

    if generations.read(index).number != live:
        return f"interrupted, but {index} has the change."
    again = how_to_go_on(index, corpus, otherwise="Run the same command again.")
    return f"interrupted. {index} is as it was. {again}"
