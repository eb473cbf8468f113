"""Lines of a file -> the records that they make, each with its line and its fault."""

from __future__ import annotations

from typing import NamedTuple

from searchkit.corpus.rows import LINE_BYTES, LINE_FAULTS, RAW_CHARS, TOO_LONG, BadRow, line_text


class Record(NamedTuple):
    """One record of a bibliography as it stands in the file."""

    lines: list[str]
    raw: list[bytes]
    fault: BadRow | None


class Gathering:
    """The lines of the record in hand, and the first fault in them."""

    def __init__(self) -> None:
        self.number = 0  # of the first line, or of the one with the fault
        self._lines: list[str] = []
        self._raw: list[bytes] = []
        self._n_bytes = 0
        self._fault: BadRow | None = None

    @property
    def is_empty(self) -> bool:
        return not self._raw

    def add(self, number: int, line: bytes) -> None:
        """One more line; of a record that is too long the rest is dropped."""
        if self.is_empty:
            self.number = number
        self._n_bytes += len(line)
        if self._n_bytes > LINE_BYTES:
            self._fault = self._fault or BadRow(TOO_LONG, _TOO_LONG)
            return
        self._raw.append(line)
        try:
            self._lines.append(line_text(line).rstrip("\r"))
        except BadRow as bad:
            if self._fault is None:
                self._fault, self.number = bad, number

    def take(self, fault: BadRow | None = None) -> tuple[int, Record]:
        """The record, numbered; the next line begins another. fault: of the record as a whole."""
        found = self.number, Record(self._lines, self._raw, self._fault or fault)
        self.__init__()  # type: ignore[misc]
        return found


_TOO_LONG = (
    f"the record is longer than {LINE_BYTES // 10**6} MB. Something in it is not closed, or it is "
    "no bibliography"
)


def spell_record(record: Record) -> str:
    """The record as it stands in the file, for a rejects file."""
    return b"\n".join(record.raw)[: 4 * RAW_CHARS].decode("utf-8", "replace")


__all__ = ["LINE_FAULTS", "Gathering", "Record", "spell_record"]
