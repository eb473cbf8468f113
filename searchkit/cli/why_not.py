"""`searchkit why-not`: where a paper was lost on the way to the hits."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import options as flags
from searchkit.cli.options import IndexPath, Json, Where, as_text

if TYPE_CHECKING:
    from searchkit.cli.screen import Screen
    from searchkit.search.why_not import WhyNot


def why_not(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    index: IndexPath,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The query that did not find it.")],
    doc_id: Annotated[
        str, typer.Argument(metavar="DOC_ID", callback=as_text, help="Id of the paper.")
    ],
    *,
    k: Annotated[int, typer.Option("-k", help="Hits that would be shown.")] = 10,
    where: Where = None,
    reranker: flags.Reranker = "auto",
    device: flags.Device = "auto",
    as_json: Json = False,
) -> None:
    """Say which stage lost a paper, and the cure.

    A query or an id that begins with a dash stands after --.

    \b
    Example:
      searchkit why-not indexes/sample "heart attack drug prevention" bio-004
    """
    from searchkit.cli.idle import given, refuse_idle
    from searchkit.cli.lines import as_json as spell
    from searchkit.cli.opening import reranker_of, searching
    from searchkit.cli.screen import Screen
    from searchkit.search.assembly import OpenOptions

    options = OpenOptions(reranker=reranker_of(reranker), device=device)
    with searching(index, options) as searcher:
        refuse_idle(given(ctx), searcher.stages)
        found = searcher.why_not(query, doc_id, k, where=where)
    if as_json:
        typer.echo(spell(asdict(found)))
    else:
        show_why_not(Screen(), found)


def show_why_not(screen: Screen, found: WhyNot) -> None:
    """The verdict, the rank in every stage, and the query's terms in the paper."""
    screen.write((found.verdict, "bold"))
    rows = [["stage", "rank", "ranked", "passed on", "score"]]
    for finding in found.findings:
        place = "-" if finding.rank is None else f"{finding.rank:,}"
        score = "-" if finding.score is None else f"{finding.score:.4f}"
        rows.append([finding.stage, place, f"{finding.n_ranked:,}", f"{finding.limit:,}", score])
    screen.table(rows, numbers=1)
    if found.matched:
        screen.write("terms it holds: ", ", ".join(found.matched))
    if found.missing:
        screen.write("terms it lacks: ", ", ".join(found.missing))
