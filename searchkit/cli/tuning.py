"""Settings as the user writes them (`k1=0.9,b=0.4`) -> the pipeline with these settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from searchkit.errors import ConfigError
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.search.pipeline import Pipeline

_BM25 = tuple(field.name for field in fields(BM25Params))
_FUSION = ("kind", "k0", "normaliser")
_RERANK = {
    "rerank_depth": "depth",
    "interpolation": "interpolation",
    "rerank_scale": "scale",
    "rerank_bound": "bound",
}
_WORDS = ("variant", "kind", "normaliser", "rerank_scale")  # whose values are no numbers
_OWN = ", with your own settings."
_WHOLE = ("depth", "rerank_depth")
_NOT_RANK_BM25 = ("variant", "delta", "title_weight", "text_weight")  # it has k1 and b alone
_HAVE_DELTA = ("l", "plus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a call changes about the pipeline of an index; the empty and None change nothing."""

    bm25: str = ""
    fusion: str = ""
    depth: int | None = None
    rerank_depth: int | None = None
    interpolation: float | None = None
    rerank_scale: str | None = None
    rerank_bound: float | None = None

    def __bool__(self) -> bool:
        return self != Changes()

    def refuse_idle(self, *, stage: str | None, lexical: str) -> None:
        """ConfigError for settings that nothing looks at in this stage or with this BM25."""
        for key, _ in parse_pairs(self.bm25, "--bm25"):
            if lexical == "rank-bm25" and key in _NOT_RANK_BM25:
                raise ConfigError(
                    f"--bm25: {key} has no effect with --lexical rank-bm25, which has k1 and b "
                    "alone. Drop one of them."
                )
        for key, _ in parse_pairs(self.fusion, "--fusion"):
            if stage == "dense" and key not in _FUSION:
                raise ConfigError(
                    f"--fusion: the weight of {key} has no effect: stage dense fuses encoders "
                    "alike. Drop it, or leave --stage away."
                )

    def apply(self, pipeline: Pipeline, encoders: Sequence[str]) -> Pipeline:
        """The pipeline with the changes. encoders: those whose vectors the index holds."""
        settings = [(key, value, _BM25) for key, value in parse_pairs(self.bm25, "--bm25")]
        fusion = parse_pairs(self.fusion, "--fusion")
        settings += [(key, value, (*_FUSION, "bm25", *encoders)) for key, value in fusion]
        for name in ("depth", *_RERANK):
            if getattr(self, name) is not None:
                settings.append((name, str(getattr(self, name)), (name,)))
        return change(pipeline, settings, encoders)


def set_one(pipeline: Pipeline, pair: str, encoders: Sequence[str]) -> Pipeline:
    """The pipeline with one setting, such as `k1=0.9`."""
    known = setting_names(encoders)
    pairs = [(key, value, known) for key, value in parse_pairs(pair, ":set")]
    if not pairs:
        raise ConfigError(f":set needs KEY=VALUE. Keys: {', '.join(known)}.")
    changed = change(pipeline, pairs, encoders)
    for key, _, _ in pairs:
        if key in _RERANK and pipeline.reranker is None:
            raise ConfigError(
                f"{key} has no effect: no reranker is loaded. Start with --reranker MODEL."
            )
        if key == "rerank_bound" and changed.rerank.scale != "raw":
            raise ConfigError(f"{key} has no effect: it is for raw scores. :set rerank_scale=raw")
        if key == "rerank_scale" and changed.rerank.interpolation is None:
            raise ConfigError(
                f"{key} has no effect: nothing is mixed in. :set interpolation=0.5 first."
            )
        if key in (*_FUSION, "bm25") and not encoders:
            raise ConfigError(f"{key} has no effect: the index holds no vectors to be fused.")
    return changed


def setting_names(encoders: Sequence[str]) -> tuple[str, ...]:
    return (*_BM25, "depth", *_FUSION, "bm25", *encoders, *_RERANK)


def parse_pairs(text: str, where: str) -> list[tuple[str, str]]:
    """Key and value of `key=value,key=value`; ConfigError for what is not written so."""
    pairs: dict[str, str] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        key, sign, value = piece.partition("=")
        if not (sign and key.strip() and value.strip()):
            raise ConfigError(f"{where}: {piece!r} is not written like k1=0.9.")
        if key.strip() in pairs:
            raise ConfigError(f"{where}: {key.strip()} is written twice. Keep one of them.")
        pairs[key.strip()] = value.strip()
    if text and not pairs:
        raise ConfigError(f"{where}: {text!r} is not written like k1=0.9.")
    return list(pairs.items())


def change(
    pipeline: Pipeline, settings: Iterable[tuple[str, str, Sequence[str]]], encoders: Sequence[str]
) -> Pipeline:
    """The pipeline after settings of the form (key, value, keys that would be known here)."""
    groups: dict[str, dict[str, Any]] = {"bm25": {}, "fusion": {}, "rerank": {}, "pipeline": {}}
    weights: dict[str, float] = {}
    for key, value, known in settings:
        if key not in known:
            near = get_close_matches(key, known, 1, cutoff=0.0)[0]
            raise ConfigError(f"there is no setting {key!r} here. Did you mean {near!r}?")
        if key in ("bm25", *encoders):
            weights[key] = _number(key, value)
        else:
            group, name = _place(key)
            groups[group][name] = value if key in _WORDS else _number(key, value)
    if weights:
        groups["fusion"]["weights"] = weights = _all_weights(pipeline, weights)
        groups["pipeline"]["encoders"] = tuple(name for name in weights if name != "bm25")
    changed = replace(
        pipeline,
        bm25=replace(pipeline.bm25, **groups["bm25"]),
        fusion=replace(pipeline.fusion, **groups["fusion"]),
        rerank=replace(pipeline.rerank, **groups["rerank"]),
        why=pipeline.why.removesuffix(_OWN).rstrip(".") + _OWN,
        **groups["pipeline"],
    )
    _refuse_unread(changed, {**groups["bm25"], **groups["fusion"]})
    return changed


def _refuse_unread(pipeline: Pipeline, settings: Iterable[str]) -> None:
    """ConfigError for a setting of a formula that is not the one in force."""
    variant, kind = pipeline.bm25.variant, pipeline.fusion.kind
    if "delta" in settings and variant not in _HAVE_DELTA:
        raise ConfigError(
            f"delta has no effect: the variant is {variant}. Drop it, or add variant=l or plus."
        )
    for key, owner in (("k0", "rrf"), ("normaliser", "convex")):
        if key in settings and kind != owner:
            raise ConfigError(
                f"{key} has no effect: the fusion is {kind}. Drop it, or add kind={owner}."
            )


def _place(key: str) -> tuple[str, str]:
    if key in _BM25:
        return "bm25", key
    if key in _FUSION:
        return "fusion", key
    return ("rerank", _RERANK[key]) if key in _RERANK else ("pipeline", key)


def _all_weights(pipeline: Pipeline, weights: dict[str, float]) -> dict[str, float]:
    """Weights with those that the pipeline has already; each retriever needs one."""
    held = {name: pipeline.fusion.weights.get(name) for name in ("bm25", *pipeline.encoders)}
    merged = {**held, **weights}
    missing = [name for name, weight in merged.items() if weight is None]
    if missing:
        raise ConfigError(f"fusion: {missing[0]} has no weight. Give it one: {missing[0]}=0.5.")
    return {name: weight for name, weight in merged.items() if weight is not None}


def _number(key: str, text: str) -> int | float:
    whole = key in _WHOLE
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{key} must be {kind}, not {text!r}.") from None
