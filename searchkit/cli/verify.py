"""`searchkit verify`: an index against what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from searchkit.cli.options import IndexPath, Json
from searchkit.cli.screen import say
from searchkit.errors import SearchkitError

if TYPE_CHECKING:
    from searchkit.search.verify import Verdict

Full = Annotated[
    bool,
    typer.Option(
        "--full",
        help="Read every byte, hold counts against each other, and analyse, encode and rank a "
        "sample again.",
    ),
]


def verify(index: IndexPath, full: Full = False, as_json: Json = False) -> None:
    """Tell whether INDEX is sound.

    Without --full that all files are there and were not written since they were hashed here.

    Damage is named with the documents that it touches, and the exit status is 1. With --json a
    damaged file is a line with all their ids, and a sound index is one line.

    \b
    Example:
      searchkit verify indexes/papers --full
    """
    from searchkit.cli.lines import as_json as spell
    from searchkit.cli.progress import Bars
    from searchkit.search import verify as work

    with Bars("checks") as bars:
        verdict = work.verify(index, full=full, watch=bars)
    for note in verdict.notes:
        say(note)
    for fault in verdict.faults:
        typer.echo(spell(_record(fault)) if as_json else fault.sentence)
    if not verdict.is_sound:
        n, of = len({fault.file for fault in verdict.faults}), verdict.n_files
        damaged = f"{n} of {of} files are damaged"
        raise SearchkitError(f"{index}: {damaged}. Mend what can be: searchkit repair {index}")
    typer.echo(spell(_facts(str(index), verdict, full)) if as_json else _sound(str(index), verdict))


def _record(fault: Any) -> dict[str, Any]:  # noqa: ANN401
    seqs = {"seqs": list(fault.seqs)} if fault.seqs else {}
    return {
        "file": fault.file,
        "wrong": fault.wrong,
        "n_docs": fault.n_docs,
        "ids": list(fault.ids),
        **seqs,
    }


def _facts(index: str, verdict: Verdict, full: bool) -> dict[str, Any]:
    return {
        "index": index,
        "sound": True,
        "generation": verdict.generation.number,
        "files": verdict.n_files,
        "documents": verdict.generation.n_docs,
        "full": full,
        "sampled": verdict.n_sampled,
    }


def _sound(index: str, verdict: Verdict) -> str:
    made = f" {verdict.n_sampled} of them, made anew, came out the same."
    sampled = made if verdict.n_sampled else ""
    return (
        f"{index}: {verdict.n_files} files and {verdict.generation.n_docs:,} documents are sound."
        f"{sampled}"
    )
