"""The head of a ranking, read piece by piece -> its new order, final or as far as time allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, TypeAlias

import numpy as np

from searchkit.protocols import DocLookup, PairScorer, Tokens
from searchkit.rerank import (
    RerankOptions,
    can_settle,
    combine_read,
    n_contenders,
    passages,
    score,
)
from searchkit.search.rates import Rate
from searchkit.types import Ranking, Rows

Clock: TypeAlias = Callable[[], float]  # seconds
End: TypeAlias = Literal["all", "settled", "budget"]

_FIRST = 16  # documents read before it is asked whether the first k are final
_NEXT = 8  # and between two such questions
_UNKNOWN = 2  # documents read to learn how long one takes
# Of the time that is left, what one piece may take: the next is planned with what this one showed,
# and a piece that takes twice the time still ends within the budget.
_SHARE = 0.5
_LAST = 1.5  # times what a single pair should take must be left for it: alone it takes longer
_LETTERS = 4  # of a token, about


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What a reranker made of one head, and how far it came."""

    ranking: Ranking
    n_read: int
    n_head: int
    end: End = "all"  # settled: the first k are final without the others
    unread: Rows | None = None  # rows that the budget left unread; None without a budget

    @property
    def is_partial(self) -> bool:
        return self.n_read < self.n_head


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When reading has to end, by a clock, and what is known of its pace."""

    at: float  # seconds, by the clock
    rate: Rate
    clock: Clock = perf_counter

    @property
    def left_ms(self) -> float:
        return (self.at - self.clock()) * 1000


def read_head(
    query: str,
    head: Ranking,
    scorer: PairScorer,
    docs: DocLookup,
    *,
    options: RerankOptions,
    k: int,
    deadline: Deadline | None = None,
) -> Read:
    """The head reranked, read from its best document on until more would change nothing.

    It ends when all was read; when the first k are final, which a bound of the options allows
    (only they are returned then, bit for bit those of the whole head); or when another piece
    would miss the deadline. From the best on, because under an interpolation a document is the
    more likely to be among the first k, the higher the first stage has it.
    """
    reading = _Reading(query, head, scorer, docs, options=options, k=k, deadline=deadline)
    end = reading.run()
    read = np.arange(len(head)) < reading.n_read
    ranking = combine_read(head, reading.raw, read, options)
    unread = None if deadline is None else head.rows[~read]
    if end == "settled":
        ranking, unread = ranking.head(k), None
    return Read(ranking, reading.n_read, len(head), end, unread)


class _Reading:
    """One head on its way through a scorer."""

    def __init__(
        self,
        query: str,
        head: Ranking,
        scorer: PairScorer,
        docs: DocLookup,
        *,
        options: RerankOptions,
        k: int,
        deadline: Deadline | None,
    ) -> None:
        self.query, self.head, self.scorer, self.docs = query, head, scorer, docs
        self.options, self.k, self.deadline = options, k, deadline
        self.raw, self.n_read = np.zeros(len(head), np.float32), 0
        self.n_tokens = 0  # of what was read

    def run(self) -> End:
        while (n := self._wanted() - self.n_read) > 0:
            if self.deadline is not None:
                n = min(n, self._affordable(self.deadline))
            if not n:
                return "budget"
            self._read(n)
        return "all" if self.n_read == len(self.head) else "settled"

    def _wanted(self) -> int:
        """Up to where the next piece goes, time apart; no further than now where all is final."""
        if not can_settle(self.options, len(self.head), self.k):
            return len(self.head)  # at once: the larger a call, the better its batches
        contenders = n_contenders(self.head, self.raw, self.n_read, self.options, k=self.k)
        first = max(self.k, _FIRST)
        return min(contenders, first if self.n_read < first else self.n_read + _NEXT)

    def _affordable(self, deadline: Deadline) -> int:
        if not deadline.rate.is_known:
            return _UNKNOWN if deadline.left_ms > 0 else 0
        pair_ms = deadline.rate.ms_per_token * self._pair_tokens()
        n = int(_SHARE * deadline.left_ms / pair_ms)
        return max(n, int(deadline.left_ms > _LAST * pair_ms))

    def _pair_tokens(self) -> float:
        return self.n_tokens / self.n_read if self.n_read else self.scorer.max_tokens

    def _read(self, n: int) -> None:
        deadline, piece = self.deadline, slice(self.n_read, self.n_read + n)
        begin = deadline.clock() if deadline else 0.0
        head = Ranking(self.head.rows[piece], self.head.scores[piece])
        texts = passages(self.query, head, self.scorer, self.docs)
        self.raw[piece] = score(self.query, texts, self.scorer)
        self.n_read += n
        if deadline:
            n_tokens = self._n_tokens(texts)
            self.n_tokens += n_tokens
            deadline.rate.see(n_tokens, (deadline.clock() - begin) * 1000)

    def _n_tokens(self, texts: Sequence[str | Tokens]) -> int:
        """About how many tokens the pairs have; to count those of texts would take time."""
        asked = len(self.query) // _LETTERS
        lengths = [len(one) // (_LETTERS if isinstance(one, str) else 1) for one in texts]
        return sum(min(asked + length, self.scorer.max_tokens) for length in lengths) + len(texts)
