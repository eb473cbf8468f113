"""Protocols <-> files: a line of what was done, a line a query, a line that vouches for them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from searchkit.corpus.atomic import replaced_by
from searchkit.corpus.lines import is_zipped, numbered_lines
from searchkit.corpus.rows import LINE_BYTES
from searchkit.errors import ConfigError, CorpusError
from searchkit.search.protocol.value import Entry, Protocol

_COPY = "Bring the file back as it was written"


class ProtocolWriter:
    """Entries, one after another; none of them is kept in memory."""

    def __init__(self, file: BinaryIO, protocol: Protocol) -> None:
        self._file, self._digest, self._n = file, hashlib.sha256(), 0
        self._write(protocol.to_dict())

    def add(self, entry: Entry) -> None:
        """ConfigError for more hits than a line can hold."""
        self._write(entry.to_dict())
        self._n += 1

    def finish(self) -> None:
        """The last line: how many queries there are, and the sha256 of all lines before."""
        last = {"queries": self._n, "sha256": self._digest.hexdigest()}
        self._file.write(orjson.dumps(last) + b"\n")

    def _write(self, fields: dict[str, Any]) -> None:
        line = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
        if len(line) > LINE_BYTES:
            raise ConfigError(
                f"the hits of one query take {len(line) / 1e6:.0f} MB, and a line of a protocol "
                f"holds {LINE_BYTES // 10**6}. Choose a smaller -k."
            )
        self._digest.update(line + b"\n")
        self._file.write(line + b"\n")


@contextmanager
def writing(path: Path, protocol: Protocol) -> Iterator[ProtocolWriter]:
    """A protocol that is there, whole, when the block ends without an error; gzip as .gz."""
    with replaced_by(path) as draft, _open(draft, zipped=is_zipped(path.name)) as file:
        writer = ProtocolWriter(file, protocol)
        yield writer
        writer.finish()


@dataclass(frozen=True, slots=True)
class ProtocolFile:
    """A protocol on the disk whose last line vouches for all others."""

    path: Path
    protocol: Protocol
    n_queries: int

    def entries(self) -> Iterator[Entry]:
        """The queries in their order, one in memory at a time."""
        with numbered_lines(self.path) as lines:
            for number, line in islice(lines, 1, 1 + self.n_queries):
                try:
                    yield Entry.from_dict(orjson.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError):
                    why = f"the line is no query of a protocol. {_COPY}"
                    raise CorpusError(self.path, number, why) from None


def read_protocol(path: Path) -> ProtocolFile:
    """The protocol in a file, read once to its end to see that it is what was written.

    CorpusError: no such file, no protocol, one that ends too early or was changed. FormatError:
    one of another version.
    """
    hashed, n_lines, last, protocol = hashlib.sha256(), 0, b"", None
    with numbered_lines(path) as lines:
        for number, line in lines:
            if protocol is None:
                protocol = Protocol.from_dict(_loads(path, line), path)
            else:
                hashed.update(last + b"\n")
            last, n_lines = line, number
    if protocol is None:
        raise CorpusError(path, None, "there is nothing in it. Name what --protocol has written")
    found = _last(path, last, n_lines)
    if found != {"queries": n_lines - 2, "sha256": hashed.hexdigest()}:
        why = "it was changed after it was written: the hash in its last line does not fit"
        raise CorpusError(path, None, f"{why}. {_COPY}")
    return ProtocolFile(path, protocol, n_lines - 2)


def _open(path: Path, *, zipped: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "wb")) if zipped else path.open("wb")


def _loads(path: Path, line: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return orjson.loads(line)
    except ValueError:
        return None  # which is no protocol either


def _last(path: Path, line: bytes, n_lines: int) -> object:
    found = _loads(path, line)
    if n_lines < 2 or not isinstance(found, dict) or "sha256" not in found:
        raise CorpusError(path, n_lines, f"the protocol ends too early. {_COPY}")
    return found
