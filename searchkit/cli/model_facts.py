"""One model -> all that a user wants to know before using it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from searchkit.models.names import ModelSpec, available

_CANDIDATES = 100


def show(spec: ModelSpec, *, as_json: bool) -> None:
    """Print every fact about one model, a line each; what is not known is left out."""
    from searchkit.cli.lines import as_json as spell

    facts = {key: value for key, value in facts_of(spec).items() if value not in (None, "", [], {})}
    if as_json:
        typer.echo(spell(facts))
        return
    from searchkit.cli.screen import Screen

    screen = Screen()
    for name, value in facts.items():
        screen.write((f"{name.replace('_', ' '):<15}", "bold"), _spell(name, value))


def facts_of(spec: ModelSpec) -> dict[str, Any]:
    """What is known of a model. One that is not on this machine is not fetched for it."""
    where = available(spec)
    facts: dict[str, Any] = {
        "name": spec.name,
        "family": spec.family,
        "where": where,
        "from": spec.hub or spec.package or ("searchkit" if spec.alias else None),
        "licence": spec.license,
        "languages": list(spec.languages),
        "tokens": spec.max_tokens,
        "reads": spec.template,
        "window": spec.window if spec.family == "cross-encoder" else None,
        "rerank": spec.serving.rerank,
        "note": spec.note,
    }
    return facts if where == "needs a download" else facts | _measured(spec)


def _measured(spec: ModelSpec) -> dict[str, Any]:
    """Facts that only the files of the model tell."""
    from searchkit.models.card import card_datasets, card_languages, card_license
    from searchkit.models.delta import is_delta, read_delta
    from searchkit.models.fingerprint import shaping_files
    from searchkit.models.folder import locate

    folder = locate(spec)
    facts: dict[str, Any] = {
        "licence": spec.license or card_license(folder),
        "languages": list(spec.languages or card_languages(folder)),
        "trained_on": list(card_datasets(folder)),
        "base": read_delta(folder).base if is_delta(folder) else None,
        "bytes": sum(path.stat().st_size for path in shaping_files(folder)),
    }
    return facts | (_encoder(spec) if spec.family == "bi-encoder" else _reranker(spec, folder))


def _encoder(spec: ModelSpec) -> dict[str, Any]:
    from searchkit.models.encoder import open_encoder
    from searchkit.train.base import n_parameters

    encoder = open_encoder(spec.name)
    parameters = n_parameters(encoder.model)
    return {"tokens": encoder.max_tokens, "dimensions": encoder.dim, "parameters": parameters}


def _reranker(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    from searchkit.models.load_cross_encoder import limit_tokens, open_trained
    from searchkit.train.base import n_parameters
    from searchkit.train.plan import flops

    model = open_trained(folder, spec.name, device="cpu")
    n_tokens = limit_tokens(spec, model.transformers_model, model.tokenizer, wanted=None)
    return {
        "tokens": n_tokens,
        "parameters": n_parameters(model),
        "gflop_per_100": round(_CANDIDATES * flops(model, n_tokens) / 1e9, 1),
    }


def _spell(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a fact is
    from searchkit.evaluate.sizes import spell_bytes

    if name == "bytes":
        return spell_bytes(value)
    if name == "rerank":
        number = "{} {:.3g}".format
        return ", ".join(
            number(key, found) if isinstance(found, float) else f"{key} {found}"
            for key, found in value.items()
        )
    if name == "gflop_per_100":
        return f"{value} (to score 100 candidates of full length)"
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
