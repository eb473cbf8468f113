"""A commit -> one sentence about the vectors that it did not have to encode."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from searchkit.cli.screen import say

if TYPE_CHECKING:
    from searchkit.index.generation import Generation

_SOURCES = {
    "n_from_index": "from this index",
    "n_from_cache": "from the cache",
    "n_resumed": "from the interrupted run",
}


def say_reuse(fresh: Generation, before: Generation | None) -> None:
    """Say where the vectors of a commit came from; nothing where all were encoded.

    before: the generation that the commit changed; None where it began anew.
    """
    from searchkit.evaluate.sizes import count

    old = {part.folder for segment in before.segments for part in segment.parts} if before else ()
    counts: Counter[str] = Counter()
    for segment in fresh.segments:
        for part in segment.parts:
            if part.kind == "vectors" and part.folder not in old:
                counts.update(part.stats)
    if counts["n_reused"]:
        n_copies = counts["n_reused"] - sum(counts[name] for name in _SOURCES)
        found = [f"{counts[name]:,} {where}" for name, where in _SOURCES.items() if counts[name]]
        found += [f"{n_copies:,} of an equal text"] if n_copies else []
        vectors = f"{counts['n_reused']:,} of {count(counts['n_vectors'], 'vector')}"
        say(f"Not encoded again: {vectors} ({', '.join(found)}).")
