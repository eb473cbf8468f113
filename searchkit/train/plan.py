"""A recipe and a number of rows -> the arithmetic of its training run, before it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from searchkit.train.recipe import Recipe

if TYPE_CHECKING:
    from searchkit.train.base import Trainable

_CANDIDATES = 100  # what a reranker reads for a query


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do; everything about the model is None where the base is not here."""

    n_rows: int
    batches_per_epoch: int
    steps_per_epoch: int  # a step takes `accumulate` batches
    total_steps: int
    warmup_steps: int
    log_every: int  # steps; a run shorter than the recipe's interval is logged ten times
    loss: str
    max_tokens: int  # of a text or a pair: the recipe's, or the base's own where that is lower
    accumulate: int
    n_parameters: int | None = None
    n_trainable: int | None = None
    dim: int | None = None  # of a bi-encoder's vectors
    pooling: str | None = None  # of a bi-encoder
    flops_per_100: int | None = None  # to score 100 candidates (cross-encoders)

    def epoch_at(self, step: int) -> float:
        """Passes over the data after this many steps, as the trainer logs them."""
        whole, steps = divmod(step, self.steps_per_epoch)
        return whole + min(steps * self.accumulate, self.batches_per_epoch) / self.batches_per_epoch


def plan(recipe: Recipe, n_rows: int, model: Trainable | None = None) -> Plan:
    """The run of this recipe over this many rows on one device; `model` as `open_base` gives it.

    Steps are those of the transformers trainer: the last batch of an epoch may be short, a part
    of an epoch is rounded up to whole steps, a ratio of warm-up too. ValueError without rows.
    """
    if n_rows < 1:
        raise ValueError(f"n_rows must be at least 1, not {n_rows}")
    batches = math.ceil(n_rows / recipe.batch_size)
    steps = math.ceil(batches / recipe.accumulate)
    total = recipe.max_steps if recipe.max_steps > 0 else math.ceil(recipe.epochs * steps)
    return Plan(
        n_rows=n_rows,
        batches_per_epoch=batches,
        steps_per_epoch=steps,
        total_steps=total,
        warmup_steps=recipe.warmup_steps or math.ceil(total * recipe.warmup_ratio),
        log_every=recipe.log_every if recipe.log_every <= total else max(1, total // 10),
        loss=spell_loss(recipe),
        accumulate=recipe.accumulate,
        **({"max_tokens": recipe.max_tokens} if model is None else _facts(recipe, model)),
    )


def spell_loss(recipe: Recipe) -> str:
    """The loss with its arguments: `multiple-negatives(scale=10.0, num_negatives=4)`."""
    arguments = ", ".join(f"{key}={value}" for key, value in recipe.loss_args.items())
    return f"{recipe.loss}({arguments})"


def flops(model: Trainable, n_tokens: int) -> int:
    """Floating-point operations of one forward pass over one text of this many tokens.

    Counted by torch from the matrix products that run (a multiply and an add are two); adapters
    count as merged.
    """
    import copy

    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from searchkit.train.lora import merge_lora

    transformer = copy.deepcopy(model.transformers_model).eval()
    merge_lora(transformer)
    device = next(transformer.parameters()).device
    ids = torch.ones(1, n_tokens, dtype=torch.long, device=device)  # (batch, tokens)
    # The fused attention kernels of a CPU are unknown to the counter; the plain products are not.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        transformer(input_ids=ids, attention_mask=ids)
    return int(counter.get_total_flops())


def _facts(recipe: Recipe, model: Trainable) -> dict[str, Any]:
    from searchkit.models.load import pooling_of
    from searchkit.train.base import n_parameters

    max_tokens = int(model.max_seq_length)
    facts: dict[str, Any] = {
        "max_tokens": max_tokens,
        "n_parameters": n_parameters(model),
        "n_trainable": n_parameters(model, trainable=True),
    }
    if recipe.family == "bi-encoder":
        return facts | {"dim": model.get_embedding_dimension(), "pooling": pooling_of(model)}
    return facts | {"flops_per_100": _CANDIDATES * flops(model, max_tokens)}
