"""Counts of bytes, seconds and documents -> words."""

from __future__ import annotations

_UNITS = ("", "kB", "MB", "GB", "TB")


def spell_bytes(n_bytes: float) -> str:
    """As disks are sold: 1 kB is 1,000 bytes."""
    if n_bytes < 1000:
        return count(round(n_bytes), "byte")
    power = 0
    while n_bytes >= 1000 and power < len(_UNITS) - 1:
        n_bytes, power = n_bytes / 1000, power + 1
    return f"{n_bytes:,.0f} {_UNITS[power]}" if power < 2 else f"{n_bytes:,.1f} {_UNITS[power]}"


def spell_seconds(time_s: float) -> str:
    """Two digits are enough for an estimate: 45 s, 12 min, 3.5 h."""
    if time_s < 90:
        return f"{max(time_s, 1):.0f} s"
    if time_s < 90 * 60:
        return f"{time_s / 60:.0f} min"
    return f"{time_s / 3600:.1f} h"


def count(n: int, noun: str) -> str:
    """The number with its noun: 1 document, 2 documents."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
