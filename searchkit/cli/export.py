"""`searchkit export`: an index -> the corpus that builds it again."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO, TypeAlias

import typer

from searchkit.cli.options import AsOf, Generation, IndexPath, as_text
from searchkit.errors import StorageError

if TYPE_CHECKING:
    from searchkit.index.index import Index
    from searchkit.types import Doc

ExportFormat: TypeAlias = Literal["jsonl", "bibtex", "ris", "csl-json"]
_FIELDS = {"id": "_id", "title": "title", "text": "text"}  # our name -> column


def export(
    index: IndexPath,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write; default: stdout.")
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the flag
        ExportFormat, typer.Option(help="The corpus as JSONL, or a bibliography of it.")
    ] = "jsonl",
    where: Annotated[
        str | None, typer.Option(metavar="FILTER", callback=as_text, help="Write only what passes.")
    ] = None,
    generation: Generation = None,
    as_of: AsOf = None,
) -> None:
    """Write the documents of INDEX as JSONL or as a bibliography.

    They come in order, and `index` builds the same index from all of them as JSONL.

    \b
    Example:
      searchkit export indexes/papers --out papers.jsonl
      searchkit export indexes/papers --format bibtex --where "year >= 2015" --out recent.bib
    """
    from searchkit.cli.cite import write_citations
    from searchkit.index.index import Index
    from searchkit.index.snapshots import chosen

    number = chosen(index, generation, as_of)
    with Index.open(index, number=number) as opened:
        docs = _passing(opened, where)
        if format == "jsonl":
            _write_jsonl(docs, columns_of(opened), out)
        else:
            write_citations(docs, format, out)


def _passing(index: Index, where: str | None) -> Iterable[Doc]:
    """The documents that a filter lets pass, in their order."""
    from searchkit.cli.screen import say
    from searchkit.retrieve.filters import parse

    if where is None:
        return index
    mask = parse(where).mask(index.table)
    if index.alive is not None:
        mask &= index.alive
    say(f"{int(mask.sum()):,} of {len(index):,} documents pass.")
    return (index[row] for row in mask.nonzero()[0].tolist())


def _write_jsonl(docs: Iterable[Doc], columns: dict[str, str], out: Path | None) -> None:
    from searchkit.cli.lines import as_json
    from searchkit.cli.screen import say

    n_infinite = 0
    with sink(out) as file:
        for doc in docs:
            record = doc_record(doc, columns)
            n_infinite += sum(
                isinstance(v, float) and not math.isfinite(v) for v in record.values()
            )
            file.write(as_json(record) + "\n")
    renamed = [f"--column {ours}={name}" for ours, name in columns.items() if name != _FIELDS[ours]]
    if renamed:
        say(f"Read it back with {' '.join(renamed)}.")
    if n_infinite:
        say(f"{n_infinite:,} infinite numbers became null: JSON has none.")


def columns_of(index: Index) -> dict[str, str]:
    """Columns for id, title and text that no metadata column has taken."""
    taken = {name for segment in index.segments for name in segment.docs.meta.column_names}
    columns = {}
    for ours, column in _FIELDS.items():
        n_marks = next(n for n in count() if column + n * "_" not in taken)
        columns[ours] = column + n_marks * "_"
    return columns


def doc_record(doc: Doc, columns: dict[str, str]) -> dict[str, Any]:
    fields = {columns["id"]: doc.id, columns["title"]: doc.title, columns["text"]: doc.text}
    return {**fields, **doc.meta}


@contextmanager
def sink(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is there whole or not at all."""
    from searchkit.corpus.atomic import replaced

    if out is not None:
        with replaced(out) as file:
            yield file
        return
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # whoever reads us has gone
    except OSError as error:
        why = f"cannot be written ({error.strerror}). Choose another place with --out"
        raise StorageError(f"standard output: {why}") from error
