"""The documents of one segment -> stored documents and postings, in one pass over them.

The calling thread reads and stores; a second one cuts into chunks and a third one inverts behind
it, so that two cores are busy. At most a few batches wait between them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from searchkit.analyze.analyzer import Chunks, TextAnalyzer
from searchkit.index.docs import BATCH_DOCS, DocsWriter
from searchkit.index.invert import PostingsBuilder, cut_batch
from searchkit.protocols import Progress
from searchkit.types import Doc

SEGMENT_DOCS = 128 * BATCH_DOCS  # bounds the memory of a build, whatever the corpus
ANALYSED_DOCS = 4 * BATCH_DOCS  # documents analysed together
ANALYSED_BYTES = 16 << 20  # fewer, where their texts are long
_WAITING = 2


class Inverted:
    """The documents of one segment, stored and inverted, its postings still in memory."""

    def __init__(
        self, segment: Path, postings: Path, *, analyzer: TextAnalyzer, first_seq: int
    ) -> None:
        self.segment, self.postings, self.analyzer = segment, postings, analyzer
        self._writer = DocsWriter(segment, first_seq=first_seq)
        self._builder = PostingsBuilder(analyzer)

    def fill(self, docs: Iterator[Doc], progress: Progress) -> None:
        try:
            _fill(docs, self._writer, self._builder, progress)
        except BaseException:
            self._writer.abort()
            raise

    def finish(self) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        """Write what is left; the counts of the postings, and metadata that became strings."""
        mixed = self._writer.finish()
        return self._builder.finish(self.postings), {"mixed_metadata": mixed} if mixed else {}


def _fill(
    docs: Iterator[Doc], writer: DocsWriter, builder: PostingsBuilder, progress: Progress
) -> None:
    waiting: deque[Future[None]] = deque()
    done = 0
    with ThreadPoolExecutor(1) as cutter, ThreadPoolExecutor(1) as inverter:
        try:
            for batch in batches(docs):
                titles, texts = writer.add(batch)
                chunks = cutter.submit(cut_batch, titles, texts)
                waiting.append(inverter.submit(_invert, builder, chunks))
                while len(waiting) > _WAITING:
                    waiting.popleft().result()
                done += len(batch)
                progress(done, 0)
            while waiting:
                waiting.popleft().result()
        except BaseException:
            cutter.shutdown(cancel_futures=True)
            inverter.shutdown(cancel_futures=True)
            raise


def _invert(builder: PostingsBuilder, chunks: Future[Chunks]) -> None:
    builder.add(chunks.result())


def batches(docs: Iterator[Doc]) -> Iterator[list[Doc]]:
    """Documents by whole record batches, as many as are worth analysing together."""
    held: list[Doc] = []
    n_bytes = 0
    while batch := list(islice(docs, BATCH_DOCS)):
        held += batch
        n_bytes += sum(len(doc.text) for doc in batch)
        if len(held) >= ANALYSED_DOCS or n_bytes >= ANALYSED_BYTES:
            yield held
            held, n_bytes = [], 0
    if held:
        yield held
