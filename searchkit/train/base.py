"""A recipe's base model -> a sentence-transformers model that is ready to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from searchkit.errors import ConfigError, ModelError
from searchkit.models.folder import locate
from searchkit.models.load import load_model
from searchkit.models.load_cross_encoder import n_positions, open_cross_encoder
from searchkit.models.names import ModelSpec, aliases, available, resolve
from searchkit.train.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# A SentenceTransformer or a CrossEncoder; their stubs allow None where a loaded model has none.
Trainable: TypeAlias = Any


def open_base(recipe: Recipe, *, device: str = "cpu", fetch: bool = True) -> Trainable:
    """The base in float32, cut to `layers`, limited to `max_tokens`, with its adapter.

    A base without modules of its own is pooled as the recipe says; a base without a head for
    scoring, such as a bi-encoder, gets one drawn from the recipe's seed. A base that reads fewer
    tokens than the recipe wants keeps its own limit: `max_seq_length` says it.
    ModelError where the base is not on this machine and not to be fetched or had, ConfigError
    where it lacks a layer.
    """
    spec, folder = find_base(recipe, fetch=fetch)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model: Trainable
        if recipe.family == "bi-encoder":
            pooled = replace(spec, pooling=recipe.pooling)
            model = load_model(folder, pooled, device=device, trust_remote_code=False)
        else:
            model = open_cross_encoder(folder, spec.name, device=device, n_labels=1)
        if recipe.layers:
            keep_layers(model.transformers_model, recipe.layers, name=spec.name)
        model.max_seq_length = min(recipe.max_tokens, n_positions(model.transformers_model))
        _adjust(model.transformers_model, recipe)
        if recipe.lora:
            from searchkit.train.lora import add_lora

            add_lora(model.transformers_model, recipe.lora, name=spec.name)
    return model


def find_base(recipe: Recipe, *, fetch: bool = True) -> tuple[ModelSpec, Path]:
    """The base and its folder, downloaded where it is not here and `fetch` and the user allow it.

    ModelError where it cannot be had.
    """
    spec = _spec(recipe)
    if not fetch and available(spec) == "needs a download":
        raise ModelError(
            f"{recipe.base} is not on this machine, and only training would fetch it. "
            "Give the folder or the alias of another with --base."
        )
    return spec, locate(spec)


def keep_layers(model: PreTrainedModel, kept: Sequence[int], *, name: str) -> None:
    """Drop, in place, every layer of the encoder that is not among `kept` (0: the first)."""
    from torch.nn import ModuleList

    n_layers = int(model.config.num_hidden_layers)
    if kept[-1] >= n_layers:
        raise ConfigError(
            f"{name} has the layers 0 to {n_layers - 1}, so layer {kept[-1]} cannot be kept."
        )
    stacks = [
        (parent, attribute, child)
        for parent in model.modules()
        for attribute, child in parent.named_children()
        if isinstance(child, ModuleList) and len(child) == n_layers
    ]
    if len(stacks) != 1:
        raise ModelError(f"the layers of {name} cannot be told apart. Leave layers out.")
    parent, attribute, stack = stacks[0]
    setattr(parent, attribute, ModuleList(stack[n] for n in kept))
    model.config.num_hidden_layers = len(kept)
    if types := getattr(model.config, "layer_types", None):
        model.config.layer_types = [types[n] for n in kept]


def _adjust(model: PreTrainedModel, recipe: Recipe) -> None:
    """Dropout and frozen embeddings, in place."""
    if recipe.dropout >= 0:
        from torch.nn import Dropout

        for module in model.modules():
            if isinstance(module, Dropout):
                module.p = recipe.dropout
    if recipe.frozen_embeddings:
        for path, parameter in model.named_parameters():
            if ".embeddings." in f".{path}":
                parameter.requires_grad_(False)


def n_parameters(model: Trainable, *, trainable: bool = False) -> int:
    """Weights in the model, or only those that training moves."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def _spec(recipe: Recipe) -> ModelSpec:
    if recipe.family == "cross-encoder":  # any encoder can be trained into one
        for spec in aliases():
            if recipe.base in (spec.alias, spec.hub):
                return spec
    return resolve(recipe.base, recipe.family)
