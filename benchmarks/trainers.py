"""One training run, by `searchkit.train` or by the bare trainer of sentence-transformers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sentence_transformers as library
import torch
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.cross_encoder import losses as of_pairs
from sentence_transformers.sentence_transformer import losses as of_vectors
from transformers import PrinterCallback, TrainerCallback, set_seed

from searchkit.models.device import Device
from searchkit.models.quiet import quiet
from searchkit.train.arguments import precision_of
from searchkit.train.base import open_base
from searchkit.train.examples import Examples
from searchkit.train.recipe import Recipe
from searchkit.train.run import train

PEERS = ("searchkit", "sentence-transformers")


@dataclass(slots=True)
class Clock:
    """Seconds from the end of one step to the end of another; the device has finished at both."""

    first: int
    last: int
    device: str
    _at: dict[int, float] = field(default_factory=dict)

    def __call__(self, step: int) -> None:
        if step in (self.first, self.last):
            if self.device == "cuda":
                torch.cuda.synchronize()
            self._at[step] = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._at[self.last] - self._at[self.first]


@dataclass(frozen=True, slots=True)
class Speed:
    """Of the steps after the warm ones."""

    steps_per_s: float
    loss: float  # mean of the whole run: peers that do the same work have the same


def run(
    peer: str, recipe: Recipe, data: Examples, out: Path, *, warm: int, device: Device
) -> Speed:
    """A run of `recipe.max_steps` steps, of which the first few are not timed."""
    clock = Clock(warm, recipe.max_steps, device)
    recipe = replace(recipe, log_every=recipe.max_steps)
    runs: dict[str, Callable[..., float]] = {PEERS[0]: _ours, PEERS[1]: _bare}
    loss = runs[peer](recipe, data, out, clock=clock, device=device)
    return Speed((recipe.max_steps - warm) / clock.seconds, loss)


def _ours(recipe: Recipe, data: Examples, out: Path, *, clock: Clock, device: Device) -> float:
    done = train(recipe, data, None, out, device=device, progress=lambda step, _: clock(step))
    return done.loss


def _bare(recipe: Recipe, data: Examples, out: Path, *, clock: Clock, device: Device) -> float:
    """As the library's manual has it: its model, loss, arguments and trainer, without a save."""
    set_seed(recipe.seed)
    with quiet():
        model = open_base(recipe, device=device)
        model.model_card_data.local_files_only = True  # or it asks a hub
        model.model_card_data.widget = [{}]  # or it reads examples for a card that nobody wants
        trainer_class, arguments_class, loss = _parts(recipe, model)
        precision = precision_of(recipe, device)
        arguments = arguments_class(
            output_dir=str(out),
            per_device_train_batch_size=recipe.batch_size,
            max_steps=recipe.max_steps,
            learning_rate=recipe.learning_rate,
            warmup_steps=recipe.warmup_steps or math.ceil(recipe.max_steps * recipe.warmup_ratio),
            weight_decay=recipe.weight_decay,
            lr_scheduler_type=recipe.scheduler,
            optim=recipe.optimizer,
            batch_sampler=BatchSamplers.NO_DUPLICATES
            if recipe.sampler == "no-duplicates"
            else BatchSamplers.BATCH_SAMPLER,
            seed=recipe.seed,
            bf16=precision == "bf16",
            fp16=precision == "fp16",
            use_cpu=device == "cpu",
            dataloader_num_workers=recipe.workers,
            dataloader_pin_memory=device == "cuda",
            logging_steps=recipe.log_every,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = trainer_class(
            model=model,
            args=arguments,
            train_dataset=data.data,
            loss=loss,
            callbacks=[_Steps(clock)],
        )
        trainer.remove_callback(PrinterCallback)
        return float(trainer.train().training_loss)


def _parts(recipe: Recipe, model: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """Trainer, arguments and loss of a recipe, by the library's own names."""
    given = dict(recipe.loss_args)
    if recipe.family == "bi-encoder":
        loss = of_vectors.MultipleNegativesRankingLoss(model, **given)
        return (
            library.SentenceTransformerTrainer,
            library.SentenceTransformerTrainingArguments,
            loss,
        )
    if recipe.loss == "bce":
        if "pos_weight" in given:
            given["pos_weight"] = torch.tensor(float(given["pos_weight"]))
        loss = of_pairs.BinaryCrossEntropyLoss(model, **given)
    else:
        if given.pop("activation", "sigmoid") != "sigmoid":
            raise ValueError("the bare run knows the sigmoid alone")
        loss = of_pairs.MultipleNegativesRankingLoss(model, **given)
    return library.CrossEncoderTrainer, library.CrossEncoderTrainingArguments, loss


class _Steps(TrainerCallback):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        self._clock(state.global_step)
