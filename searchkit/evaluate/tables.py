"""Evaluations -> rows of tables, and tables -> files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from pyarrow import csv, parquet

from searchkit.corpus.atomic import replaced_by
from searchkit.errors import ConfigError
from searchkit.evaluate.against import Against, Moved, compare_all
from searchkit.evaluate.measures import Evaluation

TableRow: TypeAlias = dict[str, str | int | float]

_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".csv": csv.write_csv,
    ".parquet": parquet.write_table,
}


def side_by_side(
    evaluations: Mapping[str, Evaluation], *, ties: Mapping[str, int] | None = None
) -> list[TableRow]:
    """One row a run: its name, its means, and what they were taken over.

    ties: documents of each run that only the rule for ties put in their place; a column.
    """
    return [
        {
            "run": name,
            **found.mean,
            "queries": found.n_queries,
            "missing": found.n_missing,
            "ignored": found.n_ignored,
            "unjudged@10": found.unjudged_at_10,
            **({} if ties is None else {"ties": ties[name]}),
        }
        for name, found in evaluations.items()
    ]


def against_baseline(
    evaluations: Mapping[str, Evaluation], *, baseline: str, seed: int = 0
) -> list[TableRow]:
    """One row a run and measure: difference from the baseline run, 95% interval, p, wins.

    p_holm is p corrected for all rows; who looks at several must look at it.
    """
    compared = compare_all({"": evaluations}, baseline=baseline, seed=seed)
    return [compared_row(one, baseline=baseline) for one in compared]


def compared_row(one: Against, *, baseline: str) -> TableRow:
    """One comparison as a row; its collection stands in it where there are several."""
    found = one.found
    return {
        **({"collection": one.collection} if one.collection else {}),
        "run": one.run,
        "baseline": baseline,
        "measure": one.measure,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "p_t": found.p_t,
        "p_holm": one.p_holm,
        "detectable": found.detectable,
        "queries": found.n_queries,
        "better": found.n_better,
        "same": found.n_ties,
        "worse": found.n_worse,
    }


def moved_row(one: Moved, *, run: str, baseline: str, measure: str, text: str | None) -> TableRow:
    """One query that moved as a row, with its text where there is one."""
    return {
        **({"collection": one.collection} if one.collection else {}),
        "run": run,
        "baseline": baseline,
        "measure": measure,
        "difference": one.difference,
        "value": one.value,
        "baseline_value": one.baseline,
        "query": one.query,
        **({} if text is None else {"text": text}),
    }


def per_query(
    evaluations: Mapping[str, Evaluation], *, baseline: str | None = None
) -> list[TableRow]:
    """One row a run and judged query; with a baseline also the difference by each measure."""
    rows: list[TableRow] = []
    for name, found in evaluations.items():
        for query, values in found.per_query.items():
            row: TableRow = {"run": name, "query": query, **values}
            if baseline is not None:
                base = evaluations[baseline].per_query[query]
                row |= {f"{m} difference": value - base[m] for m, value in values.items()}
            rows.append(row)
    return rows


def check_table(path: Path) -> None:
    """ConfigError for a name that `write_table` refuses, before any work."""
    if path.suffix.lower() not in _WRITERS:
        raise ConfigError(f"{path}: a table is written as {' or '.join(_WRITERS)}. Name it so.")
    if path.is_dir():
        raise ConfigError(f"{path}: this is a folder. Name a file in it.")


def write_table(rows: Sequence[TableRow], path: Path) -> None:
    """Write rows to a .csv or .parquet file, whole or not at all; all rows have the same columns.

    ConfigError for another suffix or a folder, StorageError where the disk refuses.
    """
    check_table(path)
    table = pa.Table.from_pylist(list(rows))
    with replaced_by(path) as draft:
        _WRITERS[path.suffix.lower()](table, draft)
