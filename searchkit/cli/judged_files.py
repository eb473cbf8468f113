"""Files of queries and judgements: their flags, and errors that name the file they are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from searchkit.errors import CorpusError

Queries = Annotated[Path, typer.Option(metavar="FILE", help="JSONL or TSV: an id and a text each.")]
Judgements = Annotated[Path, typer.Option(metavar="FILE", help="Judgements: TSV or TREC qrels.")]


@contextmanager
def naming(**files: str | Path) -> Iterator[None]:
    """An error about `queries`, `qrels` or `run` in the block is one about the file of that name.

    The library, which is handed what was read, knows no paths.
    """
    try:
        yield
    except CorpusError as error:
        where = files.get(error.where, error.where)
        raise CorpusError(where, error.line, error.why) from None
