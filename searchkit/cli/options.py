"""Flags and arguments that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from searchkit.errors import ConfigError

DeviceName: TypeAlias = Literal["auto", "cpu", "cuda"]
LexicalName: TypeAlias = Literal["searchkit", "rank-bm25"]


def as_text(value: str | None) -> str | None:
    """An argument as text: bytes that are no UTF-8, which Python smuggles in, become U+FFFD."""
    return None if value is None else value.encode("utf-8", "replace").decode("utf-8")


IndexPath = Annotated[
    Path, typer.Argument(metavar="INDEX", help="Folder of the index.", show_default=False)
]
Stage = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Last stage to run: bm25, dense, fused, reranked, or one encoder by its name. "
        "Default: the last one of the pipeline.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="FILTER",
        callback=as_text,
        help="Rank only what passes, e.g. \"year >= 2015 and venue in ('ACL', 'ApJ')\".",
    ),
]
Reranker = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Cross-encoder: alias, folder or hub name; auto is the pipeline's, none is none.",
    ),
]
RerankDepth = Annotated[
    int | None, typer.Option(metavar="N", help="Candidates that the reranker sees.")
]
Interpolation = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Share of the first stage in the reranked score, 0 to 1."),
]
RerankScale = Annotated[
    Literal["min-max", "raw"] | None,
    typer.Option(help="How an interpolation takes the reranker's scores: stretched, or as is."),
]
RerankBound = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="The reranker's scores count as at most X from 0, so that reading ends when the "
        "hits are final.",
    ),
]
Cascade = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A second, larger cross-encoder over the best 20."),
]
BM25 = Annotated[
    str,
    typer.Option(
        "--bm25",
        metavar="KEY=VALUE,...",
        help="variant (lucene, okapi, l, plus), k1, b, delta, title_weight, text_weight.",
    ),
]
FusionPairs = Annotated[
    str,
    typer.Option(
        "--fusion",
        metavar="KEY=VALUE,...",
        help="kind (rrf, convex), k0, normaliser (min-max, theoretical-min), and the weight of "
        "each retriever by its name: kind=convex,bm25=0.4,minilm=0.6.",
    ),
]
Depth = Annotated[
    int | None, typer.Option(metavar="N", help="Candidates of each retriever that are fused.")
]
Lexical = Annotated[
    LexicalName, typer.Option(help="Who ranks by BM25; rank-bm25 is for small corpora.")
]
Device = Annotated[DeviceName, typer.Option(help="Where models run.")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Let a hub model run the code it brings.")
]
Protocol = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write what was done and found; `searchkit replay` repeats it. As .gz too.",
    ),
]
Generation = Annotated[
    int | None,
    typer.Option(metavar="N", help="A snapshot by its number, as info lists them."),
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="The last generation written by then, e.g. 2026-01-31."),
]
MergeVersions = Annotated[
    bool,
    typer.Option(
        "--merge-versions",
        help="One hit for all versions of a work: same DOI, arXiv id, or title and first author.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def check_protocol(protocol: Path | None, others: Sequence[Path] = ()) -> None:
    """ConfigError, before any work, for a place that a protocol cannot have."""
    if protocol is None:
        return
    if protocol.is_dir():
        raise ConfigError(f"--protocol: {protocol} is a folder. Name a file.")
    if any(protocol.resolve() == other.resolve() for other in others):
        raise ConfigError(f"--protocol: {protocol} is named twice here. Choose another name.")
