"""A training loop -> its log, progress, checkpoints on time, and a stop when Ctrl-C asks."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback

from searchkit.errors import ModelError
from searchkit.protocols import Progress
from searchkit.train.log import Log, Note

CHECKPOINT_EVERY = 1000  # steps at most between two; a kill costs no more than these
_TIMES = ("runtime", "samples_per_second", "steps_per_second", "epoch")


class Watch(TrainerCallback):
    """Follows the trainer's loop; it changes no weight."""

    def __init__(self, log: Log, progress: Progress, note: Note) -> None:
        self.log, self.progress, self.note = log, progress, note
        self.interrupted = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        self.progress(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        self.progress(state.global_step, state.max_steps)
        if state.global_step % CHECKPOINT_EVERY == 0:
            control.should_save = True
        if self.interrupted:
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ANN401
        logs = given["logs"]
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise ModelError(
                f"the loss is no number any more at step {state.global_step}. Start again with a "
                "lower learning_rate or precision=fp32."
            )
        self.log.add({"step": state.global_step, "epoch": state.epoch, **_numbers(logs)})
        self.note(f"loss {logs['loss']:.4f}")

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ANN401
        kept = {
            key: value
            for key, value in _numbers(given["metrics"]).items()
            if key.removeprefix("eval_") not in _TIMES
        }
        self.log.add({"step": state.global_step, "epoch": state.epoch, **kept})
        decides = args.metric_for_best_model
        if decides in kept:
            self.note(f"{decides.removeprefix('eval_')} {kept[decides]:.4f}")


@contextmanager
def stops_on_interrupt(watch: Watch) -> Iterator[None]:
    """Let the first Ctrl-C end the run after its step, with a checkpoint; a second ends it now."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return

    def stop(number: int, frame: object) -> None:
        watch.interrupted = True
        watch.note("stopping after this step; Ctrl-C again stops without a checkpoint")
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in logs.items() if key != "epoch"}
