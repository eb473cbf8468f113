"""Examples -> one row a query with its documents and their labels, for listwise losses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from searchkit.corpus.atomic import replaced_by
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.train.examples import Examples

# query, documents, and for each its label or its label and the first stage's score
Lists: TypeAlias = tuple[str, list[str], list[Any]]
_TEXTS = [("query", pa.string()), ("documents", pa.list_(pa.string()))]
_PLAIN = pa.schema([*_TEXTS, ("label", pa.list_(pa.float64()))])
_SCORED = pa.schema([*_TEXTS, ("label", pa.list_(pa.list_(pa.float64())))])
_BATCH = 1000  # queries written at a time


def as_lists(examples: Examples, path: Path) -> Any:  # noqa: ANN401 - a datasets.Dataset
    """The examples grouped into an Arrow file at `path`, mapped from there.

    Rows of a query must stand together, as files of lists and mined negatives have them. The
    negative of a triplet has label 0. ConfigError where no query has two documents: nothing can
    be learned from the order of one.
    """
    import datasets

    longest, schema = 0, _SCORED if "first" in examples.data.column_names else _PLAIN
    with replaced_by(path) as draft, pa.OSFile(str(draft), "wb") as sink:  # noqa: SIM117
        with pa.ipc.new_stream(sink, schema) as writer:
            batch: list[Lists] = []
            for found in _grouped(examples):
                longest = max(longest, len(found[1]))
                batch.append(found)
                if len(batch) == _BATCH:
                    writer.write_batch(_arrow(batch, schema))
                    batch = []
            writer.write_batch(_arrow(batch, schema))
    if longest < 2:
        raise ConfigError(
            f"{examples.source}: no query has two documents in rows that follow each other, and "
            "a listwise loss compares them. Put the rows of a query together, or choose bce."
        )
    return datasets.Dataset.from_file(str(path))


def _grouped(examples: Examples) -> Iterator[Lists]:
    for query, rows in groupby(examples.data, key=lambda row: row["query"]):
        documents: dict[str, Any] = {}  # a positive may stand in several triplets
        for row in rows:
            if "positive" in row:
                documents.setdefault(row["positive"], 1.0)
                documents.setdefault(row["negative"], 0.0)
            else:
                label = float(row["label"])
                scored = [label, row["first"]] if "first" in row else label
                documents.setdefault(row["document"], scored)
        yield query, list(documents), list(documents.values())


def _arrow(batch: list[Lists], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*batch, strict=True) if batch else ([], [], [])
    return pa.RecordBatch.from_arrays(
        [pa.array(list(column), kind.type) for column, kind in zip(columns, schema, strict=True)],
        schema=schema,
    )
