"""`searchkit ann`: an index whose vectors are searched in another way."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated, Literal

import typer

from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import IndexPath
from searchkit.cli.screen import say

Kind = Annotated[
    Literal["auto", "flat", "hnsw", "ivfpq"],
    typer.Argument(
        metavar="KIND",
        help="flat is an exact scan, hnsw a graph, ivfpq compressed lists; auto goes by the number "
        "of vectors.",
        show_default=False,
    ),
]


@ended_by_sigterm()
def ann(index: IndexPath, kind: Kind, keep: Keep = None, *, wait: Wait = False) -> None:
    """Search the vectors of INDEX by another kind of ANN.

    Nothing is encoded again.

    \b
    Example:
      searchkit ann indexes/papers hnsw
    """
    from searchkit.cli.progress import Bars
    from searchkit.index import generation as generations
    from searchkit.index.ann_change import change_ann

    begin, live = perf_counter(), generations.read(index)
    with Bars("vectors") as bars:
        fresh = change_ann(index, kind, commit=committing(keep=keep, wait=wait), watch=bars)
    if fresh.number == live.number:
        say(f"{index}: vectors are searched so already. Nothing was committed.")
        return
    kinds = [one.config["ann"] for s in fresh.segments for one in s.parts if one.kind == "ann"]
    n_vectors = sum(one.kind == "vectors" for s in fresh.segments for one in s.parts)
    built = ", ".join(sorted(set(kinds))) or "an exact scan"
    few = f" ({n_vectors - len(kinds)} of {n_vectors} parts are scanned)" if kinds else ""
    say(f"{index}: vectors are searched by {built}{few}, in {perf_counter() - begin:.1f} s.")
