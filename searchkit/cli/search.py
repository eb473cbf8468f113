"""`searchkit search`: one query -> hits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.cite import Cite, refuse_beside_cite, write_citations
from searchkit.cli.options import IndexPath, Json, MergeVersions, Protocol, check_protocol
from searchkit.cli.search_flags import SearchFlags, with_search_flags
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from searchkit.search.answer import Answer
    from searchkit.search.searcher import Searcher
    from searchkit.types import Doc


BudgetMs = Annotated[
    float | None,
    typer.Option(metavar="N", help="Milliseconds: reranking ends in time, and says where."),
]


@with_search_flags
def search(  # noqa: PLR0913 - the flags of a command are its parameters
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
    merge_versions: MergeVersions = False,
    budget_ms: BudgetMs = None,
    cite: Cite = None,
    protocol: Protocol = None,
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
    refuse_beside_cite(flags.written)
    if protocol is not None:
        _refuse_beside_protocol(protocol, merge_versions=merge_versions, budget_ms=budget_ms)
    with flags.searching(index, explain=explain) as searcher:
        if budget_ms is None:  # under a budget the search itself loads, and says how long it took
            searcher.stages.load(flags.stage or searcher.stages.default)
        doc = _paper(searcher, like)
        ask = partial(searcher.like, doc) if doc else partial(searcher.answer, query or "")
        how = {"explain": explain, "merge_versions": merge_versions, "budget_ms": budget_ms}
        answer = ask(k, stage=flags.stage, where=flags.where, **how)
        if protocol is not None:
            _record(protocol, searcher, answer, doc or query or "", k=k, flags=flags)
        if as_json or cite is not None:
            _write(answer, cite)
        else:
            _show(searcher, answer, query or "", explain=explain)
        _foot(searcher, answer)


def _refuse_beside_protocol(
    protocol: Path, *, merge_versions: bool, budget_ms: float | None
) -> None:
    check_protocol(protocol)
    if merge_versions:
        why = "a protocol records documents, and versions are not merged where it is replayed"
        raise ConfigError(f"--protocol and --merge-versions exclude each other: {why}.")
    if budget_ms is not None:
        why = "how far a budget reaches is another thing at every search"
        raise ConfigError(f"--protocol and --budget-ms exclude each other: {why}.")


def _paper(searcher: Searcher, like: str | None) -> Doc | None:
    from searchkit.cli.paper import paper

    return paper(searcher.index, like) if like is not None else None


def _record(
    protocol: Path,
    searcher: Searcher,
    answer: Answer,
    asked: Doc | str,
    *,
    k: int,
    flags: SearchFlags,
) -> None:
    from searchkit.search.protocol.record import recording
    from searchkit.types import Doc, Query

    text, left_out = asked, None
    if isinstance(asked, Doc):
        text = f"{asked.title} {asked.text}"
        left_out = asked.id if searcher.index.rows_of([asked.id]) else None
    stage = flags.stage or searcher.stages.default
    with recording(protocol, searcher, stage=stage, k=k, where=flags.where) as recorder:
        recorder.add_hits(Query("1", str(text)), answer.hits, left_out=left_out)


def _show(searcher: Searcher, answer: Answer, query: str, *, explain: bool) -> None:
    from searchkit.cli.hits import show_answer
    from searchkit.cli.screen import Screen

    analyzer = searcher.index.analyzer
    show_answer(Screen(), answer, query=query, analyzer=analyzer, explain=explain)


def _write(answer: Answer, cite: str | None) -> None:
    """The hits for a program: a bibliography, or one JSON object a line."""
    from searchkit.cli.hits import no_hits
    from searchkit.cli.lines import as_json, hit_record
    from searchkit.cli.screen import say

    if cite is not None:
        write_citations((hit.doc for hit in answer.hits), cite)
    else:
        for hit in answer.hits:
            typer.echo(as_json(hit_record(hit)))
    if not answer.hits:
        say(no_hits(answer))


def _foot(searcher: Searcher, answer: Answer) -> None:
    from searchkit.cli.hits import show_footer
    from searchkit.cli.screen import Screen

    show_footer(Screen(stderr=True), answer, searcher.stages)
