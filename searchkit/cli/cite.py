"""Documents -> a bibliography on standard output or in a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from searchkit.cli.export import sink
from searchkit.cli.idle import Given
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.types import Doc

CitationFormat: TypeAlias = Literal["bibtex", "ris", "csl-json"]
Cite = Annotated[
    CitationFormat | None, typer.Option(help="Write the hits as a bibliography to stdout.")
]


def write_citations(docs: Iterable[Doc], form: str, out: Path | None = None) -> None:
    """A bibliography of the documents; a file is there whole or not at all."""
    from searchkit.corpus.scholar.cite import citations

    pieces = citations(docs, form)
    with sink(out) as file:
        file.writelines(pieces)


def refuse_beside_cite(written: Given) -> None:
    """ConfigError for another way to show the hits than as a bibliography."""
    for name in ("as_json", "explain"):
        if "cite" in written and name in written:
            raise ConfigError(
                f"{written[name]} has no effect: --cite writes a bibliography. Drop one of them."
            )
