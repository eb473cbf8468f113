"""The bundled sample: abstracts written for searchkit."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def corpus_path() -> Path:
    """JSONL, one abstract a line: `_id title text year venue field authors`."""
    return _path("corpus.jsonl")


def _path(name: str) -> Path:
    return Path(str(files(__name__) / name))  # the package is always installed unzipped
