"""The plan of a training run -> aligned lines, or one JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from searchkit.evaluate.sizes import count

if TYPE_CHECKING:
    from searchkit.train.plan import Plan
    from searchkit.train.recipe import Recipe

_SHOWN = 3  # entries of the log that are spelled out
_UNKNOWN = "unknown until the base is here"


def plan_record(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """The plan as JSON; `logged` holds step and epoch of the first entries of the log."""
    named = {"recipe": recipe.name, "family": recipe.family, "base": recipe.base}
    logged = [{"step": step, "epoch": epoch} for step, epoch in _logged(plan)]
    return {**named, **asdict(plan), "logged": logged}


def plan_rows(recipe: Recipe, plan: Plan) -> list[tuple[str, str]]:
    """What and how much, a line each."""
    accumulated = f", {plan.accumulate} batches each" if plan.accumulate > 1 else ""
    rows = [
        ("recipe", f"{recipe.name} ({recipe.family})"),
        ("base", recipe.base),
        ("rows", f"{plan.n_rows:,} in batches of {recipe.batch_size:,}"),
        ("steps an epoch", f"{plan.steps_per_epoch:,}{accumulated}"),
        ("steps", f"{plan.total_steps:,} ({plan.epoch_at(plan.total_steps):.4g} epochs)"),
        ("warm-up", _warmup(plan)),
        ("loss", plan.loss),
        ("parameters", _parameters(plan)),
        ("tokens", _tokens(recipe, plan)),
    ]
    if recipe.family == "bi-encoder":
        rows.append(("dimensions", f"{plan.dim}, {plan.pooling}" if plan.dim else _UNKNOWN))
    else:
        rows.append(("100 candidates", _flops(plan)))
    logged = ", ".join(f"{step:,} (epoch {epoch:.4f})" for step, epoch in _logged(plan))
    return [*rows, ("logged at", f"{logged}, ...")]


def _logged(plan: Plan) -> list[tuple[int, float]]:
    steps = range(plan.log_every, plan.total_steps + 1, plan.log_every)
    return [(step, round(plan.epoch_at(step), 4)) for step in steps[:_SHOWN]]


def _warmup(plan: Plan) -> str:
    short = plan.warmup_steps > plan.total_steps
    never = ", more than all: the full rate is never reached" if short else ""
    return f"{count(plan.warmup_steps, 'step')}{never}"


def _parameters(plan: Plan) -> str:
    if plan.n_parameters is None:
        return _UNKNOWN
    whole = plan.n_trainable == plan.n_parameters
    return f"{plan.n_parameters:,}" + ("" if whole else f", {plan.n_trainable:,} of them trained")


def _tokens(recipe: Recipe, plan: Plan) -> str:
    of = "text" if recipe.family == "bi-encoder" else "pair"
    cut = f"; the recipe wants {recipe.max_tokens:,}, the base reads no more"
    return f"{plan.max_tokens:,} a {of}{cut if plan.max_tokens < recipe.max_tokens else ''}"


def _flops(plan: Plan) -> str:
    if plan.flops_per_100 is None:
        return _UNKNOWN
    return f"{plan.flops_per_100 / 1e9:,.1f} GFLOP at {plan.max_tokens:,} tokens"
