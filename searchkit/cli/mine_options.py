"""Flags of `searchkit mine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Out = Annotated[Path, typer.Option(metavar="FILE", help="Triplets to write: .jsonl or .parquet.")]
Stage = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Whose ranking is mined: bm25, dense, fused, or one encoder by its name. Default: "
        "fused where the pipeline has an encoder, else bm25.",
    ),
]
N = Annotated[int, typer.Option("-n", help="Negatives of each pair of query and positive.")]
Ranks = Annotated[
    str, typer.Option(metavar="FIRST-LAST", help="Ranks from which negatives are taken.")
]
Margin = Annotated[
    float | None,
    typer.Option(metavar="SCORE", help="How far below its positive a negative scores, at least."),
]
RelativeMargin = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="The same, as a share of the positive's score."),
]
NearDuplicate = Annotated[
    float,
    typer.Option(
        metavar="SHARE", help="Common 3-word runs from which a text is its positive again."
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Cross-encoder that drops what it scores as high as the positive."
    ),
]
JudgeMargin = Annotated[
    float, typer.Option(metavar="SCORE", help="How far below the positive the judge has to see it.")
]
Pick = Annotated[
    Literal["random", "top"], typer.Option(help="Which of the candidates that are left.")
]
Seed = Annotated[int, typer.Option(help="Of the random pick.")]
Template = Annotated[
    str, typer.Option(metavar="TEXT", help="How a document is written; [SEP] stays as it is.")
]
