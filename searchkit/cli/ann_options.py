"""Flags of every command that may build an ANN -> how vectors are to be searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.index.ann_choice import AnnConfig

KINDS = Literal["auto", "flat", "hnsw", "ivfpq"]

Recall = Annotated[
    float | None,
    typer.Option(
        "--ann-recall",
        metavar="SHARE",
        help="Share of the 100 best that an ANN has to find, .5 to .999; measured when it is "
        "built. Default: .98.",
        show_default=False,
    ),
]
Memory = Annotated[
    float | None,
    typer.Option(
        "--ann-memory",
        metavar="GB",
        help="What auto lets the ANN of all segments take together. Default: 4.",
        show_default=False,
    ),
]


def ann_of(kind: KINDS, ctx: typer.Context) -> AnnConfig:
    """What the command line says; ConfigError for a flag that changes nothing with this kind."""
    from searchkit.index.ann_choice import MEMORY_BYTES, RECALL, AnnConfig

    recall, memory_gb = ctx.params["ann_recall"], ctx.params["ann_memory"]
    if kind == "flat" and recall is not None:
        raise ConfigError("--ann-recall has no effect: flat is exact. Drop one of them.")
    if kind != "auto" and memory_gb is not None:
        raise ConfigError(f"--ann-memory has no effect: only auto chooses, not {kind}. Drop it.")
    return AnnConfig(
        kind=kind,
        recall=RECALL if recall is None else recall,
        memory_bytes=MEMORY_BYTES if memory_gb is None else round(memory_gb * 1e9),
    )


def spell_ann(ann: Mapping[str, Any]) -> str:
    """An ANN in words, by the configuration and the measurements of its part."""
    from searchkit.index.ann_choice import AnnForm

    form = AnnForm.of(ann)
    of = f"{form.kind} over {ann['encoder']}"
    if form.kind == "hnsw":
        of += f", {form.links} links a node"
    if "effort" not in ann:
        return f"{of}, recall not measured"
    visits = "candidates visited" if form.kind == "hnsw" else "lists read"
    missed = f", below the {form.recall:g} wished for" if ann["measured"] < form.recall else ""
    return (
        f"{of}, {ann['effort']:,} {visits}, which find {ann['measured']:.4f} of the 100 nearest "
        f"of its own vectors{missed}"
    )
