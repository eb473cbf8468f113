"""Training rows -> JSONL or Parquet, with a note beside the file that says how they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, get_type_hints

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from searchkit.corpus.atomic import replaced, replaced_by
from searchkit.errors import ConfigError, CorpusError
from searchkit.index.generation import Generation
from searchkit.models.fingerprint import file_sha256
from searchkit.train.mining import Triplet

Row: TypeAlias = tuple[Any, ...]  # a NamedTuple, whose fields are the columns

_BATCH = 1000
_KINDS = {str: pa.large_string(), int: pa.int32()}  # every other field is a number


def note_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def check_place(path: Path) -> None:
    """ConfigError where no rows can be written, before the long work."""
    if path.is_dir():
        raise ConfigError(f"--out: {path} is a folder. Name a file.")
    if path.suffix.lower() not in _WRITERS:
        raise ConfigError(f"--out: {path} must end in {' or '.join(_WRITERS)}.")


def write_triplets(
    path: Path, triplets: Iterable[Triplet], provenance: Callable[[], dict[str, Any]]
) -> None:
    """The file and its note, as `write_rows`. CorpusError where there is no triplet."""
    why = "no triplet is left, so nothing was written. Widen the ranks or drop a filter"
    write_rows(path, triplets, Triplet, provenance=provenance, why_none=why)


def write_rows(
    path: Path,
    rows: Iterable[Row],
    kind: type[Row],
    *,
    provenance: Callable[[], dict[str, Any]],
    why_none: str,
) -> None:
    """The file and its note, `FILE.json`, both whole or neither.

    kind: the NamedTuple of every row. provenance: asked when all rows are written, so that it may
    hold counts. The note has the hash of the file as well. CorpusError where there is no row.
    """
    check_place(path)
    batches = _batches(iter(rows))
    with replaced_by(path) as draft:
        if not _WRITERS[path.suffix.lower()](draft, batches, _schema(kind)):
            raise CorpusError(path, None, why_none)
        with replaced(note_path(path)) as note:
            said = {"file": path.name, "sha256": file_sha256(draft), **provenance()}
            note.write(json.dumps(said, ensure_ascii=False, indent=1) + "\n")


def fingerprint(generation: Generation) -> str:
    """sha256 over every file of a generation: another one has other rankings."""
    stamps = sorted(f"{path} {stamp.sha256}\n" for path, stamp in generation.files())
    return hashlib.sha256("".join(stamps).encode()).hexdigest()


def _schema(kind: type[Row]) -> pa.Schema:
    hints = get_type_hints(kind)
    return pa.schema([(name, _KINDS.get(hint, pa.float64())) for name, hint in hints.items()])


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _write_jsonl(path: Path, batches: Iterator[list[Row]], schema: pa.Schema) -> int:
    n = 0
    with path.open("wb") as file:
        for batch in batches:
            n += len(batch)
            file.writelines(
                orjson.dumps(
                    dict(zip(schema.names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE
                )
                for row in batch
            )
    return n


def _write_parquet(path: Path, batches: Iterator[list[Row]], schema: pa.Schema) -> int:
    n = 0
    with pq.ParquetWriter(path, schema) as file:
        for batch in batches:
            n += len(batch)
            columns = zip(*batch, strict=True)
            arrays = [
                pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)
            ]
            file.write_batch(pa.record_batch(arrays, schema=schema))
    return n


_WRITERS: dict[str, Callable[[Path, Iterator[list[Row]], pa.Schema], int]] = {
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
