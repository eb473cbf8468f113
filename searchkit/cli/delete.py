"""`searchkit delete`: ids or a filter -> an index without these documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from searchkit.cli import changing as own
from searchkit.cli import options as flags
from searchkit.cli.committing import Keep, Wait, committing

_Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Documents to delete, by id.", show_default=False),
]
_IdsFile = Annotated[
    Path | None, typer.Option("--ids", metavar="FILE", help="More ids, one a line.")
]
_Filter = Annotated[
    str | None,
    typer.Option(
        metavar="FILTER",
        callback=flags.as_text,
        help='Delete only what passes, e.g. "year < 1990".',
    ),
]
_Missing = Annotated[
    Literal["refuse", "skip"],
    typer.Option(help="What becomes of an id that the index does not hold."),
]


def delete(
    index: flags.IndexPath,
    ids: _Ids = None,
    *,
    ids_file: _IdsFile = None,
    where: _Filter = None,
    missing: _Missing = "refuse",
    dry_run: own.DryRun = False,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Delete documents of INDEX by id or filter, in one commit.

    \b
    Example:
      searchkit delete indexes/papers W2741809807 W2036182
      searchkit delete indexes/papers --where "year < 1990" --dry-run
    """
    from searchkit.corpus.ids import read_ids
    from searchkit.search import changes

    named = [flags.as_text(id_) or "" for id_ in ids or []]
    named += read_ids(ids_file) if ids_file is not None else []
    options = changes.ChangeOptions(dry_run=dry_run, commit=committing(keep=keep, wait=wait))
    own.change_aloud(
        index,
        lambda how: changes.delete(index, named, where=where, missing=missing, options=how),
        options,
    )
