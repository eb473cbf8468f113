"""Retrieve-then-rerank search for scientific literature."""

from __future__ import annotations

from searchkit.errors import SearchkitError
from searchkit.types import Doc, Hit, Match, Place, Query, Ranking, Trace

__all__ = ["Doc", "Hit", "Match", "Place", "Query", "Ranking", "SearchkitError", "Trace"]
__version__ = "0.1.0"
