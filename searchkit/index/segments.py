"""Documents -> segments of an index with their postings, in drafts or in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Segment
from searchkit.index.lexical import SEGMENT_DOCS, Inverted
from searchkit.protocols import Progress
from searchkit.types import Doc


def write_segments(
    drafts: Drafts,
    docs: Iterable[Doc],
    analyzer: TextAnalyzer,
    *,
    first_seq: int = 0,
    size: int = SEGMENT_DOCS,
    progress: Progress,
    n_docs: int = 0,
) -> list[Segment]:
    """The documents, in segments of at most `size` of them; none where there are no documents.

    n_docs is an estimate for progress. Each segment is written while the next one is read: never
    more than two are in memory.
    """
    segments: list[Segment] = []
    with ThreadPoolExecutor(1) as writer:
        written: Future[Segment] | None = None
        for chunk, before, told in _chunks(docs, size, progress, n_docs):
            folders = drafts.folder("segment"), drafts.folder("postings")
            inverted = Inverted(*folders, analyzer=analyzer, first_seq=first_seq + before)
            inverted.fill(chunk, told)
            if written is not None:
                segments.append(written.result())
            written = writer.submit(_write, inverted, drafts)
        if written is not None:
            segments.append(written.result())
    return segments


def _chunks(
    docs: Iterable[Doc], size: int, progress: Progress, total: int
) -> Iterator[tuple[Iterator[Doc], int, Progress]]:
    """The documents by segments: (documents, how many came before, progress that counts on)."""
    source, first = iter(docs), 0
    while (head := next(source, None)) is not None:
        chunk = _Counted(head, islice(source, size - 1))
        start = first

        def told(done: int, _: int, start: int = start) -> None:
            progress(start + done, total)

        yield chunk, first, told
        first += chunk.n


class _Counted:
    """An iterator that knows how many documents it gave."""

    def __init__(self, head: Doc, rest: Iterator[Doc]) -> None:
        self._head: Doc | None = head
        self._rest, self.n = rest, 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Doc:
        doc, self._head = self._head or next(self._rest), None
        self.n += 1
        return doc


def _write(inverted: Inverted, drafts: Drafts) -> Segment:
    counted, mixed = inverted.finish()
    bare = drafts.segment(inverted.segment, counted["n_docs"])
    config, stats = {"analyzer": inverted.analyzer.config, "positions": False}, {**counted, **mixed}
    part = drafts.part("postings", inverted.postings, config, inputs=bare.hash, stats=stats)
    return replace(bare, parts=(part,))
