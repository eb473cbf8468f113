"""Extra columns of a row -> metadata of the few types that a filter can compare."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from searchkit.corpus.rows import Fields

_PLAIN = {str, int, bool}
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_REAL = re.compile(r"-?[0-9]+\.[0-9]+", re.ASCII)


def typed_values(row: Mapping[str, Any]) -> tuple[Fields, int]:
    """Values as str, int, float, bool or list of str, and how many were kept as JSON strings.

    Null, NaN and the empty object are left out; dates become ISO 8601 strings.
    """
    meta: Fields = {}
    n_nested = 0
    for name, value in row.items():
        if type(value) in _PLAIN:
            meta[name] = value
        elif value is None or value == {} or (isinstance(value, float) and math.isnan(value)):
            continue
        elif (simple := _simple(value)) is not None:
            meta[name] = simple
        else:
            meta[name] = json.dumps(value, ensure_ascii=False, default=_spell)
            n_nested += 1
    return meta, n_nested


def typed_cells(row: Mapping[str, str]) -> tuple[Fields, int]:
    """Cells of a table of strings, as numbers where that loses no character (`007` stays text)."""
    return {name: _typed(cell) for name, cell in row.items() if cell}, 0


def _simple(value: object) -> str | float | list[str] | None:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (float, Decimal)):
        return float(value)
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, list) and all(type(item) is str for item in value):
        return value
    return None


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _spell(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value.isoformat() if isinstance(value, (datetime, date, time)) else str(value)


def _typed(cell: str) -> str | int | float | bool:
    if cell in ("true", "false"):
        return cell == "true"
    if _WHOLE.fullmatch(cell):
        return int(cell)
    if _REAL.fullmatch(cell) and repr(float(cell)) == cell:
        return float(cell)
    return cell
