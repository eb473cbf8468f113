"""An index and a wish for a reranker -> the pipeline in force, and the settings that are tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.protocols import PairScorer
from searchkit.rerank import RerankOptions
from searchkit.retrieve.bm25 import BM25Retriever
from searchkit.search.choose import AUTO
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher
from searchkit.tune.candidates import advice
from searchkit.tune.grid import first_stages, rerank_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried: each first stage, with each way to rerank it."""

    current: Pipeline  # what the others have to beat
    firsts: list[Pipeline]  # the current one's first stage first; none reranks
    options: list[RerankOptions | None]  # None: not at all
    reranker: str | None  # that the options are of
    scorers: Mapping[str, PairScorer]  # of it and of the current pipeline, by name
    is_apart: bool  # the pipeline in force reranks, and no reranker was wanted here
    untried: tuple[str, ...]  # sentences on what this index leaves nothing to try of

    @property
    def home(self) -> tuple[int, int] | None:
        """Which of the settings is the current pipeline; None where none is."""
        own = self.current.rerank if self.current.reranker else None
        if self.current.reranker not in (None, self.reranker):
            return None
        return 0, self.options.index(own)

    def pipeline(self, first: int, option: int) -> Pipeline:
        rerank = self.options[option]
        if rerank is None or self.reranker is None:
            return self.firsts[first]
        fingerprint = self.scorers[self.reranker].fingerprint
        return replace(
            self.firsts[first],
            reranker=self.reranker,
            reranker_fingerprint=fingerprint,
            rerank=rerank,
        )


def plan_of(searcher: Searcher, reranker: str | None, reading: CrossEncoderOptions) -> Plan:
    """Reranker: a name, "auto" for the pipeline's own, None for a tuning without.

    ModelError where it cannot be had.
    """
    current, scorers = searcher.pipeline, dict[str, PairScorer]()
    is_apart = reranker is None and current.reranker is not None
    if is_apart:
        current = replace(current, reranker=None, reranker_fingerprint="", rerank=RerankOptions())
    if current.reranker and searcher.stages.scorer:
        scorers[current.reranker] = searcher.stages.scorer.get()
    name, advised = current.reranker, current.rerank
    if reranker not in (None, AUTO, current.reranker):
        scorer = open_cross_encoder(reranker, options=reading)
        name, advised = scorer.name, advice(reranker, RerankOptions(), depth=None)
        scorers[name] = scorer
    has_titles, untried = _fields(searcher)
    return Plan(
        current=current,
        firsts=first_stages(current, searcher.encoders, has_titles=has_titles),
        options=rerank_settings(advised) if name else [None],
        reranker=name,
        scorers=scorers,
        is_apart=is_apart,
        untried=untried,
    )


def _fields(searcher: Searcher) -> tuple[bool, tuple[str, ...]]:
    """Whether titles can weigh more than texts, and why not."""
    bm25 = searcher.stages.retrievers["bm25"].get()
    if not isinstance(bm25, BM25Retriever):
        raise TypeError(f"need our own BM25, got {type(bm25).__name__}")
    found = bm25.collection
    if found.title_length and found.text_length:
        return True, ()
    lacking = "text" if found.title_length else "title"
    return False, (f"No document has a {lacking}, so the weight of titles was not tuned.",)
