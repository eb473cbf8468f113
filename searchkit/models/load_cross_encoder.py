"""A model folder -> a loaded sequence classifier with one label, and its limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from searchkit.errors import ConfigError, ModelError
from searchkit.models.foreign import loading
from searchkit.models.names import ModelSpec
from searchkit.models.quiet import quiet

_HEAD = "ForSequenceClassification"
_SHORTEST = 16  # tokens below which no pair is worth reading


def load_cross_encoder(
    folder: Path, name: str, *, device: str, trust_remote_code: bool
) -> tuple[Any, Any]:
    """Model (evaluation mode, float32) and tokenizer, without a word on the terminal."""
    loaded = open_trained(folder, name, device=device, trust_remote_code=trust_remote_code)
    return loaded.transformers_model.eval(), loaded.tokenizer


def open_trained(folder: Path, name: str, *, device: str, trust_remote_code: bool = False) -> Any:  # noqa: ANN401
    """The CrossEncoder of a folder; ModelError where its head was never trained.

    A delta always has one.
    """
    from searchkit.models.delta import is_delta

    _refuse_other_heads(folder, name)
    loaded = open_cross_encoder(folder, name, device=device, trust_remote_code=trust_remote_code)
    if not is_delta(folder):
        _refuse_untrained_heads(loaded.transformers_model, folder, name)
    return loaded


def open_cross_encoder(
    folder: Path,
    name: str,
    *,
    device: str,
    trust_remote_code: bool = False,
    n_labels: int | None = None,
) -> Any:  # noqa: ANN401
    """A sentence-transformers CrossEncoder in float32 with one label and a tokenizer that fits.

    With `n_labels` a head that the folder lacks is drawn at random: that is a model to train.
    """
    from searchkit.models.delta import is_delta, open_delta

    if is_delta(folder):
        return open_delta(folder, device=device)
    with quiet():
        import torch
        from sentence_transformers import CrossEncoder
    with loading(name):
        loaded = CrossEncoder(
            str(folder),
            device=device,
            num_labels=n_labels,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        )
    if loaded.num_labels != 1 or len(loaded) != 1:
        raise ModelError(
            f"{name} gives {loaded.num_labels} labels a pair, where a reranker gives one score. "
            "Choose a model trained with num_labels=1."
        )
    tokenizer = loaded.tokenizer
    if tokenizer is None or tokenizer.pad_token_id is None:
        raise ModelError(f"{name} has no tokenizer that can pad. Save its tokenizer beside it.")
    if len(tokenizer) > loaded.transformers_model.get_input_embeddings().num_embeddings:
        raise ModelError(
            f"the tokenizer of {name} has {len(tokenizer)} tokens, more than the model knows. "
            "Save the tokenizer that it was trained with."
        )
    return loaded


def limit_tokens(spec: ModelSpec, model: Any, tokenizer: Any, *, wanted: int | None) -> int:  # noqa: ANN401
    """Tokens the model reads of a pair; ConfigError where it cannot read as many as wanted."""
    able = min(int(tokenizer.model_max_length), n_positions(model))
    limit = wanted or min(spec.max_tokens or able, able)
    if not _SHORTEST <= limit <= able:
        raise ConfigError(f"{spec.name} reads {_SHORTEST} to {able} tokens of a pair, not {limit}.")
    return limit


def _refuse_other_heads(folder: Path, name: str) -> None:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        heads = config.get("architectures") or ["no architecture"]
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{folder / 'config.json'} cannot be read. Save the model again."
        ) from error
    if not heads[0].endswith(_HEAD):
        raise ModelError(
            f"{name} is no cross-encoder: its config.json says {heads[0]}, not ...{_HEAD}. "
            "A bi-encoder goes to --encoder."
        )


def _refuse_untrained_heads(model: Any, folder: Path, name: str) -> None:  # noqa: ANN401
    """ModelError where the files lack what turns the encoder into a scorer.

    transformers draws missing weights at random, and says so in a log only.
    """
    from safetensors import safe_open

    stored: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as file:
            stored.update(file.keys())
    body = f"{model.base_model_prefix}."
    missing = [
        weight
        for weight in model.state_dict()
        if weight not in stored and (not weight.startswith(body) or ".pooler." in weight)
    ]
    if missing:
        raise ModelError(
            f"{name} lacks the weights {', '.join(missing[:3])}, so its scores would be random. "
            "Train it as a cross-encoder first."
        )


def n_positions(model: Any) -> int:  # noqa: ANN401
    """Tokens that the position embeddings allow; some keep their first rows for padding."""
    positions = getattr(model.config, "max_position_embeddings", None)
    for name, module in model.named_modules():
        if (
            name.endswith("position_embeddings")
            and getattr(module, "padding_idx", None) is not None
        ):
            return int(module.num_embeddings) - int(module.padding_idx) - 1
    return int(positions) if positions else 1 << 30
