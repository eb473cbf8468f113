"""Flags that can change nothing -> the sentence that refuses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.search.stages import Stages

Given: TypeAlias = Mapping[str, str]  # parameters that the user wrote, by name, as flags

_MAY_BE_EMPTY = (
    *("query_prompt", "doc_prompt"),  # no prompt, where the model has one
    "query",  # which finds nothing, and is told why
)
_OF_ENCODERS = (
    *("ann", "ann_recall", "ann_memory", "passages", "dtype"),
    *("device", "query_prompt", "doc_prompt", "max_tokens", "precision"),
)
_OF_MODELS = ("device", "trust_remote_code")


def given(ctx: Any) -> Given:  # noqa: ANN401 - typer's context is not the same class in all versions
    """What stands on the command line, a default that is written out as well; no arguments."""
    return {
        option.name: max(option.opts, key=len)
        for option in ctx.command.params
        if option.param_type_name == "option" and _is_written(ctx, option.name)
    }


def refuse_repeated(written: Iterable[Any]) -> None:
    """ConfigError for an option that stands twice where the last would silently win.

    written: the parameters of a command line, each as often as it stands there.
    """
    for option, n in Counter(written).items():
        if n > 1 and option.param_type_name == "option" and not option.multiple:
            raise ConfigError(f"{max(option.opts, key=len)} stands there twice. Keep one of them.")


def refuse_empty(values: Mapping[str, Any], written: Iterable[Any]) -> None:
    """ConfigError for an option or argument whose text is blank: it cannot mean anything.

    values: what stands on the command line, by name of the parameter; written: the parameters.
    """
    for one in written:
        value = values.get(one.name)
        texts = value if isinstance(value, list | tuple) else [value]
        if one.name in _MAY_BE_EMPTY or not any(map(_is_blank, texts)):
            continue
        if one.param_type_name == "option":
            raise ConfigError(
                f"{max(one.opts, key=len)} is empty. Leave it away, or write its value."
            )
        raise ConfigError(f"{one.metavar or one.name.upper()} is empty. Write its value.")


def refuse_without_encoder(written: Given, *, lexical_only: bool) -> None:
    """ConfigError for what only vectors have, where the index gets none."""
    because = "--lexical-only builds no vectors" if lexical_only else "no encoder is named"
    cure = "Drop one of them." if lexical_only else "Name one with --encoder, or drop it."
    for name in (*_OF_ENCODERS, "trust_remote_code"):
        if name in written:
            raise ConfigError(f"{written[name]} has no effect: {because}. {cure}")


def refuse_idle(
    written: Given, stages: Stages, *, stage: str | None = None, explain: bool = False
) -> None:
    """ConfigError for a flag of a search that no stage up to the last one looks at.

    stage: the one that was asked for, or None for the last of the pipeline.
    """
    last = stages.check(stage or stages.default)
    names = stages.retrievers_of(last)
    is_reranked = last == "reranked"
    if len(names) == 1:
        alone = f"{names[0]} ranks alone, so nothing is fused. {_fusion_cure(stages, stage)}"
        _refuse(written, ["fusion"] if is_reranked else ["fusion", "depth"], alone)
    if not is_reranked:
        reranking = ["rerank_depth", "interpolation", "rerank_scale", "rerank_bound"]
        reranking += ["cascade", "budget_ms"]
        _refuse(written, reranking, _why_not_reranked(stages, last))
    elif stages.pipeline.rerank.interpolation is None:
        alone = "the reranker ranks alone. Add --interpolation SHARE, or drop it."
        _refuse(written, ["rerank_scale", "rerank_bound"], alone)
    elif stages.pipeline.rerank.scale != "raw":
        stretched = "the reranker's scores are stretched. Add --rerank-scale raw, or drop it."
        _refuse(written, ["rerank_bound"], stretched)
    if stages.scorer is not None and not is_reranked:
        _refuse(written, ["reranker"], f"stage {last} ends before it. Drop one of them.")
    if "bm25" not in names and not explain:  # which shows what BM25 gives to each term
        _refuse(written, ["bm25", "lexical"], f"BM25 has no part in stage {last}. Drop it.")
    if names == ["bm25"] and not is_reranked:
        _refuse(written, _OF_MODELS, "no model takes part, BM25 ranks alone. Drop it.")


def _refuse(written: Given, names: Iterable[str], why: str) -> None:
    for name in names:
        if name in written:
            raise ConfigError(f"{written[name]} has no effect: {why}")


def _fusion_cure(stages: Stages, stage: str | None) -> str:
    if not stages.dense:
        return "Drop it, or build the index with an encoder."
    return "Drop it, or leave --stage away." if stage else "Drop it, or add --stage fused."


def _why_not_reranked(stages: Stages, last: str) -> str:
    if stages.scorer is not None:
        return f"stage {last} ends before the reranker. Drop one of them."
    return "no reranker takes part. Name one with --reranker, or drop it."


def _is_written(ctx: Any, name: str) -> bool:  # noqa: ANN401 - as above
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _is_blank(text: object) -> bool:
    return isinstance(text, str) and not text.strip()
