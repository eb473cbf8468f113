"""The one object behind the command line, the REPL and the notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from searchkit.errors import ConfigError, QueryError
from searchkit.index import generation as generations
from searchkit.index.index import Index
from searchkit.retrieve.bm25 import BM25Retriever
from searchkit.retrieve.filters import parse
from searchkit.search.answer import Answer
from searchkit.search.budget import Budget
from searchkit.search.nothing import why_nothing
from searchkit.search.pipeline import Pipeline
from searchkit.search.stages import Stages
from searchkit.search.trace import traced
from searchkit.search.why_not import WhyNot, explain_absence
from searchkit.search.works import Works, find_works, with_versions
from searchkit.types import Doc, Hit, Mask, Match, Ranking, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH = 256  # queries ranked together


@dataclass(slots=True)
class Searcher:
    """An open index with a pipeline. Models load when a stage first needs them."""

    index: Index
    stages: Stages
    notes: tuple[str, ...] = ()
    renew: Callable[[Index], Stages] | None = None  # stages of another generation, models kept
    _masks: dict[str, Mask] = field(default_factory=dict)
    _works: Works | None = None
    _budget: Budget = field(default_factory=Budget)

    def close(self) -> None:
        """Let the generation go; the searcher cannot be used afterwards."""
        self.index.close()

    def reload(self) -> bool:
        """Go over to the index's live generation; whether that is another than before.

        What both have in common stays open, and models stay loaded. Rows of before mean nothing
        any more. Where the new one cannot be opened the old one goes on. A generation that was
        chosen by number or date stays the one.
        """
        if self.renew is None:
            raise ConfigError("this searcher was put together by hand. Open the index again.")
        index = self.index
        if index.was_chosen or generations.read(index.path).number == index.generation.number:
            return False
        fresh = Index.open(self.index.path)
        try:
            stages = self.renew(fresh)
        except BaseException:
            fresh.close()
            raise
        self.index.close()
        self.index, self.stages = fresh, stages
        self._masks.clear()
        self._works = None
        return True

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pipeline(self) -> Pipeline:
        return self.stages.pipeline

    @property
    def encoders(self) -> tuple[str, ...]:
        """Encoders whose vectors the index holds, by name."""
        return self.stages.dense

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        stage: str | None = None,
        where: str | None = None,
        explain: bool = False,
        merge_versions: bool = False,
        budget_ms: float | None = None,
    ) -> list[Hit]:
        """The k best documents for a query, as far as `stage` (bm25, dense, fused, reranked).

        where: a filter such as "year >= 2015", applied before ranking. explain: the trace also
        holds matched terms and what the models could not read of each document. merge_versions:
        one hit for preprint and published version of a work, see `works.find_works`. budget_ms:
        reranking ends in time for the hits to be there by then; what was not read keeps the first
        stage's order, and its trace says so.
        """
        answer = self.answer(
            query,
            k,
            stage=stage,
            where=where,
            explain=explain,
            merge_versions=merge_versions,
            budget_ms=budget_ms,
        )
        return answer.hits

    def answer(
        self,
        query: str,
        k: int = 10,
        *,
        stage: str | None = None,
        where: str | None = None,
        explain: bool = False,
        leave_out: Row | None = None,
        merge_versions: bool = False,
        budget_ms: float | None = None,
    ) -> Answer:
        """What `search` returns, with times and notes.

        leave_out: a row that is not shown; ranks, of every stage, count without it, and without
        its other versions where they are merged.
        """
        query, stage = clean(query), self.stages.check(stage or self.stages.default)
        loaded_ms = self._budget.ready(self.stages, query, stage=stage, budget_ms=budget_ms)
        works = self.works if merge_versions else None
        shown = (positive(k) + (leave_out is not None)) * (works.largest if works else 1)
        if works and stage == "reranked":  # versions stand in the order of all that was reranked
            shown = max(shown, self.pipeline.rerank.depth)
        begin = self.stages.clock()
        until = self._budget.until(begin, budget_ms)
        allowed = self.mask(where)
        staged = self.stages.run([query], stage=stage, k=shown, allowed=allowed, until=until)
        rankings = staged.of_query(0)
        why_none = ""
        if not len(rankings[staged.last]):
            why_none = why_nothing(self.index, query, allowed=allowed)
        elif leave_out is not None:
            own = works.versions(leave_out) if works else leave_out
            rankings = {name: found.without(own) for name, found in rankings.items()}
            why_none = "" if len(rankings[staged.last]) else "only the paper itself does"
        last, read = rankings[staged.last], {name: one[0] for name, one in staged.read.items()}
        best = works.firsts(last) if works else last
        hits = traced(
            *(self.index, self.stages, query, best.head(k)),
            rankings=rankings,
            read=read,
            matches=self.matches if explain else None,
        )
        if works:
            hits = with_versions(hits, best.head(k), last, works, index=self.index, allowed=allowed)
        times = {**staged.times_ms, "total": (self.stages.clock() - begin) * 1000}
        self._budget.see(times)
        sizes = {name: len(ranking) for name, ranking in rankings.items()}
        notes, spent = self._notes(query, stage, rankings, allowed), (budget_ms, loaded_ms)
        return Answer(hits, times, staged.last, sizes, notes, why_none, read, *spent)

    def like(
        self,
        doc: Doc,
        k: int = 10,
        *,
        stage: str | None = None,
        where: str | None = None,
        explain: bool = False,
        merge_versions: bool = False,
        budget_ms: float | None = None,
    ) -> Answer:
        """Papers like this one: its title and text are the query, itself is left out."""
        try:
            own: Row | None = self.index.row(doc.id)
        except QueryError:
            own = None
        query = f"{doc.title} {doc.text}"
        return self.answer(
            query,
            k,
            stage=stage,
            where=where,
            explain=explain,
            leave_out=own,
            merge_versions=merge_versions,
            budget_ms=budget_ms,
        )

    def rank(
        self,
        queries: Sequence[str],
        k: int = 100,
        *,
        stage: str | None = None,
        where: str | None = None,
    ) -> list[list[tuple[str, float]]]:
        """The k best of every query as (document id, score), best first; a batch at a time."""
        rankings = self.rankings(queries, k, stage=stage, where=where)
        return [self.named(ranking) for ranking in rankings]

    def rankings(
        self,
        queries: Sequence[str],
        k: int = 100,
        *,
        stage: str | None = None,
        where: str | None = None,
    ) -> list[Ranking]:
        """`rank` by rows of this generation instead of ids."""
        stage = self.stages.check(stage or self.stages.default)
        allowed, found = self.mask(where), list[Ranking]()
        for start in range(0, len(queries), BATCH):
            batch = [clean(query) for query in queries[start : start + BATCH]]
            staged = self.stages.run(batch, stage=stage, k=positive(k), allowed=allowed)
            found += [ranking.head(k) for ranking in staged.rankings[staged.last]]
        return found

    def named(self, ranking: Ranking) -> list[tuple[str, float]]:
        """A ranking with the ids of its documents."""
        return list(zip(self.index.ids(ranking.rows), ranking.scores.tolist(), strict=True))

    def why_not(self, query: str, doc_id: str, k: int = 10, *, where: str | None = None) -> WhyNot:
        """Which stage lost a document, its rank there, and what would bring it back."""
        row, allowed = self.index.row(doc_id), self.mask(where)
        return explain_absence(
            self.stages, clean(query), row=row, doc_id=doc_id, k=positive(k), allowed=allowed
        )

    def draw(
        self,
        query: str,
        k: int = 10,
        *,
        grades: Mapping[str, int] | None = None,
        stage: str | None = None,
        where: str | None = None,
    ) -> Figure:
        """The k best documents of a query on their way through the stages, as a figure.

        grades: document id -> how good it is, from judgements; those above 0 are coloured.
        """
        from searchkit.search.draw import draw_search

        return draw_search(self, query, k, grades=grades or {}, stage=stage, where=where)

    def mask(self, where: str | None) -> Mask | None:
        """Rows that a filter allows, without the deleted; resolved once for each filter."""
        if where is None or not where.strip():
            return None  # the retrievers leave the deleted out themselves, and faster
        if where not in self._masks:
            if len(self._masks) >= 16:
                self._masks.clear()
            found, alive = parse(where).mask(self.index.table), self.index.alive
            self._masks[where] = found if alive is None else found & alive
        return self._masks[where]

    @property
    def works(self) -> Works:
        """Which documents are versions of one work; found once for each generation."""
        if self._works is None:
            self._works = find_works(self.index.table, self.index.alive)
        return self._works

    def matches(self, query: str, rows: Sequence[Row]) -> list[tuple[Match, ...]]:
        """Query terms in each document with what they gave to its BM25 score."""
        bm25 = self.stages.retrievers["bm25"].get()
        if not isinstance(bm25, BM25Retriever):
            return [() for _ in rows]
        return bm25.matches(query, np.asarray(rows, np.int64))

    def _notes(
        self, query: str, stage: str, found: Mapping[str, Ranking], allowed: Mask | None
    ) -> tuple[str, ...]:
        """What the reader should know; found: by stage."""
        notes = self.notes
        if stage != "reranked" and stage == self.stages.default:
            why = "Not reranked: no reranker is loaded (--reranker MODEL loads one)."
            notes = (*notes, why)
        if len(found.get("bm25", "-")) or not any(map(len, found.values())):
            return notes
        why = why_nothing(self.index, query, allowed=allowed)
        return (f"BM25 found nothing{': ' + why if why else ''}.", *notes)


def clean(query: str) -> str:
    """The query as text that can be stored: what is no character becomes U+FFFD."""
    return query.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")


def positive(k: int) -> int:
    if k < 1:
        raise ConfigError(f"k must be at least 1, not {k}.")
    return k
