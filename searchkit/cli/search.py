"""`searchkit search`: one query -> hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.options import IndexPath, Json
from searchkit.cli.search_flags import SearchFlags, with_search_flags
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.search.searcher import Answer, Searcher


@with_search_flags
def search(
    index: IndexPath,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY", help="Text; no character in it is syntax.", show_default=False
        ),
    ] = None,
    *,
    flags: SearchFlags,
    k: Annotated[int, typer.Option("-k", help="Hits to show.")] = 10,
    like: Annotated[
        str | None, typer.Option(metavar="ID|FILE", help="A paper as the query.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show each hit's way through the stages.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Search INDEX for QUERY.

    A query that begins with a dash stands after --.

    \b
    Example:
      searchkit search indexes/papers "vitamin D and bone" -k 5 --where "year >= 2015"
    """
    if (query is None) == (like is None):
        raise ConfigError("give a query or --like ID|FILE, one of the two.")
    with flags.searching(index, explain=explain) as searcher:
        answer = _answer(searcher, query, like, k=k, flags=flags, explain=explain)
        _show(searcher, answer, query or "", explain=explain, as_json=as_json)


def _answer(
    searcher: Searcher,
    query: str | None,
    like: str | None,
    *,
    k: int,
    flags: SearchFlags,
    explain: bool,
) -> Answer:
    from searchkit.cli.paper import paper

    doc = paper(searcher.index, like) if like is not None else None
    stage, where = flags.stage, flags.where
    searcher.stages.load(stage or searcher.stages.default)
    if doc is not None:
        return searcher.like(doc, k, stage=stage, where=where, explain=explain)
    return searcher.answer(query or "", k, stage=stage, where=where, explain=explain)


def _show(searcher: Searcher, answer: Answer, query: str, *, explain: bool, as_json: bool) -> None:
    from searchkit.cli.screen import Screen

    if as_json:
        from searchkit.cli.hits import no_hits
        from searchkit.cli.lines import as_json as spell
        from searchkit.cli.lines import hit_record

        for hit in answer.hits:
            typer.echo(spell(hit_record(hit)))
        if not answer.hits:
            Screen(stderr=True).write(no_hits(answer))
    else:
        from searchkit.cli.hits import show_answer

        analyzer = searcher.index.analyzer
        show_answer(Screen(), answer, query=query, analyzer=analyzer, explain=explain)
    from searchkit.cli.hits import show_footer

    show_footer(Screen(stderr=True), answer, searcher.stages)
