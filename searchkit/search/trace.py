"""A hit's way through the stages, and what the models could not read of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from searchkit.index.index import Index
from searchkit.search.reading import Read
from searchkit.search.stages import Stages
from searchkit.types import Doc, Hit, Match, Place, Ranking, Row, Trace


def traced(
    index: Index,
    stages: Stages,
    query: str,
    best: Ranking,
    *,
    rankings: Mapping[str, Ranking],
    read: Mapping[str, Read],
    matches: Callable[[str, Sequence[Row]], list[tuple[Match, ...]]] | None = None,
) -> list[Hit]:
    """The documents of `best` with the way of each: its place in every stage that has it.

    read: by stage, how far its reranker came. matches: what tells which terms of the query matched;
    with it the trace also holds these, and what the models could not read.
    """
    rows = best.rows.tolist()
    docs, found = [index[row] for row in rows], matches(query, rows) if matches else None
    ledger, hits = Ledger(index, stages) if matches else None, list[Hit]()
    for n, (row, score) in enumerate(best):
        cut = ledger.truncated(query, row, docs[n]) if ledger else {}
        terms = found[n] if found else ()
        trace = Trace(_places(row, rankings), terms, cut, _unread(row, read))
        hits.append(Hit(n + 1, docs[n], score, trace))
    return hits


def _places(row: Row, rankings: Mapping[str, Ranking]) -> dict[str, Place]:
    return {
        stage: Place(rank, float(found.scores[rank - 1]))
        for stage, found in rankings.items()
        if (rank := found.rank_of(row)) is not None
    }


def _unread(row: Row, read: Mapping[str, Read]) -> tuple[str, ...]:
    """Stages whose reranker had no time for a document of its head."""
    return tuple(
        stage for stage, one in read.items() if one.unread is not None and row in one.unread
    )


class Ledger:
    """Tokens that were cut off, by document: as stored for encoders, counted for the reranker."""

    def __init__(self, index: Index, stages: Stages) -> None:
        self._index, self._stages = index, stages

    def truncated(self, query: str, row: Row, doc: Doc) -> dict[str, int]:
        """Tokens beyond the limit by model; models that read it all are left out."""
        cut = {name: self._beyond(name, row) for name in self._stages.dense}
        scorer = self._stages.scorer
        if scorer is not None and scorer.is_made:
            model = scorer.get()
            n_tokens = model.n_tokens(query, [model.passage(query, doc)])[0]
            cut[model.name] = max(0, n_tokens - model.max_tokens)
        return {name: n for name, n in cut.items() if n}

    def _beyond(self, encoder: str, row: Row) -> int:
        from searchkit.index.vectors import open_vectors

        for segment, part in self._index.part("vectors", encoder=encoder) or []:
            if segment.base <= row < segment.base + segment.segment.n_docs:
                return int(open_vectors(self._index.folder(part)).beyond[row - segment.base])
        return 0
