"""SIGTERM -> what Ctrl-C does: long work ends cleanly, and says what it leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Raise KeyboardInterrupt where a batch system or a shutdown asks the block to end."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def how_to_go_on(
    index: Path, corpus: Sequence[str], *, otherwise: str, place: str = "Vectors are kept"
) -> str:
    """What to do after an interrupt of a command that encodes the corpus for the index.

    otherwise: said where no vectors were kept; place: how the sentence about them begins.
    """
    from searchkit.encode import GRID

    again = otherwise
    if any((index / "shards").glob("*.npy")):
        again = f"{place} for every {GRID:,} documents encoded, and the same command goes on"
        again += " from there."
    if "-" in corpus:
        again += " Standard input cannot be read twice: feed it again."
    return again
