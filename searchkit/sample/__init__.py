"""The bundled sample: abstracts, queries and judgements written for searchkit."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def corpus_path() -> Path:
    """JSONL, one abstract a line: `_id title text year venue field authors`."""
    return _path("corpus.jsonl")


def queries_path() -> Path:
    """JSONL, one query a line: `_id text kind`; kind is keywords, claim, question or paper."""
    return _path("queries.jsonl")


def qrels_path() -> Path:
    """TSV with the header `query-id corpus-id score`; grades 1 to 3."""
    return _path("qrels.tsv")


def _path(name: str) -> Path:
    return Path(str(files(__name__) / name))  # the package is always installed unzipped
