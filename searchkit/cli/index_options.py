"""Flags of `searchkit index`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from searchkit.models.encoder import EncoderOptions

Corpus = Annotated[
    list[str],
    typer.Argument(
        metavar="CORPUS",
        help="Files (.jsonl, .csv, .tsv, .bib, .ris, each also .gz, .parquet; JSON of OpenAlex or "
        "arXiv), BEIR folders, - for standard input, or hf:NAME for a hub data set.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the index.", show_default=False)]
Encoders = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="Encoder: alias, folder or hub name; may be repeated. Default: minilm where the "
        "analyzer is English, else none.",
    ),
]
LexicalOnly = Annotated[bool, typer.Option("--lexical-only", help="No encoder: BM25 alone.")]
AnalyzerName = Annotated[
    str, typer.Option("--analyzer", metavar="NAME", help="Language: english, arabic, ..., plain.")
]
Ann = Annotated[
    Literal["auto", "flat", "hnsw", "ivfpq"],
    typer.Option(help="How vectors are searched; auto goes by their number."),
]
PassageKind = Annotated[
    Literal["document", "sentence", "window"],
    typer.Option("--passages", help="What gets a vector of its own."),
]
Dtype = Annotated[Literal["float16", "float32"], typer.Option(help="How vectors are stored.")]
QueryPrompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Stands before each query; default: the model's.")
]
DocPrompt = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Stands before each document; default: the model's."),
]
MaxTokens = Annotated[
    int | None, typer.Option(metavar="N", help="Tokens that the encoder reads of a text.")
]
Precision = Annotated[
    Literal["float32", "int8"],
    typer.Option(
        help="Of the arithmetic on documents; int8 takes about two thirds of the time on a "
        "processor and moves vectors a little. Queries are always read in float32."
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        help="Where id, title or text stands, e.g. id=doi; may be repeated.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="jsonl, csv, tsv, bibtex, ris, openalex or arxiv, where no file name tells it; of a "
        ".json name one of the three that are JSON.",
    ),
]
HubSplit = Annotated[str, typer.Option(metavar="NAME", help="Split of a hub data set.")]
OnError = Annotated[Literal["stop", "skip"], typer.Option(help="What a bad row does.")]
Rejects = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSONL for the rows that skip leaves out.")
]
FixText = Annotated[
    bool, typer.Option("--fix-text", help="Repair texts that were read with a wrong code page.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Build anew where an index stands already.")
]

_OF_ENCODER = (
    "device",
    "query_prompt",
    "doc_prompt",
    "max_tokens",
    "precision",
    "trust_remote_code",
)


def encoding_of(params: Mapping[str, Any]) -> EncoderOptions:
    """What the flags of a command, its parameters by name, say about an encoder."""
    from searchkit.models.encoder import EncoderOptions

    return EncoderOptions(**{name: params[name] for name in _OF_ENCODER})
