"""A generation -> fingerprints of what it holds, wherever it lies and whatever its number."""

from __future__ import annotations

from searchkit.index import disk
from searchkit.index.generation import Generation, Part, Segment


def content(generation: Generation) -> dict[str, str]:
    """sha256 of each kind of content: `documents`, `postings`, `vectors of NAME`, `ann`.

    Tells in what generations of unlike `fingerprint` differ: they agree in a kind exactly where a
    search reads the same bytes of it. Covers every file, in the order of the segments, but those of
    tokens, which no ranking depends on.
    """
    held: dict[str, list[str]] = {"documents": []}
    for segment in generation.segments:
        held["documents"] += _words(segment)
        for part in segment.ranking:
            held.setdefault(_kind(part), []).extend(_words(part))
    return {kind: disk.sha256_of(*words) for kind, words in held.items()}


def _words(holder: Segment | Part) -> list[str]:
    return [f"{file} {stamp.sha256}" for file, stamp in sorted(holder.files.items())]


def _kind(part: Part) -> str:
    return f"vectors of {part.config['encoder']}" if part.kind == "vectors" else part.kind
