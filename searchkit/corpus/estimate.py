"""A corpus -> how large it is, from its first rows, before a long job."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from searchkit.corpus.delimited import DELIMITERS
from searchkit.corpus.lines import NOT_GZIP, refused
from searchkit.corpus.parquet import BATCH_ROWS, opened
from searchkit.corpus.read import ReadOptions
from searchkit.corpus.scholar.json_works import count_works, recognise
from searchkit.corpus.sources import HUB, Source, resolve
from searchkit.errors import CorpusError

_HEAD_BYTES = 1 << 20  # of the file as it lies on the disk: 700 abstracts, 2,000 compressed
_INFLATED_BYTES = 1 << 24  # what it may become: more would be a trap
_MARKED = {  # what begins each document
    "bibtex": re.compile(rb"^\s*@(?!comment|string|preamble)\w+[ \t]*[{(]", re.M | re.I),
    "ris": re.compile(rb"^TY  -", re.M),
}


@dataclass(frozen=True, slots=True)
class CorpusEstimate:
    """Size of a corpus before it is read."""

    n_docs: int  # rows, sound or not
    n_bytes: int  # uncompressed, as `ReadLedger.bytes_read` counts them
    exact: bool  # whether the rows were counted, not extrapolated

    def __add__(self, other: CorpusEstimate) -> CorpusEstimate:
        return CorpusEstimate(
            self.n_docs + other.n_docs, self.n_bytes + other.n_bytes, self.exact and other.exact
        )


def estimate(sources: Sequence[str], options: ReadOptions) -> CorpusEstimate | None:
    """The size of all sources together; None where one cannot tell: stdin, a pipe, the hub.

    Reads 1 MB a file. CorpusError where a source is missing or is not what its name says.
    """
    found = resolve(
        sources,
        fallback=options.format,
        split=options.hub_split,
        revision=options.hub_revision,
        plain=bool(options.columns),
    )
    if any(source.kind == HUB or not Path(source.where).is_file() for source in found):
        return None
    sizes = [_parquet(s) if s.kind == "parquet" else _by_head(s) for s in found]
    return sum(sizes, CorpusEstimate(0, 0, exact=True))


def _parquet(source: Source) -> CorpusEstimate:
    with opened(source.where) as file:
        n_rows = file.metadata.num_rows
        first = next(file.iter_batches(batch_size=BATCH_ROWS), None)
        row_bytes = first.nbytes / first.num_rows if first is not None and first.num_rows else 0
        return CorpusEstimate(n_rows, round(row_bytes * n_rows), exact=True)


def _by_head(source: Source) -> CorpusEstimate:
    """The rows of the first bytes, scaled by the size of the file and its compression so far."""
    try:
        with Path(source.where).open("rb") as file:
            stored = file.read(_HEAD_BYTES)
            n_stored = Path(source.where).stat().st_size
    except OSError as error:
        raise refused(source.where, error) from error
    head, n_used = _inflate(stored, source) if source.zipped else (stored, len(stored))
    if n_used == n_stored:
        return CorpusEstimate(_count_rows(head, source.kind), len(head), exact=True)
    n_bytes = round(len(head) * n_stored / max(n_used, 1))
    whole = head[: head.rfind(b"\n") + 1] or head
    n_rows = _count_rows(whole, source.kind)
    return CorpusEstimate(max(1, round(n_rows * n_bytes / len(whole))), n_bytes, exact=False)


def _inflate(stored: bytes, source: Source) -> tuple[bytes, int]:
    """The start of a gzip file of one or several members, and how many bytes of it that took."""
    head, rest = b"", stored
    while rest and len(head) < _INFLATED_BYTES:
        member = zlib.decompressobj(wbits=31)
        try:
            head += member.decompress(rest, _INFLATED_BYTES - len(head))
        except zlib.error as error:
            raise CorpusError(source.where, None, NOT_GZIP) from error
        rest = member.unused_data if member.eof else member.unconsumed_tail
        if not member.eof:
            break
    return head, len(stored) - len(rest)


def _count_rows(head: bytes, kind: str) -> int:
    lines = head.split(b"\n")
    if kind in DELIMITERS:
        texts = (line.decode("utf-8", "replace") + "\n" for line in lines if line)
        try:
            return max(0, sum(1 for _ in csv.reader(texts, delimiter=DELIMITERS[kind])) - 1)
        except csv.Error:  # reading will say what is wrong; lines are near enough
            return len(lines)
    if kind in _MARKED:
        return len(_MARKED[kind].findall(head))
    if kind not in ("", "jsonl") or (not kind and recognise(head)):
        return count_works(head)
    return sum(1 for line in lines if line and not line.isspace())
