"""A model and the pipeline of an index -> the pipeline without it, and those with it to try."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from searchkit.errors import ConfigError
from searchkit.fuse import Fusion
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.folder import locate
from searchkit.models.names import Family, aliases, resolve
from searchkit.protocols import PairScorer
from searchkit.rerank import RerankOptions
from searchkit.search.pipeline import Pipeline, factory
from searchkit.search.searcher import Searcher

STEP = 0.05  # between two weights that are tried
# Of a reranker's raw scores to the first stage's, which lie in [0, 1]: logits spread over about 10.
RAW_RATIOS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pipeline with the model. weight: of the first stage, or of the encoder in the fusion."""

    weight: float
    pipeline: Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What is compared: a pipeline without the model, and the ways to have it."""

    name: str  # what a pipeline calls the model
    family: Family
    fingerprint: str
    baseline: Pipeline
    candidates: list[Candidate]  # the most careful first
    scorers: Mapping[str, PairScorer] = field(default_factory=dict)


def contest_of(
    model: str, searcher: Searcher, *, options: CrossEncoderOptions, depth: int | None
) -> Contest:
    """The contest of a cross-encoder, or of a bi-encoder whose vectors the index has.

    ModelError where the model cannot be had, ConfigError where the index cannot search with it.
    """
    index, pipeline = searcher.index, searcher.pipeline
    family = family_of(model, searcher.encoders)
    if family == "cross-encoder":
        scorer = open_cross_encoder(model, options=options)
        advised = advice(model, pipeline.rerank, depth=depth)
        baseline, candidates = with_reranker(
            pipeline, scorer.name, scorer.fingerprint, options=advised
        )
        scorers: dict[str, PairScorer] = {scorer.name: scorer}
        name, fingerprint = scorer.name, scorer.fingerprint
    else:
        name = resolve(model, "bi-encoder").name
        held = {one["name"]: one["fingerprint"] for one in index.generation.encoders}
        if name not in held:
            raise ConfigError(
                f"{index.path} has no vectors of {model}, so it cannot search with it. Encode its "
                f"documents first: searchkit encoder add {index.path} {model}"
            )
        if depth is not None:
            raise ConfigError(f"the depth has no effect: {model} is an encoder, not a reranker.")
        fingerprint, scorers = held[name], {}
        is_factory = index.generation.pipeline is None
        baseline, candidates = with_encoder(pipeline, name, is_factory=is_factory)
    if baseline.reranker and searcher.stages.scorer is not None:
        scorers[baseline.reranker] = searcher.stages.scorer.get()
    return Contest(
        name=name,
        family=family,
        fingerprint=fingerprint,
        baseline=baseline,
        candidates=candidates,
        scorers=scorers,
    )


def advice(model: str, options: RerankOptions, *, depth: int | None) -> RerankOptions:
    """How a cross-encoder wants to be believed, where its folder says so.

    options: of the pipeline, whose depth holds where neither the user nor the model names one.
    """
    said = resolve(model, "cross-encoder").serving.rerank
    return RerankOptions(**{"depth": options.depth} | said | ({"depth": depth} if depth else {}))


def family_of(model: str, held: Sequence[str]) -> Family:
    """Which family a model is of. held: names of the encoders whose vectors the index has."""
    for spec in aliases():
        if model in (spec.alias, spec.hub):
            return spec.family
    spec = resolve(model, "cross-encoder")
    if spec.name in held:
        return "bi-encoder"
    try:
        config = json.loads((locate(spec) / "config.json").read_bytes())
        head = str((config.get("architectures") or [""])[0])
    except (OSError, ValueError, AttributeError):
        head = ""  # of modules alone: a cross-encoder has its configuration on top
    return "cross-encoder" if head.endswith("ForSequenceClassification") else "bi-encoder"


def with_reranker(
    pipeline: Pipeline, name: str, fingerprint: str, *, options: RerankOptions | None = None
) -> tuple[Pipeline, list[Candidate]]:
    """The pipeline without the cross-encoder, and with it at every weight on both scales.

    A pipeline that has another reranker is compared as it is. options: what the model advises;
    its weight is the first to be tried, its depth holds for all.
    """
    options, baseline = options or RerankOptions(), pipeline
    if pipeline.reranker == name:
        baseline = replace(pipeline, reranker=None, reranker_fingerprint="")
    bare = replace(pipeline, reranker=name, reranker_fingerprint=fingerprint)
    return baseline, [
        Candidate(one.interpolation or 0.0, replace(bare, rerank=one))
        for one in interpolations(options)
    ]


def interpolations(options: RerankOptions) -> list[RerankOptions]:
    """The options, then every weight of the first stage on both scales, the most careful first.

    A bound was measured at the weight that it came with, and holds for no other.
    """
    tried = [options] if options.interpolation is not None else []
    free = replace(options, bound=None)
    tried += [
        replace(free, interpolation=weight, scale="min-max")
        for weight in reversed([0.0, *_between()])
    ]
    tried += [
        replace(free, interpolation=round(1 / (1 + ratio), 4), scale="raw") for ratio in RAW_RATIOS
    ]
    return list(dict.fromkeys(tried))


def with_encoder(
    pipeline: Pipeline, name: str, *, is_factory: bool
) -> tuple[Pipeline, list[Candidate]]:
    """The pipeline without the encoder, and with it at every weight in the fusion.

    What the others weigh among each other stays. Where nothing was fused, the factory's way to
    fuse is tried. is_factory: nobody promoted the pipeline, so that without the encoder the
    factory's weights of the others would hold.
    """
    others = tuple(one for one in pipeline.encoders if one != name)
    fusion = pipeline.fusion if pipeline.encoders else factory([name]).fusion
    if is_factory and others:
        fusion = factory(others).fusion
    weights = {one: fusion.weights.get(one, 1.0) for one in ("bm25", *others)}
    total = sum(weights.values())
    if not total:
        raise ConfigError(f"{name} is all that weighs in this pipeline: nothing is left without.")
    # rounded, so that a pipeline with the model leads back to the same one without
    weights = {one: round(weight / total, 6) for one, weight in weights.items()}
    baseline = pipeline
    if name in pipeline.encoders:
        alone = replace(fusion, weights=weights) if others else Fusion()
        baseline = replace(pipeline, encoders=others, fusion=alone)
    return baseline, [
        Candidate(share, replace(pipeline, encoders=(*others, name), fusion=fused))
        for share in _between()
        for fused in [replace(fusion, weights=_joined(weights, name, share))]
    ]


def _joined(weights: Mapping[str, float], name: str, share: float) -> dict[str, float]:
    joined = {one: round((1 - share) * weight, 6) for one, weight in weights.items()}
    return joined | {name: share}


def _between() -> list[float]:
    """Weights above 0 and below 1, rising."""
    return [round(n * STEP, 2) for n in range(1, round(1 / STEP))]


def refuse_cascade(pipeline: Pipeline) -> None:
    """ConfigError for two rerankers: what is measured, tuned and promoted here has one."""
    if pipeline.cascade is not None:
        raise ConfigError(
            f"a cascade ({pipeline.reranker}, then {pipeline.cascade.reranker}) cannot be tuned, "
            "benched or promoted. Compare its run with another by searchkit eval."
        )
