"""A budget of milliseconds and a pipeline -> when its rerankers have to end."""

from __future__ import annotations

import math

from searchkit.errors import ConfigError
from searchkit.search.stages import Stages

_NEWEST = 0.3  # weight of the newest search in the mean
_REST_MS = 5.0  # for hits and traces, before the first search


class Budget:
    """When a search of so many milliseconds has to stop reranking; learns what comes after it.

    The first stage counts, and so do hits and traces; loading models does not.
    """

    def __init__(self) -> None:
        self._rest_ms = _REST_MS

    def ready(self, stages: Stages, query: str, *, stage: str, budget_ms: float | None) -> float:
        """Milliseconds that loading took: 0 where all is there, or no budget needs it.

        What was loaded is used once, on this query, since the first use of a model is slow.
        ConfigError for a budget that cannot be, or has no effect.
        """
        if budget_ms is None:
            return 0.0
        if not (math.isfinite(budget_ms) and budget_ms >= 0):
            raise ConfigError(f"a budget must be 0 milliseconds or more, not {budget_ms:g}.")
        if stage != "reranked":
            raise ConfigError(
                f"a budget has no effect: it is for reranking, and stage {stage} does not rerank. "
                "Drop it."
            )
        if stages.is_loaded(stage):
            return 0.0
        begin = stages.clock()
        stages.load(stage)
        stages.run([query], stage=stage, k=1, until=begin)
        for _, lazy, _ in stages.rerankers:
            lazy.get().score(query, [query])
        return (stages.clock() - begin) * 1000

    def until(self, begin: float, budget_ms: float | None) -> float | None:
        """By when rerankers have to end, in seconds, of a search that began then."""
        return None if budget_ms is None else begin + (budget_ms - self._rest_ms) / 1000

    def see(self, times_ms: dict[str, float]) -> None:
        """Learn from a search how long hits and traces took."""
        rest = 2 * times_ms["total"] - sum(times_ms.values())
        self._rest_ms = (1 - _NEWEST) * self._rest_ms + _NEWEST * rest
