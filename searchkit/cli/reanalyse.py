"""`searchkit reanalyse`: an index by another analyzer."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated

import typer

from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import IndexPath
from searchkit.cli.screen import say

Analyzer = Annotated[
    str,
    typer.Argument(
        metavar="ANALYZER", help="Language: english, arabic, ..., plain.", show_default=False
    ),
]


@ended_by_sigterm()
def reanalyse(
    index: IndexPath, analyzer: Analyzer, keep: Keep = None, *, wait: Wait = False
) -> None:
    """Analyse the texts of INDEX by another analyzer.

    Nothing is encoded again.

    \b
    Example:
      searchkit reanalyse indexes/papers german
    """
    from searchkit.cli.progress import Bars
    from searchkit.evaluate.sizes import count
    from searchkit.index import generation as generations
    from searchkit.index.reanalyse import reanalyse as work

    begin, live = perf_counter(), generations.read(index)
    with Bars() as bars:
        fresh = work(index, analyzer, commit=committing(keep=keep, wait=wait), watch=bars)
    if fresh.number == live.number:
        say(f"{index}: {analyzer} gives the terms that are there. Nothing was committed.")
        return
    n_docs = count(fresh.n_docs, "document")
    say(f"{index}: {n_docs} analysed as {analyzer} in {perf_counter() - begin:.1f} s.")
    if live.pipeline is not None:
        say(
            "The promoted pipeline was measured with the terms of the old analyzer, so it is gone: "
            "the index runs the factory pipeline. Choose another with `searchkit tune`."
        )
