"""What the user asks for -> the device that models run on, and its threads."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Literal, TypeAlias

from searchkit.errors import ModelError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]

_DRIVERS = ("libcuda.so.1", "nvcuda.dll")


def pick_device(wanted: Device) -> Literal["cpu", "cuda"]:
    """The device to use: `auto` is CUDA where torch sees it. ModelError where CUDA is absent."""
    if wanted == "cpu" or (wanted == "auto" and not _may_have_cuda()):
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


def cpu_threads() -> int:
    """Threads for arithmetic on the processor: OMP_NUM_THREADS, else its cores."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    return n_cores()


def n_cores() -> int:
    """Cores that this process may use."""
    has = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has else os.cpu_count() or 1


@cache
def _may_have_cuda() -> bool:
    """Whether torch is worth asking, which takes seconds to import where nothing else needs it."""
    if "torch" in sys.modules:
        return True
    return any(map(_loads, _DRIVERS))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
