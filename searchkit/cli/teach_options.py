"""Flags of `searchkit teach`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

ShapeName: TypeAlias = Literal["triplets", "lists", "labelled", "beir"]
LossName: TypeAlias = Literal["margin-mse", "listwise"]

Examples = Annotated[
    list[str],
    typer.Argument(
        metavar="EXAMPLES...",
        help="Files as `train --data` reads them; mined triplets are such.",
        show_default=False,
    ),
]
Teacher = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Cross-encoder: alias, folder or hub name. With --index: bm25, dense, fused, or one "
        "encoder by its name.",
    ),
]
Shape = Annotated[ShapeName, typer.Option(help="Of the examples.")]
Out = Annotated[Path, typer.Option(metavar="FILE", help="Examples to write: .jsonl or .parquet.")]
Loss = Annotated[
    LossName | None,
    typer.Option(
        help="What will learn from it: margin-mse from triplets, listwise from labelled lists. "
        "Default: margin-mse for triplets."
    ),
]
Index = Annotated[
    Path | None,
    typer.Option(
        metavar="INDEX",
        help="Whose first stage teaches; the documents are looked up by id.",
    ),
]
