"""What `searchkit.build` does: names -> encoders -> an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from searchkit.corpus.read import Corpus, ReadLedger, ReadOptions, read_corpus
from searchkit.index.ann_choice import DEFAULT, AnnConfig
from searchkit.index.build import BuildConfig, Watch, build_index
from searchkit.index.collect import PLAIN, CommitOptions
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import Generation
from searchkit.index.vectors import VectorConfig
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.search.assembly import Lexical, OpenOptions
from searchkit.search.opening import open_searcher

__all__ = ["IndexOptions", "Lexical", "OpenOptions", "build", "open_searcher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """Everything about an index that is not its corpus, its place and its encoders."""

    analyzer: str = "english"
    vectors: VectorConfig = field(default_factory=VectorConfig)
    encoder: EncoderOptions = field(default_factory=EncoderOptions)  # for each encoder
    ann: AnnConfig = DEFAULT
    read: ReadOptions = field(default_factory=ReadOptions)
    replace: bool = False
    commit: CommitOptions = PLAIN


def build(
    corpus: Corpus,
    *,
    out: str | Path,
    encoders: Sequence[str] = ("minilm",),
    options: IndexOptions | None = None,
    ledger: ReadLedger | None = None,
    n_docs: int = 0,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Build an index from a corpus: files, BEIR folders, "-" for stdin, hf:NAME, or Docs.

    The same as `searchkit index`; Docs are checked as `read_corpus` does. Returns what was
    committed; `open` searches it.
    """
    options, ledger = options or IndexOptions(), ledger or ReadLedger()
    dense = [_dense(name, options) for name in dict.fromkeys(encoders)]
    config = BuildConfig(
        analyzer=options.analyzer, dense=dense, ann=options.ann, replace=options.replace
    )
    config = replace(config, commit=options.commit)
    docs = read_corpus(corpus, options.read, ledger=ledger)
    return build_index(
        Path(out),
        docs,
        config,
        n_docs=n_docs,
        ledger=lambda: _counts(ledger, options.read),
        watch=watch,
    )


def _counts(ledger: ReadLedger, read: ReadOptions) -> dict[str, Any]:
    counts: dict[str, Any] = {"read": ledger.counts()}
    return {**counts, "columns": dict(read.columns)} if read.columns else counts


def _dense(name: str, options: IndexOptions) -> DenseChoice:
    encoder = open_encoder(name, options=options.encoder)
    return DenseChoice(encoder, options.vectors, options.encoder.to_dict())
