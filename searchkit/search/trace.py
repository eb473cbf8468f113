"""What the models could not read of a document: its tokens beyond their limits."""

from __future__ import annotations

from searchkit.index.index import Index
from searchkit.index.vectors import open_vectors
from searchkit.search.stages import Stages
from searchkit.types import Doc, Row


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
        for segment, part in self._index.part("vectors", encoder=encoder) or []:
            if segment.base <= row < segment.base + segment.segment.n_docs:
                return int(open_vectors(self._index.folder(part)).beyond[row - segment.base])
        return 0
