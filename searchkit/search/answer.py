"""What a search gives back: hits, times, how far rerankers read, what should be known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from searchkit.search.reading import Read
from searchkit.types import Hit


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits of one query, the time of every stage, and what the reader should know."""

    hits: list[Hit]
    times_ms: dict[str, float]  # by stage, in the order they ran; "total" last
    stage: str  # the last that ran
    n_candidates: dict[str, int]  # by stage
    notes: tuple[str, ...] = ()
    why_none: str = ""  # where there are no hits: half a sentence, or "" where nobody knows
    read: Mapping[str, Read] = field(default_factory=dict)  # by stage that reranks
    budget_ms: float | None = None
    loaded_ms: float = 0.0  # for models, before the budget's time began

    @property
    def budget_words(self) -> str:
        """What became of the budget, in a sentence or two; "" without one."""
        if self.budget_ms is None:
            return ""
        said = f"{'; '.join(map(self._read_words, self.read))} within {self.budget_ms:,.6g} ms."
        if any(one.end == "budget" for one in self.read.values()):
            said = f"{said} The others keep the order of the stage before."
        if self._first_ms >= self.budget_ms:
            said = (
                f"The first stage alone took {self._first_ms:,.0f} ms of a budget of "
                f"{self.budget_ms:,.6g} ms, so that nothing was reranked."
            )
        if self.loaded_ms:
            said = f"{said} Loading models took {self.loaded_ms:,.0f} ms before that."
        return said

    @property
    def _first_ms(self) -> float:
        return sum(ms for stage, ms in self.times_ms.items() if stage not in (*self.read, "total"))

    def _read_words(self, stage: str) -> str:
        one = self.read[stage]
        return f"{stage} {one.n_read:,} of {one.n_head:,}"
