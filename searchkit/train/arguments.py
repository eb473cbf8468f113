"""A recipe and its plan -> the arguments of the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from searchkit.train.evaluators import best_metric
from searchkit.train.plan import Plan
from searchkit.train.recipe import Recipe

_HEAD = r"(^|\.)(pooler|classifier)\."  # of a sequence classifier, by parameter name
_KEPT = 2  # checkpoints: the newest and the best, or the one before


def arguments(
    recipe: Recipe, plan: Plan, home: Path, *, device: str, evaluates: bool
) -> dict[str, Any]:
    """What both trainers' argument classes take.

    Everything goes by steps, none by epochs: at the end of an epoch that Ctrl-C cut short, an
    evaluation would count that an uninterrupted run does not have. Steps of warm-up come from the
    plan, as whole steps: the trainer's own class deprecates a ratio.
    """
    every = recipe.evaluate_every or plan.steps_per_epoch
    precision = precision_of(recipe, device)
    return {
        "output_dir": str(home),
        "per_device_train_batch_size": recipe.batch_size,
        "per_device_eval_batch_size": recipe.eval_batch_size or recipe.batch_size,
        "num_train_epochs": recipe.epochs,
        "max_steps": recipe.max_steps,
        "learning_rate": recipe.learning_rate,
        "learning_rate_mapping": {_HEAD: head} if (head := recipe.head_learning_rate) else None,
        "warmup_steps": plan.warmup_steps,
        "weight_decay": recipe.weight_decay,
        "lr_scheduler_type": recipe.scheduler,
        "optim": recipe.optimizer,
        "gradient_accumulation_steps": recipe.accumulate,
        "batch_sampler": recipe.sampler.replace("-", "_").replace("batch", "batch_sampler"),
        "seed": recipe.seed,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "use_cpu": device == "cpu",
        "dataloader_num_workers": recipe.workers,
        "dataloader_pin_memory": device == "cuda",
        "ignore_data_skip": recipe.ignore_data_skip,
        "restore_callback_states_from_checkpoint": True,  # else patience starts anew on resume
        "logging_strategy": "steps",
        "logging_steps": plan.log_every,
        "logging_nan_inf_filter": False,  # it would hide a loss that is no number
        "eval_strategy": "steps" if evaluates else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": _KEPT,
        "load_best_model_at_end": recipe.keep_best,
        "metric_for_best_model": best_metric(recipe) if recipe.evaluator else None,
        "greater_is_better": recipe.best_metric not in ("loss", "eval_loss"),
        "report_to": "none",
        "disable_tqdm": True,
    }


def precision_of(recipe: Recipe, device: str) -> str:
    """fp32, fp16 or bf16. On a CPU always fp32: the halves are slower there."""
    if device == "cpu":
        return "fp32"
    if recipe.precision != "auto":
        return recipe.precision
    import torch

    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
