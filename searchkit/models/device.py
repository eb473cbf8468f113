"""What the user asks for -> the device that models run on."""

from __future__ import annotations

from typing import Literal, TypeAlias

from searchkit.errors import ModelError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]


def pick_device(wanted: Device) -> Literal["cpu", "cuda"]:
    """The device to use: `auto` is CUDA where torch sees it. ModelError where CUDA is absent."""
    if wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ModelError(
            "device cuda was asked for, but torch sees no CUDA device. "
            "Use --device auto, or install a torch built for CUDA and its driver."
        )
    return "cpu"
