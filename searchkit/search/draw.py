"""A query of a searcher -> a figure of its first documents on their way through the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from searchkit.evaluate.ways import Way, draw_ways
from searchkit.search.searcher import Searcher, clean, positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_search(
    searcher: Searcher,
    query: str,
    k: int,
    *,
    grades: Mapping[str, int],
    stage: str | None,
    where: str | None,
) -> Figure:
    """`Searcher.draw`: the k best documents, those of a grade above 0 coloured."""
    stages, index = searcher.stages, searcher.index
    stage = stages.check(stage or stages.default)
    allowed = searcher.mask(where)
    staged = stages.run([clean(query)], stage=stage, k=len(index), allowed=allowed)
    rankings, ways = staged.of_query(0), []
    for row, _ in rankings[staged.last].head(positive(k)):
        doc = index[row]
        ranks = tuple(ranking.rank_of(row) for ranking in rankings.values())
        ways.append(Way(doc.title or doc.id, ranks, grades.get(doc.id, 0)))
    return draw_ways(list(rankings), ways, title=query)
