"""One line of JSON a benchmark: what was measured, where, with which versions."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from searchkit.evaluate import machine as machine_facts

RESULTS = Path(__file__).parent / "results"
PEERS = ("bm25s", "rank-bm25", "tantivy", "onnxruntime", "rerankers")


def record(name: str, measured: dict[str, Any]) -> None:
    """Print one line and append it to results/<name>.json; nothing there is ever edited."""
    line = json.dumps(
        {
            "benchmark": name,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {**machine_facts.machine(), "load": round(os.getloadavg()[0], 1)},
            "versions": versions(),
            "commit": commit(),
            **measured,
        }
    )
    print(line)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.json").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def versions() -> dict[str, str]:
    return machine_facts.versions([*machine_facts.PACKAGES, *PEERS])


def commit() -> str:
    return machine_facts.commit(Path(__file__).parent) or "unknown"
