"""An index and another pipeline -> a new generation; documents and parts stay where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from searchkit.errors import StorageError
from searchkit.index import disk
from searchkit.index import generation as generations
from searchkit.index.collect import publish
from searchkit.index.generation import Generation
from searchkit.index.lock import writing


@contextmanager
def unchanged(index: Path, number: int) -> Iterator[Generation]:
    """The live generation, ours alone to follow; StorageError unless it is still this number.

    What was measured on one generation says nothing about another.
    """
    with disk.storage_errors(index), writing(index):
        live = generations.read(index)
        if live.number != number:
            raise StorageError(
                f"{index} was written meanwhile (generation {live.number}, measured was {number}). "
                "Run the same command again."
            )
        yield live


def switch_pipeline(index: Path, live: Generation, pipeline: Mapping[str, Any]) -> Generation:
    """Commit the live generation with this pipeline, and return what was committed.

    Called inside `unchanged`. Readers of the old generation keep it.
    """
    return publish(index, replace(live, pipeline=dict(pipeline)))
