"""A search that found nothing -> the reason, as a person would give it."""

from __future__ import annotations

import numpy as np

from searchkit.index.index import Index
from searchkit.retrieve.bm25 import lexical_parts
from searchkit.types import Mask

_NAMED = 5  # terms that are spelled out


def why_nothing(index: Index, query: str, *, allowed: Mask | None) -> str:
    """Half a sentence, to follow "No document matches: "; "" where no reason is known."""
    n_allowed = len(index) if allowed is None else int(np.count_nonzero(allowed))
    if n_allowed == 0:
        return f"the filter leaves none of the {len(index):,} documents"
    terms = list(dict.fromkeys(index.analyzer.terms(query)))
    if not terms:
        return why_termless(query)
    if not _are_held(index, terms):
        named = ", ".join(terms[:_NAMED]) + (", ..." if len(terms) > _NAMED else "")
        return f"the index does not hold the term{'s' if len(terms) > 1 else ''} {named}"
    if allowed is not None:
        left = "1 document" if n_allowed == 1 else f"{n_allowed:,} documents"
        return f"the filter leaves {left}, and no term of the query stands there"
    return ""


def why_termless(query: str) -> str:
    """Half a sentence about a query of which the analysis leaves nothing."""
    if not query.strip():
        return "the query is empty"
    if not any(map(str.isalnum, query)):
        return "the query holds no letter and no digit"
    return "the query holds stop words alone"


def _are_held(index: Index, terms: list[str]) -> bool:
    """Whether some document holds one of them."""
    for part in lexical_parts(index):
        ids = part.postings.terms.find(terms)
        if part.dfs(ids[ids >= 0]).any():
            return True
    return False
