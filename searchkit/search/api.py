"""What `searchkit.build` and `searchkit.open` do: names -> parts -> one Searcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.errors import ModelError, ModelMismatch
from searchkit.index.ann import AnnKind
from searchkit.index.build import BuildConfig, Watch, build_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import Generation
from searchkit.index.index import Index
from searchkit.index.vectors import VectorConfig
from searchkit.models.device import Device
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.protocols import PairScorer, Retriever
from searchkit.retrieve.bm25 import BM25Retriever, Engine, LexicalPart
from searchkit.search.choose import AUTO, choose, reranked_by
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher
from searchkit.search.stages import Stages

Lexical = Literal["searchkit", "rank-bm25"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """Everything about an index that is not its corpus, its place and its encoders."""

    analyzer: str = "english"
    vectors: VectorConfig = field(default_factory=VectorConfig)
    encoder: EncoderOptions = field(default_factory=EncoderOptions)  # for each encoder
    ann: AnnKind = "auto"
    read: ReadOptions = field(default_factory=ReadOptions)
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """How an index is searched, where it is not as its pipeline says."""

    reranker: str | None = AUTO  # name, "auto" (the pipeline's), or None
    device: Device = "auto"
    lexical: Lexical = "searchkit"
    engine: Engine = "auto"
    pipeline: Pipeline | None = None  # instead of the index's own
    trust_remote_code: bool = False


def build(
    corpus: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    encoders: Sequence[str] = ("minilm",),
    options: IndexOptions | None = None,
    ledger: ReadLedger | None = None,
    n_docs: int = 0,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Build an index from a corpus: files, BEIR folders, "-" for stdin or hf:NAME.

    The same as `searchkit index`. Returns what was committed; `open` searches it.
    """
    options, ledger = options or IndexOptions(), ledger or ReadLedger()
    sources = [corpus] if isinstance(corpus, str | Path) else list(corpus)
    dense = [_dense(name, options) for name in dict.fromkeys(encoders)]
    config = BuildConfig(
        analyzer=options.analyzer, dense=dense, ann=options.ann, replace=options.replace
    )
    docs = read_docs([str(source) for source in sources], options.read, ledger=ledger)
    return build_index(
        Path(out), docs, config, n_docs=n_docs, ledger=lambda: _counts(ledger), watch=watch
    )


def open_searcher(path: str | Path, *, options: OpenOptions | None = None) -> Searcher:
    """Open an index for searching. Models load when a stage first needs them."""
    options = options or OpenOptions()
    index = Index.open(Path(path))
    try:
        return _assemble(index, options)
    except BaseException:
        index.close()
        raise


def _assemble(index: Index, options: OpenOptions) -> Searcher:
    pipeline = reranked_by(options.pipeline or choose(index), options.reranker)
    reranker = pipeline.reranker
    retrievers: dict[str, Lazy[Retriever]] = {
        "bm25": Lazy(lambda: _lexical(index, pipeline, options))
    }
    for record in index.generation.encoders:
        retrievers[record["name"]] = Lazy(partial(_dense_retriever, index, record, options))
    promoted = pipeline if options.reranker == AUTO else None
    scorer = Lazy(lambda: _scorer(reranker, options, index, promoted)) if reranker else None
    return Searcher(index, Stages(pipeline, retrievers, scorer, index))


def _counts(ledger: ReadLedger) -> dict[str, Any]:
    return {"read": ledger.counts()}


def _dense(name: str, options: IndexOptions) -> DenseChoice:
    encoder = open_encoder(name, options=options.encoder)
    return DenseChoice(encoder, options.vectors, options.encoder.to_dict())


def _lexical(index: Index, pipeline: Pipeline, options: OpenOptions) -> Retriever:
    parts = [LexicalPart(base, postings) for base, postings in index.postings]
    if options.lexical == "rank-bm25":
        from searchkit.retrieve.rank_bm25 import RankBM25Retriever

        return RankBM25Retriever(parts, analyzer=index.analyzer, params=pipeline.bm25)
    return BM25Retriever(
        parts, analyzer=index.analyzer, params=pipeline.bm25, engine=options.engine
    )


def _dense_retriever(index: Index, record: dict[str, Any], options: OpenOptions) -> Retriever:
    from searchkit.index.ann import open_ann
    from searchkit.index.vectors import open_vectors
    from searchkit.retrieve.dense import DensePart, DenseRetriever

    stored = EncoderOptions.from_dict(record["options"])
    wanted = replace(stored, device=options.device, trust_remote_code=options.trust_remote_code)
    encoder = open_encoder(record["name"], options=wanted)
    if encoder.fingerprint != record["fingerprint"]:
        raise ModelMismatch(
            f"{index.path} was built with another {record['name']}: its weights, tokenizer or "
            f"settings have changed. Build the index again, or bring the old model back."
        )
    parts = []
    for segment, part in index.part("vectors", encoder=record["name"]) or []:
        ann = segment.segment.part("ann", vectors=part.hash)
        parts.append(
            DensePart(
                base=segment.base,
                n_docs=segment.segment.n_docs,
                vectors=open_vectors(index.folder(part)),
                ann=open_ann(index.folder(ann)) if ann else None,
            )
        )
    return DenseRetriever(encoder, parts)


def _scorer(name: str, options: OpenOptions, index: Index, promoted: Pipeline | None) -> PairScorer:
    from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder

    fingerprint = promoted.reranker_fingerprint if promoted else ""
    cure = "Bring it back, promote another, or search without it: --reranker none."
    if fingerprint and Path(name).is_absolute() and not Path(name).is_dir():
        raise ModelError(f"{name}, which was promoted into {index.path}, is not there. {cure}")
    wanted = CrossEncoderOptions(device=options.device, trust_remote_code=options.trust_remote_code)
    scorer = open_cross_encoder(name, options=wanted)
    if fingerprint and scorer.fingerprint != fingerprint:
        raise ModelMismatch(
            f"{name} is not what was promoted into {index.path}: its weights, tokenizer or "
            f"settings have changed. {cure}"
        )
    return scorer
