"""One line of JSON a benchmark: what was measured, where, with which versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    *("searchkit", "numpy", "pyarrow", "numba", "torch", "sentence-transformers", "faiss-cpu"),
    *("bm25s", "rank-bm25", "tantivy", "ir-measures"),
)


def record(name: str, measured: dict[str, Any]) -> None:
    """Print one line and append it to results/<name>.json; nothing there is ever edited."""
    line = json.dumps(
        {
            "benchmark": name,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "commit": commit(),
            **measured,
        }
    )
    print(line)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.json").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def machine() -> dict[str, Any]:
    names = [
        line.split(":")[1].strip()
        for line in _read("/proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    shown = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip() or "unknown"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
