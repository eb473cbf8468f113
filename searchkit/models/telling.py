"""Slow work that happens once -> a sentence for whoever listens, as the command line does."""

from __future__ import annotations

from collections.abc import Callable

listeners: list[Callable[[str], None]] = []


def tell(sentence: str) -> None:
    """Hand a sentence to whoever listens."""
    for listener in listeners:
        listener(sentence)
