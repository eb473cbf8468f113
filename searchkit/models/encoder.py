"""A name -> a loaded bi-encoder: texts to unit-length vectors, through sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from searchkit.errors import ConfigError
from searchkit.models.card import card_languages
from searchkit.models.device import Device, pick_device
from searchkit.models.fingerprint import fingerprint
from searchkit.models.folder import locate
from searchkit.models.load import (
    doc_prompt,
    limit_tokens,
    load_model,
    pooling_of,
)
from searchkit.models.names import ModelSpec, resolve
from searchkit.models.onnx_export import export_encoder
from searchkit.models.packed import Row
from searchkit.models.reader import Reader
from searchkit.models.sentence_encoder import Recipe, SentenceEncoder, unit, with_prompt
from searchkit.models.served import (
    Backend,
    Served,
    find_served,
    keep_served,
    served_key,
    tell_first,
)

if TYPE_CHECKING:
    from searchkit.models.packed_model import PackedModel

Precision: TypeAlias = Literal["float32", "int8"]

# What an export must encode as torch does: short, empty, odd and longer than most limits.
_PROBES = [
    "how far away are the galaxies",
    " Vitamin D3, bone-density  (RCT)\n",
    "",
    "naïve Bayes для 星系 \u200b x²",
    "dust and stars in a cluster " * 120,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """What a user may change about an encoder; None keeps what the model brings."""

    device: Device = "auto"
    query_prompt: str | None = None
    doc_prompt: str | None = None
    max_tokens: int | None = None
    template: str | None = None
    precision: Precision = "float32"  # of documents; queries are always read in float32
    trust_remote_code: bool = False
    revision: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON that `from_dict` reads back; float32 goes without saying, as it always did."""
        values = asdict(self)
        if self.precision == "float32":
            del values["precision"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EncoderOptions:
        return cls(**values)


def open_encoder(
    name: str, *, options: EncoderOptions | None = None, backend: Backend = "torch"
) -> SentenceEncoder:
    """The encoder behind an alias, a folder or a hub name. Costs seconds: imports and weights.

    With the backend "auto" a model on the processor is exported to ONNX once: afterwards it opens
    in a fraction of a second and encodes queries by that; torch is loaded when documents come.
    ModelError where it cannot be had, loaded or run.
    """
    options = options or EncoderOptions()
    spec = resolve(name, "bi-encoder")
    folder = locate(spec, revision=options.revision)
    device = _device(options, spec.name)
    if backend == "torch" or device != "cpu" or options.trust_remote_code:
        return _load(spec, folder, options, device)
    settings = {**options.to_dict(), "device": None, "name": name}
    key = served_key([folder], settings)
    found = find_served(key, _probe_rows)
    if found is None:
        tell_first(spec.name)
        encoder = _load(spec, folder, options, device)
        found = _keep(encoder, key)
        return replace(encoder, onnx=found.onnx) if found else encoder
    return _serve(found, spec, folder, options)


def _load(
    spec: ModelSpec, folder: Path, options: EncoderOptions, device: Literal["cpu", "cuda"]
) -> SentenceEncoder:
    """The encoder by torch, tried once."""
    model = load_model(folder, spec, device=device, trust_remote_code=options.trust_remote_code)
    recipe = Recipe(
        template=_given(options.template, spec.template),
        query_prompt=_given(options.query_prompt, model.prompts.get("query") or ""),
        doc_prompt=_given(options.doc_prompt, doc_prompt(model)),
        max_tokens=limit_tokens(model, spec, options.max_tokens),
        pooling=pooling_of(model),
        precision=options.precision,
    )
    probe = with_prompt(model.encode_query, recipe.query_prompt)(["probe"])
    encoder = SentenceEncoder(
        lambda: model,
        Reader.of(model.tokenizer),
        recipe,
        name=spec.name,
        dim=probe.shape[1],
        fingerprint=fingerprint(folder, asdict(recipe)),
        device=device,
        languages=spec.languages or card_languages(folder),
    )
    unit([probe], encoder)  # weights that give no vector are refused before hours of work
    return _with_int8(encoder)


def _with_int8(encoder: SentenceEncoder) -> SentenceEncoder:
    """The encoder with what encodes documents in the precision of its recipe."""
    if encoder.recipe.precision == "float32":
        return encoder

    @cache
    def packed() -> PackedModel:
        from searchkit.models.int8 import check_near, outputs, pack_int8

        model = encoder.model
        found = pack_int8(model, max_tokens=encoder.max_tokens)
        encode = with_prompt(model.encode_document, "")
        texts = [text for text in _PROBES if text]
        rows = [encoder.reader.ids(text, encoder.max_tokens) for text in texts]
        exact = np.concatenate([encode([text]) for text in texts])
        check_near(encoder.name, outputs(found, rows, n_threads=1), exact)
        return found

    return replace(encoder, int8=packed)


def _device(options: EncoderOptions, name: str) -> Literal["cpu", "cuda"]:
    if options.precision not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise ConfigError(f"there is no precision {options.precision!r}. Choose of {known}.")
    if options.precision == "float32":
        return pick_device(options.device)
    if options.device == "cuda":
        raise ConfigError(f"{name} in int8 runs on the processor. Drop --device cuda, or int8.")
    return "cpu"


def _keep(encoder: SentenceEncoder, key: str) -> Served | None:
    """Export an encoder, with all that opening it again needs."""
    has_types = "token_type_ids" in encoder.model.tokenizer.model_input_names
    encode = with_prompt(encoder.model.encode_query, encoder.recipe.query_prompt)
    return keep_served(
        key,
        encoder.reader,
        {"recipe": asdict(encoder.recipe), "dim": encoder.dim},
        export=lambda out: export_encoder(encoder.model, out, has_types=has_types),
        probes=_probe_rows,
        expected=np.concatenate([encode([text]) for text in _PROBES]),
    )


def _serve(
    found: Served, spec: ModelSpec, folder: Path, options: EncoderOptions
) -> SentenceEncoder:
    """The encoder by an export; torch loads the model when documents come."""
    recipe = Recipe(**found.facts["recipe"])
    served = SentenceEncoder(
        cache(lambda: _load(spec, folder, options, "cpu").model),
        found.reader,
        recipe,
        name=spec.name,
        dim=found.facts["dim"],
        fingerprint=fingerprint(folder, asdict(recipe)),
        device="cpu",
        languages=spec.languages or card_languages(folder),
        onnx=found.onnx,
    )
    return _with_int8(served)


def _probe_rows(reader: Reader, facts: Mapping[str, Any]) -> list[Row]:
    recipe = Recipe(**facts["recipe"])
    return [reader.ids(recipe.query_prompt + text, recipe.max_tokens) for text in _PROBES]


def _given(wanted: str | None, own: str) -> str:
    return own if wanted is None else wanted
