"""Which pipeline an index runs when nobody says: promoted, factory, or BM25 alone, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from searchkit.errors import ConfigError
from searchkit.index.index import Index
from searchkit.models.delta import read_delta
from searchkit.models.folder import locate
from searchkit.models.names import PLAIN, ModelSpec, house, render, resolve
from searchkit.models.shatter import shattered_by
from searchkit.rerank import RerankOptions
from searchkit.search.pipeline import CASCADE_DEPTH, Cascade, Pipeline, factory

AUTO = "auto"  # the pipeline's own reranker
FACTORY_RERANKER = "house-small"

# ISO 639-1 codes of analyzers, to compare with the languages on a model's card
CODES = {
    "arabic": "ar", "armenian": "hy", "basque": "eu", "catalan": "ca", "czech": "cs",
    "danish": "da", "dutch": "nl", "dutch_porter": "nl", "english": "en", "esperanto": "eo",
    "estonian": "et", "finnish": "fi", "french": "fr", "german": "de", "greek": "el",
    "hindi": "hi", "hungarian": "hu", "indonesian": "id", "irish": "ga", "italian": "it",
    "lithuanian": "lt", "nepali": "ne", "norwegian": "no", "persian": "fa", "polish": "pl",
    "porter": "en", "portuguese": "pt", "romanian": "ro", "russian": "ru", "serbian": "sr",
    "sesotho": "st", "spanish": "es", "swedish": "sv", "tamil": "ta", "turkish": "tr",
    "yiddish": "yi",
}  # fmt: skip
_SAMPLED_DOCS = 64
SHATTERED = 0.4  # share of unknown or single-character pieces from which an encoder reads noise


def choose(index: Index) -> Pipeline:
    """The promoted pipeline, or the factory's with the models that can read this corpus."""
    if index.generation.pipeline is not None:
        return Pipeline.from_dict(index.generation.pipeline)
    able, why = [], ""
    for record in index.generation.encoders:
        reason = unfit(record, index.analyzer.name)
        if reason:
            why = reason
        else:
            able.append(record["name"])
    packaged = _packaged("fused" if able else "bm25")
    if packaged is None:
        return factory(able, left_out=why)
    if unread := unfit(_record(packaged, index), index.analyzer.name):
        return factory(able, left_out=why, unread=unread)
    options = RerankOptions(**packaged.serving.rerank)
    return factory(able, left_out=why, reranker=packaged.alias, rerank=options)


def reranked_by(pipeline: Pipeline, name: str | None) -> Pipeline:
    """The pipeline with the reranker of this name, `AUTO` for its own, None for none.

    Another than its own is read and believed as its `searchkit.json` says, where nobody has set
    anything. ModelError where there is no such model.
    """
    if name in (AUTO, pipeline.reranker):
        return pipeline
    why = pipeline.why
    pipeline = pipeline if name else replace(pipeline, cascade=None)
    if pipeline.reranker:
        instead = f"reranked by {name} instead" if name else "without its reranker"
        why = f"{why.removesuffix('.')}; {instead}, as asked."
    found, options = resolve(name, "cross-encoder") if name else None, pipeline.rerank
    if found and (pipeline.reranker or options == RerankOptions()):
        options = RerankOptions(**found.serving.rerank)
    return replace(pipeline, reranker=name, reranker_fingerprint="", rerank=options, why=why)


def cascaded_by(pipeline: Pipeline, name: str | None) -> Pipeline:
    """The pipeline with a second reranker of this name after its own; None changes nothing.

    It reads the first `CASCADE_DEPTH`, and is believed as its `searchkit.json` says. ModelError
    where there is no such model, ConfigError where nothing reranks before it.
    """
    if name is None or (pipeline.cascade is not None and pipeline.cascade.reranker == name):
        return pipeline
    if pipeline.reranker is None:
        raise ConfigError(f"{name} cannot rerank again: nothing reranks before it.")
    if name == pipeline.reranker:
        raise ConfigError(f"{name} cannot rerank again what it has reranked. Name another.")
    said = resolve(name, "cross-encoder").serving.rerank
    options = RerankOptions(**{**said, "depth": CASCADE_DEPTH})
    why = f"{pipeline.why.removesuffix('.')}; then by {name}, as asked."
    return replace(pipeline, cascade=Cascade(reranker=name, rerank=options), why=why)


def _packaged(stage: str) -> ModelSpec | None:
    """The reranker that is shipped, where it wants to follow this stage."""
    found = (spec for spec in house() if spec.alias == FACTORY_RERANKER)
    return next((spec for spec in found if stage in spec.serving.after), None)


def _record(spec: ModelSpec, index: Index) -> dict[str, Any]:
    """What `unfit` asks of a reranker: its base shatters a corpus as the encoder of its name."""
    base = read_delta(locate(spec)).base
    known = {one["name"]: one.get("shattered", 0.0) for one in index.generation.encoders}
    if base not in known:
        sample = [render(PLAIN, doc) for doc in islice(index, _SAMPLED_DOCS)]
        known[base] = shattered_by(locate(resolve(base, "bi-encoder")), sample)
    return {"name": spec.name, "languages": spec.languages, "shattered": known[base]}


def unfit(record: Mapping[str, Any], analyzer: str) -> str:
    """Why a model should not rank this corpus by default; "" where it should."""
    code, known = CODES.get(analyzer), record.get("languages") or []
    if code and known and code not in known:
        return f"{record['name']} reads {', '.join(known)} and the corpus is analysed as {analyzer}"
    shattered = record.get("shattered", 0.0)
    if shattered > SHATTERED:
        return f"{record['name']} knows {1 - shattered:.0%} of the pieces of this corpus"
    return ""
