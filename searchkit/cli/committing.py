"""Flags of every verb that writes -> how its change gets into the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.screen import say

if TYPE_CHECKING:
    from searchkit.index.collect import CommitOptions

Keep = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Older generations that stay as snapshots; default: as many as before, at first 0.",
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait for another writer of the index; Ctrl-C ends that.")
]


def committing(*, keep: int | None, wait: bool) -> CommitOptions:
    """The flags as the library takes them; whom a writer waits for is said on stderr."""
    from searchkit.index.collect import CommitOptions

    return CommitOptions(keep=keep, wait=wait, told=say)
