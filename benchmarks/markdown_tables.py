"""Cells -> a Markdown table under a title that says where and when it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Line: TypeAlias = dict[str, Any]  # what a benchmark recorded


def titled(title: str, name: str, line: Line, cells: str) -> str:
    machine = line["machine"]
    cores = f"{machine['cores']} core{'s' * (machine['cores'] > 1)}"
    busy = f" under a load of {machine['load']}" if "load" in machine else ""
    where = f"{cores} of {machine['cpu']}{busy}, Python {machine['python']}"
    return f"**{title}** (`benchmarks/{name}.py`, {line['when'][:10]}, {where})\n\n{cells}"


def table(cells: Sequence[Sequence[str]]) -> str:
    head, *rows = cells
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


def gain(row: Line) -> str:
    if "difference" not in row:
        return ""
    low, high = row["interval"]
    return f"{row['difference']:+.4f} [{low:+.4f}, {high:+.4f}], p {row['p']:.4f}"
