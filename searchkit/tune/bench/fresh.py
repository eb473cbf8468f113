"""One search in a process of its own: how long it takes from nothing, and how much memory."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE, Popen
from time import perf_counter
from typing import Any, NamedTuple

from searchkit.errors import SearchkitError
from searchkit.models.device import Device
from searchkit.search.pipeline import Pipeline

_K = 10


class Fresh(NamedTuple):
    """What one search took where nothing was loaded."""

    cold_ms: float  # from the start of the process until the hits are there
    peak_bytes: int  # most memory of the process up to then, mapped files that it read included


def search_afresh(
    index: Path,
    query: str,
    *,
    stage: str,
    pipeline: Pipeline,
    device: Device,
    trust_remote_code: bool = False,
) -> Fresh:
    """Start Python, import, open the index, load the models, search once.

    What the system holds of files in memory is left as it is. SearchkitError where the process
    cannot do it; it is gone when this returns or raises.
    """
    wanted = {
        "index": str(index),
        "query": query,
        "stage": stage,
        "pipeline": pipeline.to_dict(),
        "device": device,
        "trust_remote_code": trust_remote_code,
    }
    begin = perf_counter()
    with (
        tempfile.TemporaryFile() as said,
        Popen([sys.executable, "-m", __name__], stdin=PIPE, stdout=PIPE, stderr=said) as process,
    ):
        try:
            if process.stdin is None or process.stdout is None:
                raise ValueError("no pipes")
            process.stdin.write(json.dumps(wanted).encode())
            process.stdin.close()
            line = process.stdout.readline()
            cold_ms = (perf_counter() - begin) * 1000
        except BaseException:
            process.kill()
            raise
        status = process.wait()
        said.seek(0)
        return Fresh(cold_ms, _peak(line, stage, status, said.read().decode(errors="replace")))


def _peak(line: bytes, stage: str, status: int, said: str) -> int:
    try:
        answer: Mapping[str, Any] = json.loads(line)
    except ValueError:
        last = said.strip().splitlines()[-1:] or [f"it ended with status {status}"]
        raise SearchkitError(
            f"a fresh process could not search by {stage}: {last[0]}. Free some memory, or see "
            "what `searchkit search` says."
        ) from None
    if "error" in answer:
        raise SearchkitError(answer["error"])
    return int(answer["peak_bytes"])


def main() -> None:
    """Read what is wanted from stdin, search, write one line of JSON."""
    wanted = json.loads(sys.stdin.buffer.read())
    try:
        answer: dict[str, Any] = {"peak_bytes": _search(wanted)}
    except SearchkitError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _search(wanted: Mapping[str, Any]) -> int:
    from searchkit.evaluate.machine import peak_bytes
    from searchkit.search.api import OpenOptions, open_searcher

    options = OpenOptions(
        pipeline=Pipeline.from_dict(wanted["pipeline"]),
        device=wanted["device"],
        trust_remote_code=wanted["trust_remote_code"],
    )
    with open_searcher(wanted["index"], options=options) as searcher:
        searcher.search(wanted["query"], _K, stage=wanted["stage"])
    return peak_bytes()


if __name__ == "__main__":
    main()
