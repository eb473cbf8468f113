"""`searchkit replay`: a protocol -> the same search again, and whether it ranks the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.options import Json, TrustRemoteCode
from searchkit.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from searchkit.search.protocol.replay import Place, Replay

_NAMED = 5  # documents that a line names


def replay(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="What --protocol of search or run has written.", show_default=False
        ),
    ],
    *,
    index: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where the index lies now; default: where it lay."),
    ] = None,
    with_methods: Annotated[
        bool, typer.Option("--methods", help="Also print a paragraph for a paper's methods.")
    ] = False,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
) -> None:
    """Repeat the search of a protocol and compare the rankings.

    It runs with the recorded pipeline and settings, whatever the index would do today. Exit status
    1 where a query ranks other documents or another order; scores that differ by rounding are said.

    \b
    Example:
      searchkit search indexes/papers "vitamin D and bone" --protocol bone.jsonl
      searchkit replay bone.jsonl --methods
    """
    from searchkit.cli.lines import as_json as spell
    from searchkit.cli.progress import Bars
    from searchkit.search.protocol.replay import replay as repeat

    with Bars("queries") as bars:
        found = repeat(
            file, index=index, trust_remote_code=trust_remote_code, progress=bars("replay")
        )
    if as_json:
        typer.echo(spell(found.to_dict() | ({"methods": found.methods} if with_methods else {})))
    else:
        _show(file, found, paragraph=found.methods if with_methods else "")
    if not found.is_same:
        raise QueryError(f"{file}: {found.verdict[0].lower()}{found.verdict[1:]}")


def _show(file: Path, found: Replay, *, paragraph: str) -> None:
    from searchkit.cli.screen import Screen

    screen, then = Screen(), found.protocol
    where = f", where {then.where}" if then.where else ""
    screen.write(
        f"{file}: recorded {then.written}, stage {then.stage}, the first {then.k:,}{where}; "
        f"repeated on {found.index}."
    )
    if found.is_same:  # else it is the sentence of the error
        screen.write(found.verdict)
    for line in _lines(found):
        screen.write(line)
    if paragraph:
        screen.write()
        screen.write(paragraph)


def _lines(found: Replay) -> Iterator[str]:
    for change in found.changes:
        yield f"{change}."
    of = f"of {found.n_recorded:,} recorded documents"
    if found.gone:
        yield f"{len(found.gone):,} {of} gone from the index: {_names(found.gone)}."
    if found.changed:
        yield f"{len(found.changed):,} {of} changed in title or text: {_names(found.changed)}."
    if found.first:
        first = found.first
        yield (
            f"The first difference: query {first.query}, rank {first.rank}: "
            f"{_place(first.then)} then, {_place(first.now)} now."
        )


def _names(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")


def _place(place: Place | None) -> str:
    return "nothing" if place is None else f"{place.doc} ({place.score:.4f})"
