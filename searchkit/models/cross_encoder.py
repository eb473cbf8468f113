"""A name -> a loaded cross-encoder: query and passages to relevance scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from searchkit.errors import ModelError
from searchkit.models.card import card_languages
from searchkit.models.device import Device, pick_device
from searchkit.models.folder import locate
from searchkit.models.half import check_parity, check_precision, pack_scorer
from searchkit.models.load_cross_encoder import limit_tokens, load_cross_encoder
from searchkit.models.names import ModelSpec, render, resolve
from searchkit.models.onnx_export import export_cross_encoder
from searchkit.models.packed_bert import Precision
from searchkit.models.pair_scorer import CrossEncoderScorer, Pair
from searchkit.models.pair_tokens import PairFrame, whole_tokens
from searchkit.models.reader import Reader
from searchkit.models.served import (
    Backend,
    Served,
    find_served,
    keep_served,
    served_key,
    tell_first,
)
from searchkit.models.serving import Window
from searchkit.types import Doc

_TOLERANCE = 1e-5  # of a score of 1; larger scores may differ in proportion
_PROBE_QUERY = "how far away are the galaxies"
_PROBE_WORDS = "stars in a dense cluster move fast and 42 drift".split()
_PROBE_PASSAGES = [" ".join(_PROBE_WORDS[:n]) for n in range(1, 9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEncoderOptions:
    """What a user may change about a cross-encoder; None keeps what the model brings."""

    device: Device = "auto"
    max_tokens: int | None = None
    template: str | None = None
    window: Window | None = None
    precision: Precision = "float32"  # bfloat16 and float16: on CUDA, without padding
    trust_remote_code: bool = False
    revision: str | None = None


def open_cross_encoder(
    name: str, *, options: CrossEncoderOptions | None = None, backend: Backend = "torch"
) -> CrossEncoderScorer:
    """The cross-encoder behind an alias, a folder or a hub name. Costs seconds.

    With the backend "auto" a model on the processor is exported to ONNX once, and opened from
    that in a fraction of a second afterwards.

    ConfigError where the precision cannot be served here; ModelError, in a sentence, where it
    cannot be had or loaded, has another head than one label, or scores a pair differently among
    other pairs.
    """
    options = options or CrossEncoderOptions()
    spec = resolve(name, "cross-encoder")
    template = options.template or spec.template
    render(template, Doc("", "title", "text"))  # a wrong template is refused before the long work
    folder = locate(spec, revision=options.revision)
    device = pick_device(options.device)
    check_precision(options.precision, device)
    can_export = device == "cpu" and options.precision == "float32"
    if backend == "torch" or not can_export or options.trust_remote_code:
        return _checked(_load(spec, folder, options, device), options.precision)
    key = served_key([folder, *_bases(folder)], {"max_tokens": options.max_tokens, "name": name})
    found = find_served(key, _probe_rows)
    if found is None:
        tell_first(spec.name)
        scorer = _checked(_load(spec, folder, options, device), options.precision)
        found = _keep(scorer, key)
        if found is None:
            return scorer
    return _serve(found, spec, folder, options)


def _load(
    spec: ModelSpec, folder: Path, options: CrossEncoderOptions, device: Literal["cpu", "cuda"]
) -> CrossEncoderScorer:
    """The scorer by torch."""
    model, tokenizer = load_cross_encoder(
        folder, spec.name, device=device, trust_remote_code=options.trust_remote_code
    )
    frame = PairFrame.of(tokenizer, spec.name)
    return CrossEncoderScorer(
        model=model,
        tokenizer=Reader.of(tokenizer),
        pad_id=tokenizer.pad_token_id,
        has_types="token_type_ids" in tokenizer.model_input_names,
        frame=frame,
        name=spec.name,
        folder=folder,
        max_tokens=limit_tokens(spec, model, tokenizer, wanted=options.max_tokens),
        template=options.template or spec.template,
        window=options.window or spec.window,
        device=device,
        languages=spec.languages or card_languages(folder),
    )


def _checked(scorer: CrossEncoderScorer, precision: Precision) -> CrossEncoderScorer:
    if precision != "float32":
        scorer = in_precision(scorer, precision)
    check_independence(scorer)
    return scorer


def _keep(scorer: CrossEncoderScorer, key: str) -> Served | None:
    """Export a scorer, with all that opening it again needs."""
    facts = {
        "frame": asdict(scorer.frame),
        "max_tokens": scorer.max_tokens,
        "pad_id": scorer.pad_id,
        "has_types": scorer.has_types,
    }
    probes = _probe_rows(scorer.tokenizer, facts)
    return keep_served(
        key,
        scorer.tokenizer,
        facts,
        export=lambda out: export_cross_encoder(scorer.model, out, has_types=scorer.has_types),
        probes=_probe_rows,
        expected=np.stack([scorer.logits([pair]) for pair in probes]),
    )


def _serve(
    found: Served, spec: ModelSpec, folder: Path, options: CrossEncoderOptions
) -> CrossEncoderScorer:
    """The scorer by an export."""
    facts = found.facts
    return CrossEncoderScorer(
        model=None,
        packed=found.onnx,
        tokenizer=found.reader,
        pad_id=facts["pad_id"],
        has_types=facts["has_types"],
        frame=_frame(facts),
        name=spec.name,
        folder=folder,
        max_tokens=facts["max_tokens"],
        template=options.template or spec.template,
        window=options.window or spec.window,
        device="cpu",
        languages=spec.languages or card_languages(folder),
    )


def _probe_rows(reader: Reader, facts: Mapping[str, Any]) -> list[Pair]:
    frame = _frame(facts)
    asked, *read = whole_tokens(reader.backend_tokenizer, [_PROBE_QUERY, *_PROBE_PASSAGES])
    return [frame.join(asked, passage, facts["max_tokens"]) for passage in read]


def _frame(facts: Mapping[str, Any]) -> PairFrame:
    return PairFrame(**{name: tuple(ids) for name, ids in facts["frame"].items()})


def _bases(folder: Path) -> list[Path]:
    """Where a delta takes the rest of its weights from."""
    from searchkit.models.delta import is_delta, read_delta

    return [locate(resolve(read_delta(folder).base, "bi-encoder"))] if is_delta(folder) else []


def in_precision(scorer: CrossEncoderScorer, precision: Precision) -> CrossEncoderScorer:
    """The scorer in a precision, packed. ModelError where its scores are not float32's, about."""
    packed = pack_scorer(scorer.model, precision, longest=scorer.max_tokens)
    half, pairs = replace(scorer, precision=precision, packed=packed), _probes(scorer)
    found, exact = half.logits(pairs), scorer.logits(pairs)
    check_parity(scorer.name, precision, found=found, exact=exact)
    return half


def check_independence(scorer: CrossEncoderScorer) -> None:
    """ModelError unless pairs of unlike length score alike alone, together and in another order."""
    pairs = _probes(scorer)
    together = scorer.logits(pairs)
    alone = np.concatenate([scorer.logits([pair]) for pair in pairs])
    turned = scorer.logits(pairs[::-1])[::-1]
    gap = np.maximum(np.abs(alone - together), np.abs(turned - together))
    if not (gap <= _TOLERANCE * np.maximum(1, np.abs(together))).all():
        raise ModelError(
            f"{scorer.name} scores a pair differently among other pairs (by {gap.max():.1g}), "
            "so its rankings would depend on the batch. Choose another model or export."
        )


def _probes(scorer: CrossEncoderScorer) -> list[Pair]:
    return scorer.pairs(_PROBE_QUERY, _PROBE_PASSAGES)
