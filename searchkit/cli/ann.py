"""`searchkit ann`: an index whose vectors are searched in another way."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import ann_options as own
from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import IndexPath
from searchkit.cli.screen import say

if TYPE_CHECKING:
    from searchkit.index.ann_choice import AnnKind
    from searchkit.index.generation import Generation

Kind = Annotated[
    own.KINDS,
    typer.Argument(
        metavar="KIND",
        help="flat is an exact scan, hnsw a graph, ivfpq compressed lists; auto goes by the number "
        "of vectors, their width and the memory.",
        show_default=False,
    ),
]


@ended_by_sigterm()
def ann(
    ctx: typer.Context,
    index: IndexPath,
    kind: Kind,
    *,
    ann_recall: own.Recall = None,
    ann_memory: own.Memory = None,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Search the vectors of INDEX by another kind of ANN.

    Nothing is encoded again. An ANN searches as much as it needs for the recall, by a sample of
    the vectors themselves.

    \b
    Example:
      searchkit ann indexes/papers hnsw
    """
    from searchkit.cli.progress import Bars
    from searchkit.index import generation as generations
    from searchkit.index.ann_change import change_ann

    config = own.ann_of(kind, ctx)
    begin, live = perf_counter(), generations.read(index)
    with Bars("vectors") as bars:
        fresh = change_ann(index, config, commit=committing(keep=keep, wait=wait), watch=bars)
    if fresh.number == live.number:
        say(f"{index}: vectors are searched so already, by {_spell(fresh, kind)}.")
        say("Nothing was committed.")
        return
    time_s = perf_counter() - begin
    say(f"{index}: vectors are searched by {_spell(fresh, kind)}, in {time_s:.1f} s.")
    for part in (part for segment in fresh.segments for part in segment.parts):
        if part.kind == "ann":
            say(f"{own.spell_ann({**part.config, **part.stats})}.")


def _spell(generation: Generation, kind: AnnKind) -> str:
    """What searches the vectors, and why it is an exact scan where another kind was asked for."""
    from searchkit.index.ann_choice import least_of

    parts = [part for segment in generation.segments for part in segment.parts]
    kinds = [part.config["ann"] for part in parts if part.kind == "ann"]
    sizes = [part.stats["n_vectors"] for part in parts if part.kind == "vectors"]
    if kinds:
        few = f"{len(sizes) - len(kinds)} of {len(sizes)} parts are scanned"
        return f"{', '.join(sorted(set(kinds)))} ({few})"
    if kind == "flat":
        return "an exact scan"
    least = max(least_of(kind, record["dim"]) for record in generation.encoders)
    return (
        f"an exact scan ({kind} asks for {least:,} vectors in a segment, "
        f"the most here are {max(sizes):,}; segments that grow so large get it)"
    )
