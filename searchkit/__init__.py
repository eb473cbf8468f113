"""Retrieve-then-rerank search for scientific literature.

import searchkit
searchkit.build("corpus.jsonl", out="indexes/mine", encoders=["minilm"])
searcher = searchkit.open("indexes/mine")
hits = searcher.search("vitamin D and bone", k=10)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.errors import SearchkitError
from searchkit.types import Doc, Hit, Match, Place, Query, Ranking, Trace

if TYPE_CHECKING:
    from searchkit.index.generation import Generation
    from searchkit.models.device import Device
    from searchkit.search.searcher import Searcher

__all__ = [
    "Doc",
    "Hit",
    "Match",
    "Place",
    "Query",
    "Ranking",
    "SearchkitError",
    "Trace",
    "build",
    "open",
]
__version__ = "0.1.0"


def build(corpus: str | Path, *, out: str | Path, **options: Any) -> Generation:  # noqa: ANN401
    """Build an index; see `searchkit.search.api.build` for the options."""
    from searchkit.search import api

    return api.build(corpus, out=out, **options)


def open(  # noqa: A001 - searchkit.open reads as it should
    path: str | Path, *, reranker: str | None = "auto", device: Device = "auto"
) -> Searcher:
    """Open an index for searching; reranker: a name, "auto" (the pipeline's) or None."""
    from searchkit.search import api

    return api.open_searcher(path, options=api.OpenOptions(reranker=reranker, device=device))
