"""A recipe's values -> what is wrong with them: ranges, losses, contradictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchkit.train.recipe import Recipe

# What each loss accepts in `loss_args`, by family; a family that is not named cannot use it.
LOSSES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "multiple-negatives": {
        "bi-encoder": frozenset({"scale"}),
        "cross-encoder": frozenset({"scale", "num_negatives", "activation"}),
    },
    "bce": {"cross-encoder": frozenset({"activation", "pos_weight"})},
    "margin-mse": {"bi-encoder": frozenset(), "cross-encoder": frozenset({"activation"})},
    "listwise": {"cross-encoder": frozenset({"activation", "temperature", "first_weight"})},
}
ACTIVATIONS = ("identity", "sigmoid")
_PAIRED = ("triplets", "pairs")  # shapes without a label


_RANGES: dict[str, tuple[float, float]] = {  # both ends belong to it
    "max_tokens": (8, 100_000),
    "lora": (0, 1024),
    "batch_size": (1, 1_000_000),
    "eval_batch_size": (0, 1_000_000),
    "epochs": (0.000001, 1_000_000),
    "learning_rate": (1e-12, 1.0),
    "head_learning_rate": (0.0, 1.0),
    "warmup_steps": (0, 1_000_000_000),
    "warmup_ratio": (0.0, 0.99),
    "weight_decay": (0.0, 1.0),
    "accumulate": (1, 1_000_000),
    "workers": (0, 256),
    "seed": (0, 4_294_967_295),
    "evaluate_every": (0, 1_000_000_000),
    "patience": (0, 1_000_000),
    "log_every": (1, 1_000_000_000),
    "dropout": (-1.0, 0.9),
}


def problems_of(recipe: Recipe) -> list[str]:
    """Every bad setting in a few words, none where all fit together."""
    return [*_out_of_range(recipe), *_loss_problems(recipe), *_contradictions(recipe)]


def _out_of_range(recipe: Recipe) -> list[str]:
    problems = []
    for name, (low, high) in _RANGES.items():
        value = getattr(recipe, name)
        if not low <= value <= high:
            problems.append(f"{name} must be {low} to {high}, not {value}")
    if recipe.max_steps == 0 or recipe.max_steps < -1:
        problems.append(f"max_steps must be above 0, or -1 for none, not {recipe.max_steps}")
    if list(recipe.layers) != sorted(set(recipe.layers)) or any(n < 0 for n in recipe.layers):
        problems.append(f"layers must ascend from 0 without repeats, not {list(recipe.layers)}")
    return problems


def _loss_problems(recipe: Recipe) -> list[str]:
    families = LOSSES.get(recipe.loss)
    if families is None:
        near = get_close_matches(recipe.loss, list(LOSSES), 1, cutoff=0.0)[0]
        return [f"there is no loss {recipe.loss!r}, the nearest is {near!r}"]
    if recipe.family not in families:
        return [f"a {recipe.family} cannot be trained with {recipe.loss}"]
    known = families[recipe.family]
    unknown = sorted(set(recipe.loss_args) - known)
    if unknown:
        takes = ", ".join(sorted(known)) or "nothing"
        return [f"{recipe.loss} takes {takes} in loss_args, not {', '.join(unknown)}"]
    found = [_argument_problem(key, value) for key, value in recipe.loss_args.items()]
    return [problem for problem in found if problem]


def _argument_problem(key: str, value: object) -> str:
    if key == "activation":
        fits, wanted = value in ACTIVATIONS, " or ".join(ACTIVATIONS)
    elif key == "num_negatives":
        fits, wanted = type(value) is int and value > 0, "a whole number above 0"
    else:
        fits = isinstance(value, int | float) and type(value) is not bool and 0 < value < math.inf
        wanted = "a number above 0"
    return "" if fits else f"{key} must be {wanted}, not {value!r}"


def _contradictions(recipe: Recipe) -> list[str]:
    problems = []
    if recipe.warmup_steps and recipe.warmup_ratio:
        problems.append("warmup_steps and warmup_ratio exclude each other")
    if recipe.loss == "bce" and recipe.shape in _PAIRED:
        problems.append(f"bce needs labels, which {recipe.shape} do not have")
    if recipe.patience and not recipe.evaluator:
        problems.append("patience needs an evaluator")
    if recipe.keep_best and not recipe.evaluator:
        problems.append("keep_best needs an evaluator")
    return problems
