"""Flags of `searchkit train`, and which of them go together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from searchkit.cli.idle import Given
from searchkit.errors import ConfigError

Family = Annotated[
    Literal["bi-encoder", "cross-encoder"],
    typer.Argument(help="What is trained.", show_default=False),
]
RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="Recipe, or a .toml file; `searchkit recipes` lists them.",
        show_default=False,
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Examples: .jsonl, .csv, .tsv, each also .gz, .parquet, a BEIR folder, or hf:NAME for "
        "a hub data set; may be repeated.",
    ),
]
Dev = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Examples to evaluate on; may be repeated."),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the model.")]
Base = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="Another base: alias, folder or hub name."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Another value of the recipe, e.g. batch_size=8 or loss_args.scale=15; may be "
        "repeated.",
    ),
]
Layers = Annotated[
    str | None, typer.Option(metavar="N,N,...", help="Layers of the base to keep, from 0.")
]
Lora = Annotated[
    int | None, typer.Option(metavar="RANK", help="Train low-rank adapters of this rank.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        help="Where a field stands, e.g. query=question; may be repeated.",
    ),
]
Template = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="How a document of a BEIR folder is written; [SEP] stays as it is.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in DIR.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, and say what the run would do.")
]
Rows = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Rows that a dry run without --data counts with."),
]

_NOT_DRY = ("resume",)
_ONLY_DRY = ("rows", "as_json")
_OF_DATA = ("dev", "column", "on_error", "fix_text", "template")


def refuse_idle(written: Given) -> None:
    """ConfigError for flags that exclude each other, can change nothing, or are missing."""
    for why in _problems(written):
        raise ConfigError(why)


def check_template(template: str, shape: str) -> None:
    """ConfigError where a template cannot be filled, or has nothing to fill it."""
    from searchkit.models.names import render
    from searchkit.types import Doc

    render(template, Doc("", "title", "text"))
    if shape != "beir":
        raise ConfigError(
            f"--template has no effect: the texts of shape {shape} stand in its rows as they are. "
            "Drop it; shape beir reads folders."
        )


def _problems(written: Given) -> Iterator[str]:
    dry = "dry_run" in written
    for name in _NOT_DRY if dry else _ONLY_DRY:
        if name in written:
            yield f"{written[name]} has no effect {'in' if dry else 'without'} a dry run. Drop it."
    if not dry and not {"data", "out"} <= written.keys():
        yield "training needs --data FILE and --out DIR. Add them, or look first with --dry-run."
    if "rows" in written and "data" in written:
        yield "--rows and --data exclude each other. Drop one of them."
    for name in _OF_DATA:
        if name in written and "data" not in written:
            yield f"{written[name]} has no effect without --data. Add it."
