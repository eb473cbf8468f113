"""`searchkit verify`: every byte of an index against what was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from searchkit.cli.options import IndexPath, Json
from searchkit.errors import SearchkitError

if TYPE_CHECKING:
    from searchkit.index.generation import Generation, Part, Segment


class Fault(NamedTuple):
    """One thing that is wrong with an index."""

    file: str  # inside the index
    wrong: str
    n_docs: int  # documents it touches


def verify(index: IndexPath, as_json: Json = False) -> None:
    """Check every file of INDEX against its hash.

    Damage is named with the documents that it touches, and the exit status is 1. With --json a
    damaged file is a line, and a sound index is one line: sound, generation, files, documents.

    \b
    Example:
      searchkit verify indexes/papers
    """
    from searchkit.cli.lines import as_json as spell
    from searchkit.index import generation as generations

    found = generations.read(index)
    faults = list(damaged_files(index, found)) or list(miscounts(index, found))
    for fault in faults:
        typer.echo(spell(fault._asdict()) if as_json else _sentence(fault))
    n_files = sum(1 for _ in found.files())
    if faults:
        raise SearchkitError(
            f"{index}: {len(faults)} of {n_files} files are damaged. Build the index again, or "
            "copy these files from a sound copy of the index."
        )
    if as_json:
        counts = {"generation": found.number, "files": n_files, "documents": found.n_docs}
        typer.echo(spell({"index": str(index), "sound": True, **counts}))
    else:
        typer.echo(f"{index}: {n_files} files and {found.n_docs:,} documents are sound.")


def damaged_files(index: Path, generation: Generation) -> Iterator[Fault]:
    """Files whose bytes are not those that were written, by a full read of each."""
    from searchkit.cli.progress import Bars
    from searchkit.index import stamps

    total = sum(1 for _ in generation.files())
    with Bars("files") as bars:
        progress, done = bars("verify"), 0
        for segment in generation.segments:
            holders: tuple[Segment | Part, ...] = (segment, *segment.parts)
            for holder in holders:
                for name, stamp in holder.files.items():
                    file = f"{holder.folder}/{name}"
                    wrong = stamps.damage(index / file, stamp)
                    done += 1
                    progress(done, total)
                    if wrong:
                        yield Fault(file, wrong, segment.n_docs)


def miscounts(index: Path, generation: Generation) -> Iterator[Fault]:
    """Parts that do not hold what their segment holds, though their bytes are as written."""
    from searchkit.index.docs import DocStore
    from searchkit.index.postings import open_postings
    from searchkit.index.vectors import open_vectors

    for segment in generation.segments:
        counts = [(segment.folder, len(DocStore(index / segment.folder)))]
        for part in segment.parts:
            if part.kind == "postings":
                counts.append((part.folder, open_postings(index / part.folder).n_docs))
            elif part.kind == "vectors":
                counts.append((part.folder, len(open_vectors(index / part.folder).beyond)))
        for folder, n_docs in counts:
            if n_docs != segment.n_docs:
                wrong = f"holds {n_docs} documents where {segment.n_docs} were written"
                yield Fault(folder, wrong, segment.n_docs)


def _sentence(fault: Fault) -> str:
    return f"{fault.file} {fault.wrong}; it touches {fault.n_docs:,} documents."
