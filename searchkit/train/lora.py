"""A transformer <-> the same with low-rank adapters beside its frozen weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchkit.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def add_lora(model: PreTrainedModel, rank: int, *, name: str) -> None:
    """Put adapters of this rank beside the attention weights, in place, and freeze the encoder.

    What comes after the layers (pooler, head) stays trainable: a fresh head has nothing to adapt.
    The adapters are part of the model's own state, so checkpoints are whole; `merge_lora` before
    the model is handed out. alpha is twice the rank.
    Source: Hu et al., ICLR 2022, arXiv 2106.09685; on query and value, as there.
    """
    from peft import LoraConfig, inject_adapter_in_model

    body = f"{model.base_model_prefix}."
    head = [
        parameter
        for path, parameter in model.named_parameters()
        if (path.startswith(body) and ".pooler." in path)
        or (hasattr(model, model.base_model_prefix) and not path.startswith(body))
    ]
    try:
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0), model)
    except ValueError as error:
        raise ModelError(
            f"{name} takes no adapter ({type(model).__name__}). Train it whole: leave lora out."
        ) from error
    for parameter in head:
        parameter.requires_grad_(True)


def merge_lora(model: PreTrainedModel) -> None:
    """Fold the adapters into the weights, in place: a plain model that gives the same output."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    parts = list(model.named_modules())
    for path, layer in parts:
        if not isinstance(layer, BaseTunerLayer):
            continue
        layer.merge()
        model.set_submodule(path, layer.get_base_layer())
    for attribute in ("peft_config", "peft_type"):
        if hasattr(model, attribute):
            delattr(model, attribute)
    model.requires_grad_(True)
