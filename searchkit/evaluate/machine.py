"""The machine and what is installed on it -> the facts that stand beside every figure."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from searchkit.models.device import n_cores

PACKAGES = (  # whose versions can change a ranking, a measure or a time
    *("searchkit", "numpy", "scipy", "pyarrow", "numba", "torch", "transformers"),
    *("sentence-transformers", "faiss-cpu", "faiss-gpu-cu12", "ir-measures"),
)


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in bytes, Python and system."""
    return {
        "cpu": _cpu(),
        "cores": n_cores(),
        "memory_bytes": _memory_bytes(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def load() -> float:
    """Processes that wanted a core in the last minute, in the mean; 0 where nobody counts them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Package -> version of those that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit(folder: Path) -> str:
    """What git calls the checkout that tracks the files of a folder, "" where none does."""
    # an installed package may lie in the ignored environment of somebody else's checkout
    if not _git(folder, "ls-files", "."):
        return ""
    return _git(folder, "describe", "--always", "--dirty", "--exclude=*")


def peak_bytes() -> int:
    """The most memory that this process has held so far, resident mapped files included.

    Linux counts it for the program alone; getrusage would count what its parent held as well.
    """
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _git(folder: Path, *arguments: str) -> str:
    try:
        shown = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:  # there is no git
        return ""
    return shown.stdout.strip()


def _cpu() -> str:
    names = [
        line.split(":")[1].strip()
        for line in _read("/proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
