"""Pairs that a reranker has read, timed -> how long the next ones take on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from pathlib import Path

from searchkit.home import home
from searchkit.models.device import cpu_threads
from searchkit.protocols import PairScorer

_NEWEST = 0.3  # weight of the newest time in the mean; older ones fade
_MOVED = 0.1  # change, as a share, from which the file is written anew


class Rates:
    """Milliseconds per token of every reranker that was timed, kept under SEARCHKIT_HOME.

    A file for each reranker, machine and number of threads. It may be deleted at any time: the
    next search with a budget then begins with two pairs to find out.
    """

    def __init__(self) -> None:
        self._known: dict[str, Rate] = {}

    def of(self, scorer: PairScorer) -> Rate:
        """The rate of this reranker. Reads its weights once, for their fingerprint."""
        key = _key(scorer)
        if key not in self._known:
            self._known[key] = Rate(home() / "rates" / f"{key}.json")
        return self._known[key]


class Rate:
    """How long one reranker takes, in the mean of what was seen, the newest first."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.ms_per_token = self._kept = _read(file)  # nan where nothing was timed yet

    @property
    def is_known(self) -> bool:
        return not math.isnan(self.ms_per_token)

    def see(self, n_tokens: int, ms: float) -> None:
        """Correct the mean by a batch that took `ms`."""
        seen = ms / max(n_tokens, 1)
        old = self.ms_per_token if self.is_known else seen
        self.ms_per_token = (1 - _NEWEST) * old + _NEWEST * seen

    def keep(self) -> None:
        """Write the mean where it has moved; a home that cannot be written costs a new start."""
        if not self.is_known or abs(self.ms_per_token / self._kept - 1) < _MOVED:
            return
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_name(f".{self._file.name}.{os.getpid()}.draft")
            draft.write_text(json.dumps({"ms_per_token": self.ms_per_token}), "utf-8")
            draft.replace(self._file)
        self._kept = self.ms_per_token


def _read(file: Path) -> float:
    try:
        found = json.loads(file.read_bytes())["ms_per_token"]
    except (OSError, ValueError, KeyError, TypeError):
        return math.nan
    return float(found) if isinstance(found, int | float) and found > 0 else math.nan


def _key(scorer: PairScorer) -> str:
    from searchkit.evaluate.machine import machine

    facts = machine()
    threads = cpu_threads()
    device = getattr(scorer, "device", "cpu")
    named = [facts["cpu"], facts["cores"], threads, device, scorer.fingerprint]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:24]
