"""Flags of `searchkit adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the models and the report.")]
Only = Annotated[
    Literal["bi-encoder", "cross-encoder"] | None,
    typer.Option(help="One family. Default: both, without vectors the cross-encoder alone."),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Base of the bi-encoder. Default: the first encoder of the index."
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL", help="Base of the cross-encoder. Default: three layers of minilm."
    ),
]
Citations = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Two columns: id of the citing and of the cited document."),
]
CitationColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Metadata column with the ids that a document cites."),
]
NQueries = Annotated[
    int, typer.Option("--n-queries", metavar="N", min=1, help="Queries to learn from, at most.")
]
NHeldOut = Annotated[
    int, typer.Option("--held-out", metavar="N", min=2, help="Documents to measure on, at most.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Another value of the recipes adapt-bi-encoder and adapt-cross-encoder; may be "
        "repeated.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the split, the queries and the training.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the same call was stopped.")]
