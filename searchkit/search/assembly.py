"""An open index and how it is to be searched -> its stages; what was loaded serves the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from searchkit.errors import ModelError, ModelMismatch
from searchkit.index.index import Index
from searchkit.models.device import Device
from searchkit.protocols import Encoder, PairScorer, Retriever
from searchkit.retrieve.bm25 import BM25Retriever, Engine, LexicalPart, lexical_parts
from searchkit.search.choose import AUTO, cascaded_by, choose, reranked_by
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.rates import Rates
from searchkit.search.stages import Stages

if TYPE_CHECKING:
    from searchkit.retrieve.dense import DenseRetriever

Lexical = Literal["searchkit", "rank-bm25"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """How an index is searched, where it is not as its pipeline says."""

    reranker: str | None = AUTO  # name, "auto" (the pipeline's), or None
    cascade: str | None = None  # a second, larger reranker over the best of the first
    device: Device = "auto"
    lexical: Lexical = "searchkit"
    engine: Engine = "auto"
    pipeline: Pipeline | None = None  # instead of the index's own
    trust_remote_code: bool = False
    generation: int | None = None  # number of a snapshot instead of the live one
    as_of: str | None = None  # the last one written by this date, ISO 8601


@dataclass(slots=True)
class Assembly:
    """Makes the stages of one generation after another; models are loaded once for all."""

    options: OpenOptions
    _encoders: dict[str, Encoder] = field(default_factory=dict)  # by fingerprint
    _dense: dict[str, DenseRetriever] = field(default_factory=dict)  # the last one, by encoder
    _postings: list[LexicalPart] = field(default_factory=list)  # the last ones, and held for it
    _scorers: dict[tuple[str, str], PairScorer] = field(default_factory=dict)
    _rates: Rates = field(default_factory=Rates)

    def stages(self, index: Index) -> Stages:
        """The stages of an index; models load when a stage first needs them."""
        options = self.options
        pipeline = reranked_by(options.pipeline or choose(index), options.reranker)
        pipeline = cascaded_by(pipeline, options.cascade)
        reranker = pipeline.reranker
        retrievers: dict[str, Lazy[Retriever]] = {
            "bm25": Lazy(partial(self._lexical, index, pipeline))
        }
        for record in index.generation.encoders:
            retrievers[record["name"]] = Lazy(partial(self._retriever, index, record))
        promoted = pipeline if options.reranker == AUTO else None
        fingerprint = promoted.reranker_fingerprint if promoted else ""
        scorer = Lazy(lambda: self._scorer(reranker, fingerprint, index)) if reranker else None
        then, second = pipeline.cascade, None
        if then is not None:
            second = Lazy(partial(self._scorer, then.reranker, then.fingerprint, index))
        return Stages(pipeline, retrievers, scorer, index, second, self._rates)

    def _lexical(self, index: Index, pipeline: Pipeline) -> Retriever:
        self._postings = lexical_parts(index)
        return _lexical(index, self._postings, pipeline, self.options)

    def _retriever(self, index: Index, record: dict[str, Any]) -> Retriever:
        from searchkit.index.recorded import open_recorded
        from searchkit.retrieve.dense import DenseRetriever, dense_parts

        name, fingerprint = record["name"], record["fingerprint"]
        if fingerprint not in self._encoders:
            self._encoders[fingerprint] = open_recorded(
                index.path,
                record,
                device=self.options.device,
                trust_remote_code=self.options.trust_remote_code,
                backend="auto",
            )
        encoder, before = self._encoders[fingerprint], self._dense.get(name)
        found = DenseRetriever(encoder, dense_parts(index, name), like=before)
        self._dense[name] = found
        return found

    def _scorer(self, name: str, fingerprint: str, index: Index) -> PairScorer:
        key = name, fingerprint
        if key not in self._scorers:
            self._scorers[key] = _scorer(name, fingerprint, self.options, index)
        return self._scorers[key]


def _lexical(
    index: Index, parts: Sequence[LexicalPart], pipeline: Pipeline, options: OpenOptions
) -> Retriever:
    if options.lexical == "rank-bm25":
        from searchkit.retrieve.rank_bm25 import RankBM25Retriever

        return RankBM25Retriever(parts, analyzer=index.analyzer, params=pipeline.bm25)
    return BM25Retriever(
        parts, analyzer=index.analyzer, params=pipeline.bm25, engine=options.engine
    )


def _scorer(name: str, fingerprint: str, options: OpenOptions, index: Index) -> PairScorer:
    from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder

    cure = "Bring it back, promote another, or search without it: --reranker none."
    if fingerprint and Path(name).is_absolute() and not Path(name).is_dir():
        raise ModelError(f"{name}, which was promoted into {index.path}, is not there. {cure}")
    wanted = CrossEncoderOptions(device=options.device, trust_remote_code=options.trust_remote_code)
    scorer = open_cross_encoder(name, options=wanted, backend="auto")
    if fingerprint and scorer.fingerprint != fingerprint:
        raise ModelMismatch(
            f"{name} is not what was promoted into {index.path}: its weights, tokenizer or "
            f"settings have changed. {cure}"
        )
    return scorer
