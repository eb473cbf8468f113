"""A run's folder -> the checkpoints in it, oldest first."""

from __future__ import annotations

from pathlib import Path

STATE = "trainer_state.json"
WEIGHTS = "weights.safetensors"  # the state of the whole model, under its own names
PASSED = "passed_rows.npy"  # one bit a row of the epoch: those already trained on


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def checkpoints(home: Path) -> list[Path]:
    """The whole checkpoints in a folder, by step. They are moved there, so none is in part."""
    found = [path for path in home.glob("checkpoint-*") if path.name[11:].isdigit()]
    return sorted((path for path in found if (path / STATE).is_file()), key=step_of)
