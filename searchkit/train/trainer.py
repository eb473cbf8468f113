"""sentence-transformers' trainers -> the same, with checkpoints that are whole or absent."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from sentence_transformers import CrossEncoderTrainer as _CrossEncoderTrainer
from sentence_transformers import SentenceTransformerTrainer as _BiEncoderTrainer
from sentence_transformers.base.sampler import BatchSamplers
from transformers.trainer_callback import TrainerState
from transformers.trainer_utils import rotate_checkpoints

from searchkit.errors import StorageError
from searchkit.index.disk import move, remove, sync_tree
from searchkit.train.checkpoints import PASSED, STATE, WEIGHTS, checkpoints, step_of
from searchkit.train.sampler import NoDuplicates


class _Careful:
    """What both trainers do differently from their parents; stands before them in the bases.

    * A checkpoint is written aside, synced, and then gets its name: a kill or a full disk at any
      instant leaves the ones before it.
    * It holds the state of the model, adapters and all, in place of a model folder with a card,
      which would cost a run of the model each time.
    * `ignore_data_skip` means that rows already trained on are not read again to find the place
      in the epoch: the checkpoint knows them. (The parent starts the epoch from its first row,
      which trains some rows twice and others not at all.)
    """

    args: Any
    state: Any
    model: Any
    train_dataset: Any
    _draft: Path | None = None
    _passed: Path | None = None  # of the checkpoint to go on from
    _sampler: NoDuplicates | None = None

    def _get_output_dir(self, trial: object) -> str:
        return str(self._draft or self.args.output_dir)

    def _save_checkpoint(self, model: object, trial: object) -> None:
        home = Path(self.args.output_dir)
        self._draft = home / ".draft"
        name = f"checkpoint-{self.state.global_step}"
        remove(self._draft)
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            self._complete(self._draft / name)
            sync_tree(self._draft / name)
            remove(home / name)
            move(self._draft / name, home / name)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise _unwritten(home, self.state.global_step, error) from error
        finally:
            remove(self._draft)
            self._draft = None
        rotate_checkpoints(
            str(home), self.args.save_total_limit, self.state.best_model_checkpoint, use_mtime=False
        )

    def _complete(self, folder: Path) -> None:
        """Add what the parent leaves out, and name the best checkpoint where it will stand."""
        self.state.best_model_checkpoint = self._best()
        self.state.save_to_json(str(folder / STATE))
        if self._sampler is not None:
            steps = self.state.global_step % self._steps_per_epoch()
            n_batches = steps * self.args.gradient_accumulation_steps
            np.save(folder / PASSED, np.packbits(self._sampler.passed_by(n_batches)))

    def _best(self) -> str | None:
        step = self.state.best_global_step
        folder = Path(self.args.output_dir) / f"checkpoint-{step}"
        return str(folder) if step and (step == self.state.global_step or folder.exists()) else None

    def _steps_per_epoch(self) -> int:
        return math.ceil(len(self._sampler or ()) / int(self.args.gradient_accumulation_steps))

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / WEIGHTS))

    def _load_from_checkpoint(self, checkpoint: str, model: object = None) -> None:
        load_model(self.model, str(Path(checkpoint) / WEIGHTS), device=str(self.model.device))

    def load_end(self, checkpoint: str) -> None:
        """Be as after the last step of a run that was killed before its model was written."""
        self.state = TrainerState.load_from_json(str(Path(checkpoint) / STATE))
        self.state.best_model_checkpoint = self._best()
        self._load_from_checkpoint(checkpoint)
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint:
            self._load_best_model()

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)  # the parent logs a failure

    def _init_training_state(  # noqa: PLR0917 - the parent's arguments
        self, max_steps: int, steps: int, epochs: int, checkpoint: str | None, trial: object
    ) -> tuple[int, int]:
        epoch, _ = super()._init_training_state(max_steps, steps, epochs, checkpoint, trial)  # type: ignore[misc]
        self.state.best_model_checkpoint = self._best()  # the folder may have moved since
        if checkpoint is None:
            return epoch, 0
        self._passed = Path(checkpoint) / PASSED
        return epoch, self.state.global_step % steps * self.args.gradient_accumulation_steps

    def _run_epoch(self, **given: Any) -> None:  # noqa: ANN401 - the parent's many arguments
        """One pass over the data, from the place in it where the checkpoint was written."""
        ignores, n_batches = self.args.ignore_data_skip, given["steps_trained_in_current_epoch"]
        resumes = given["resume_from_checkpoint"] is not None
        if resumes and given["epoch"] == given["epochs_trained"] and n_batches:
            if ignores and self._sampler is not None and self._passed and self._passed.is_file():
                self._sampler.begin_after(np.load(self._passed), n_batches)
            self.args.ignore_data_skip = False  # the parent's way to it would lose the place
        try:
            super()._run_epoch(**given)  # type: ignore[misc]
        finally:
            self.args.ignore_data_skip = ignores

    def get_batch_sampler(self, dataset: Any, **settings: Any) -> Any:  # noqa: ANN401
        if self.args.batch_sampler != BatchSamplers.NO_DUPLICATES:
            return super().get_batch_sampler(dataset, **settings)  # type: ignore[misc]
        sampler = NoDuplicates(dataset, **settings)
        if dataset is self.train_dataset:
            self._sampler = sampler
        return sampler


class BiEncoderTrainer(_Careful, _BiEncoderTrainer):  # type: ignore[misc]
    """Trains a SentenceTransformer."""


class CrossEncoderTrainer(_Careful, _CrossEncoderTrainer):  # type: ignore[misc]
    """Trains a CrossEncoder."""


def stopped_early(checkpoint: Path, patience: int) -> bool:
    """Whether the run that wrote this checkpoint had no patience left."""
    state = json.loads((checkpoint / STATE).read_text("utf-8"))
    kept = state.get("stateful_callbacks", {}).get("EarlyStoppingCallback", {})
    count = kept.get("attributes", {}).get("early_stopping_patience_counter", 0)
    return bool(patience) and count >= patience


def _unwritten(home: Path, step: int, error: Exception) -> StorageError:
    why = str(getattr(error, "strerror", None) or error).strip().partition("\n")[0]
    kept = checkpoints(home)
    rest = (
        f"The one of step {step_of(kept[-1])} is whole: make room and go on with --resume."
        if kept
        else "There is none before it: make room and start again."
    )
    return StorageError(f"{home}: the checkpoint of step {step} cannot be written ({why}). {rest}")
