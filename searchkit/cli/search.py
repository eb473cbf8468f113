"""`searchkit search`: one query -> hits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import options as flags
from searchkit.cli.options import IndexPath, Json, Stage, Where
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.search.searcher import Answer, Searcher


def search(  # noqa: PLR0913 - the flags of a command are its parameters
    index: IndexPath,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY", help="Text; no character in it is syntax.", show_default=False
        ),
    ] = None,
    *,
    k: Annotated[int, typer.Option("-k", help="Hits to show.")] = 10,
    stage: Stage = None,
    reranker: flags.Reranker = "auto",
    rerank_depth: flags.RerankDepth = None,
    interpolation: flags.Interpolation = None,
    like: Annotated[
        str | None, typer.Option(metavar="ID|FILE", help="A paper as the query.")
    ] = None,
    where: Where = None,
    bm25: flags.BM25 = "",
    fusion: flags.FusionPairs = "",
    depth: flags.Depth = None,
    lexical: flags.Lexical = "searchkit",
    device: flags.Device = "auto",
    trust_remote_code: flags.TrustRemoteCode = False,
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
    from searchkit.cli.opening import reranker_of, searching
    from searchkit.cli.tuning import Changes
    from searchkit.search.api import OpenOptions

    if (query is None) == (like is None):
        raise ConfigError("give a query or --like ID|FILE, one of the two.")
    options = OpenOptions(reranker=reranker_of(reranker), device=device, lexical=lexical)
    options = replace(options, trust_remote_code=trust_remote_code)
    changes = Changes(bm25=bm25, fusion=fusion, depth=depth)
    changes = replace(changes, rerank_depth=rerank_depth, interpolation=interpolation)
    with searching(index, options, changes) as searcher:
        answer = _answer(searcher, query, like, k=k, stage=stage, where=where, explain=explain)
        _show(searcher, answer, query or "", explain=explain, as_json=as_json)


def _answer(
    searcher: Searcher,
    query: str | None,
    like: str | None,
    *,
    k: int,
    stage: str | None,
    where: str | None,
    explain: bool,
) -> Answer:
    searcher.stages.load(stage or searcher.stages.default)
    if query is not None:
        return searcher.answer(query, k, stage=stage, where=where, explain=explain)
    from searchkit.cli.paper import paper

    doc = paper(searcher.index, like or "")
    return searcher.like(doc, k, stage=stage, where=where, explain=explain)


def _show(searcher: Searcher, answer: Answer, query: str, *, explain: bool, as_json: bool) -> None:
    from searchkit.cli.screen import Screen

    if as_json:
        from searchkit.cli.lines import as_json as spell
        from searchkit.cli.lines import hit_record

        for hit in answer.hits:
            typer.echo(spell(hit_record(hit)))
    else:
        from searchkit.cli.hits import show_answer

        analyzer = searcher.index.analyzer
        show_answer(Screen(), answer, query=query, analyzer=analyzer, explain=explain)
    from searchkit.cli.hits import show_footer

    show_footer(Screen(stderr=True), answer, searcher.stages)
