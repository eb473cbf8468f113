"""Mined triplets -> JSONL or Parquet, with a note beside the file that says how they were mined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from searchkit.corpus.atomic import replaced, replaced_by
from searchkit.errors import ConfigError, CorpusError
from searchkit.index.generation import Generation
from searchkit.train.mining import Triplet

_BATCH = 1000
_KINDS = {"rank": pa.int32(), "margin": pa.float64()}
_SCHEMA = pa.schema([(name, _KINDS.get(name, pa.large_string())) for name in Triplet._fields])


def note_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def check_place(path: Path) -> None:
    """ConfigError where no triplets can be written, before the long work."""
    if path.is_dir():
        raise ConfigError(f"--out: {path} is a folder. Name a file.")
    if path.suffix.lower() not in _WRITERS:
        raise ConfigError(f"--out: {path} must end in {' or '.join(_WRITERS)}.")


def write_triplets(
    path: Path, triplets: Iterable[Triplet], provenance: Callable[[], dict[str, Any]]
) -> None:
    """The file and its note, `FILE.json`, both whole or neither.

    provenance: asked when all triplets are written, so that it may hold counts. The note has the
    hash of the file as well. CorpusError where there is no triplet.
    """
    check_place(path)
    batches = _batches(iter(triplets))
    with replaced_by(path) as draft:
        if not _WRITERS[path.suffix.lower()](draft, batches):
            why = "no triplet is left, so nothing was written. Widen the ranks or drop a filter"
            raise CorpusError(path, None, why)
        with draft.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with replaced(note_path(path)) as note:
            said = {"file": path.name, "sha256": sha256, **provenance()}
            note.write(json.dumps(said, ensure_ascii=False, indent=1) + "\n")


def fingerprint(generation: Generation) -> str:
    """sha256 over every file of a generation: another one has other rankings."""
    stamps = sorted(f"{path} {stamp.sha256}\n" for path, stamp in generation.files())
    return hashlib.sha256("".join(stamps).encode()).hexdigest()


def _batches(triplets: Iterator[Triplet]) -> Iterator[list[Triplet]]:
    while batch := list(islice(triplets, _BATCH)):
        yield batch


def _write_jsonl(path: Path, batches: Iterator[list[Triplet]]) -> int:
    n = 0
    with path.open("wb") as file:
        for batch in batches:
            n += len(batch)
            file.writelines(
                orjson.dumps(one._asdict(), option=orjson.OPT_APPEND_NEWLINE) for one in batch
            )
    return n


def _write_parquet(path: Path, batches: Iterator[list[Triplet]]) -> int:
    n = 0
    with pq.ParquetWriter(path, _SCHEMA) as file:
        for batch in batches:
            n += len(batch)
            columns = zip(*batch, strict=True)
            arrays = [
                pa.array(values, kind) for values, kind in zip(columns, _SCHEMA.types, strict=True)
            ]
            file.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
    return n


_WRITERS: dict[str, Callable[[Path, Iterator[list[Triplet]]], int]] = {
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
