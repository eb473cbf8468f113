"""Phases of a long job -> bars on stderr with rate and time left."""

from __future__ import annotations

import sys
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

from searchkit.cli.screen import say

if TYPE_CHECKING:
    from searchkit.protocols import Progress

_EVERY_S = 30.0  # between two lines where no bar can be drawn
_WORTH_A_LINE_S = 1.0  # shorter phases end without a word


class Bars:
    """`bars(phase)` starts a phase and says who is told how far it is; the next one ends it.

    On a terminal a bar by tqdm; elsewhere a line now and then, so that a log stays readable.
    """

    def __init__(self, unit: str = "docs") -> None:
        self._unit = unit
        self._bar: Any = None
        self._phase, self._done, self._begin = "", 0, 0.0
        self._draws = sys.stderr.isatty()

    def __call__(self, phase: str) -> Progress:
        self.close()
        self._phase, self._done, self._begin = phase, 0, perf_counter()
        if self._draws:
            from tqdm import tqdm

            self._bar = tqdm(desc=phase, unit=f" {self._unit}", leave=False, file=sys.stderr)
        told = self._begin

        def progress(done: int, total: int) -> None:
            nonlocal told
            self._done = max(self._done, done)
            if self._bar is not None:
                self._bar.total = max(total, done) if total else None
                self._bar.update(done - self._bar.n)
            elif perf_counter() - told > _EVERY_S:
                told = perf_counter()
                of = f" of {total:,}" if total else ""
                say(f"{phase}: {done:,}{of} {self._unit}")

        return progress

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(finished=kind is None)

    def note(self, words: str) -> None:
        """Say a few words about the phase: behind the bar, or on a line of their own."""
        if self._bar is not None:
            self._bar.set_postfix_str(words, refresh=False)
        else:
            say(f"{self._phase}: {self._done:,} {self._unit}, {words}")

    def close(self, *, finished: bool = True) -> None:
        """End the phase that runs, and say what it did."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        time_s = perf_counter() - self._begin
        if self._phase and finished and time_s >= _WORTH_A_LINE_S:
            say(f"{self._phase}: {self._done:,} {self._unit} in {time_s:.1f} s")
        self._phase = ""
