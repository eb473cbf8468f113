"""Files, plain or gzip -> lines of bytes, in constant memory."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.rows import LINE_BYTES
from searchkit.errors import CorpusError

BOM = b"\xef\xbb\xbf"
STDIN, STDIN_NAME = "-", "standard input"
NOT_GZIP = "this is not sound gzip, though its name ends in .gz. Rename it, or copy it again"
_BLOCK = 1 << 18
_PACKED = {  # how the bytes of other things begin -> what they are, and the cure
    b"\x1f\x8b": "compressed with gzip. Give the file a name that ends in .gz",
    b"PK\x03\x04": "a zip archive. Unpack it first",
    b"\xfd7zXZ\0": "compressed with xz. Unpack it first",
    b"BZh": "compressed with bzip2. Unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd. Unpack it first",
    b"PAR1": "a Parquet file. Give it a name that ends in .parquet",
}


def read_lines(
    source: str, *, zipped: bool, ledger: ReadLedger | None = None
) -> Generator[bytes, None, None]:
    """The lines of a file without their line feed; of a line over `LINE_BYTES` only the head.

    source: a path, or `-` for standard input. A byte order mark at the start is removed and
    counted. Closing the generator closes the file.
    """
    ledger = ReadLedger() if ledger is None else ledger
    with closing(read_blocks(source, zipped=zipped, ledger=ledger)) as blocks:
        yield from split_lines(blocks, ledger)


def read_blocks(source: str, *, zipped: bool, ledger: ReadLedger) -> Generator[bytes, None, None]:
    """The uncompressed bytes of a file, some at a time. Closing the generator closes the file."""
    with open_bytes(source, zipped=zipped) as file:
        yield from _blocks(file, source, ledger)


@contextmanager
def numbered_lines(path: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """The lines of a file with their numbers from 1, open as long as the block runs."""
    with closing(read_lines(str(path), zipped=is_zipped(path.name))) as lines:
        yield enumerate(lines, 1)


def is_zipped(path: str) -> bool:
    return path.lower().endswith(".gz")


@contextmanager
def open_bytes(source: str, *, zipped: bool) -> Iterator[BinaryIO]:
    """The uncompressed bytes of a file; what the system refuses becomes a sentence."""
    with ExitStack() as stack:
        try:
            file = (
                sys.stdin.buffer
                if source == STDIN
                else stack.enter_context(Path(source).open("rb"))
            )
        except (OSError, ValueError) as error:
            raise refused(source, error) from error
        yield cast(BinaryIO, stack.enter_context(gzip.open(file))) if zipped else file


def shown(source: str) -> str:
    """What messages call the source."""
    return STDIN_NAME if source == STDIN else source


def refused(source: str, error: Exception) -> CorpusError:
    """A sentence for a file that the system will not open."""
    if isinstance(error, FileNotFoundError):
        return CorpusError(source, None, "there is no such file. Check the name")
    if isinstance(error, IsADirectoryError):
        return CorpusError(source, None, "this is a folder. Name a file in it")
    if isinstance(error, PermissionError):
        return CorpusError(source, None, "you may not read this file. Change its permissions")
    why = error.strerror if isinstance(error, OSError) else str(error)
    return CorpusError(source, None, f"the file cannot be read ({why}). Check it or copy it anew")


def _blocks(file: BinaryIO, source: str, ledger: ReadLedger) -> Iterator[bytes]:
    n_lines = 0
    first = True
    # of a gzip file what is sound before a fault comes out first, where read would drop it
    read = file.read1 if isinstance(file, gzip.GzipFile) else file.read
    while True:
        try:
            block = read(_BLOCK)
        except (OSError, EOFError, zlib.error) as error:
            why = _unreadable(error, first=first)
            raise CorpusError(shown(source), n_lines + 1, why) from error
        if first and (what := next((_PACKED[m] for m in _PACKED if block.startswith(m)), None)):
            raise CorpusError(shown(source), None, f"the content is {what}")
        if not block:
            return
        first = False
        n_lines += block.count(b"\n")
        ledger.bytes_read += len(block)
        yield block


def split_lines(blocks: Iterator[bytes], ledger: ReadLedger) -> Iterator[bytes]:
    """`read_lines` of bytes that are read already."""
    tail = next(blocks, b"")
    while len(tail) < len(BOM) and (more := next(blocks, b"")):
        tail += more
    if tail.startswith(BOM):
        tail = tail[len(BOM) :]
        ledger.n_bom += 1
    *whole, tail = tail.split(b"\n")
    yield from whole
    for block in blocks:
        first, *rest = block.split(b"\n")
        if len(tail) <= LINE_BYTES:  # else it is the head of a line whose rest is dropped
            tail += first
        if rest:
            yield tail
            yield from rest[:-1]
            tail = rest[-1]
    if tail:
        yield tail


def _unreadable(error: Exception, *, first: bool) -> str:
    if isinstance(error, EOFError):
        return "the gzip file ends too early. Copy or download it again"
    if isinstance(error, gzip.BadGzipFile) and first:
        return NOT_GZIP
    if isinstance(error, zlib.error | gzip.BadGzipFile):
        return "the gzip file is damaged. Copy or download it again"
    return f"reading failed ({error}). Check the file"
