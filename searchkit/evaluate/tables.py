"""Evaluations -> rows of tables, and tables -> files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from pyarrow import csv, parquet

from searchkit.errors import ConfigError, StorageError
from searchkit.evaluate.compare import compare_evaluations
from searchkit.evaluate.measures import Evaluation

TableRow: TypeAlias = dict[str, str | int | float]

_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".csv": csv.write_csv,
    ".parquet": parquet.write_table,
}


def side_by_side(evaluations: Mapping[str, Evaluation]) -> list[TableRow]:
    """One row a run: its name, its means, and what they were taken over."""
    return [
        {
            "run": name,
            **found.mean,
            "queries": found.n_queries,
            "missing": found.n_missing,
            "ignored": found.n_ignored,
            "unjudged@10": found.unjudged_at_10,
        }
        for name, found in evaluations.items()
    ]


def against_baseline(
    evaluations: Mapping[str, Evaluation], *, baseline: str, seed: int = 0
) -> list[TableRow]:
    """One row a run and measure: difference from the baseline run, 95% interval, p, wins.

    p is of one test: who compares many runs at once must ask for less than 0.05.
    """
    return [
        _difference(name, measure, evaluations=evaluations, baseline=baseline, seed=seed)
        for name, found in evaluations.items()
        if name != baseline
        for measure in found.mean
    ]


def per_query(evaluations: Mapping[str, Evaluation]) -> list[TableRow]:
    """One row a run and judged query."""
    return [
        {"run": name, "query": query, **values}
        for name, found in evaluations.items()
        for query, values in found.per_query.items()
    ]


def write_table(rows: Sequence[TableRow], path: Path) -> None:
    """Write rows to a .csv or .parquet file, whole or not at all; all rows have the same columns.

    ConfigError for another suffix, StorageError where the disk refuses.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise ConfigError(f"{path}: a table is written as {' or '.join(_WRITERS)}. Name it so.")
    draft = path.with_name(f".{path.name}.draft")
    try:
        write(pa.Table.from_pylist(list(rows)), draft)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise StorageError(f"{path}: {why}. Choose a place that can be written.") from error


def _difference(
    name: str,
    measure: str,
    *,
    evaluations: Mapping[str, Evaluation],
    baseline: str,
    seed: int,
) -> TableRow:
    found = compare_evaluations(
        evaluations[name], evaluations[baseline], measure=measure, seed=seed
    )
    return {
        "run": name,
        "measure": measure,
        "mean": evaluations[name].mean[measure],
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "better": found.n_better,
        "worse": found.n_worse,
    }
