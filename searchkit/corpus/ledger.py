"""What reading a corpus met -> counts, and sentences for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class ReadLedger:
    """Counts of one reading; they are right after every document, so a progress line may use them.

    The only mutable value of the room: it is filled while the documents stream by.
    """

    n_docs: int = 0
    n_skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # why rows were skipped
    n_bom: int = 0  # byte order marks removed
    n_broken: int = 0  # documents whose title or text was decoded with a wrong code page
    n_fixed: int = 0  # those of them that were repaired
    n_nested: int = 0  # metadata values that no column type holds, kept as JSON
    n_blank_ids: int = 0  # document ids with white space, which a run file cannot hold
    first_blank_id: str = ""  # the first of them, with its file and line
    recognised: dict[str, str] = field(default_factory=dict)  # file -> what its objects are
    bytes_read: int = 0  # uncompressed, read ahead of the documents by up to one block

    @classmethod
    def from_counts(cls, counts: Mapping[str, Any]) -> ReadLedger:
        """The ledger that gave these counts; what this version does not know is left out."""
        known = {one.name: counts[one.name] for one in fields(cls) if one.name in counts}
        return cls(**known | {"reasons": Counter(counts.get("reasons", {}))})

    def counts(self) -> dict[str, Any]:
        """All counts, for JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self)} | {
            "reasons": dict(self.reasons)
        }

    def sentences(self) -> list[str]:
        """What happened, one fact a sentence; what did not happen is not mentioned."""
        found = [f"{_count(self.n_docs, 'document')} read ({self.bytes_read / 1e6:,.1f} MB)."]
        for where, what in self.recognised.items():
            found.append(f"{where} holds {what}; --format jsonl reads it as plain JSONL.")
        if self.n_skipped:
            why = ", ".join(f"{n:,} {reason}" for reason, n in self.reasons.most_common())
            found.append(f"{_count(self.n_skipped, 'row')} skipped: {why}.")
        if self.n_bom:
            found.append(f"{_count(self.n_bom, 'byte order mark')} removed.")
        if self.n_fixed:
            found.append(f"{_count(self.n_fixed, 'document')} with a broken encoding repaired.")
        if left := self.n_broken - self.n_fixed:
            found.append(
                f"{_count(left, 'document')} with a broken encoding left as fed in; "
                "--fix-text repairs titles and texts."
            )
        if self.n_nested:
            found.append(
                f"{_count(self.n_nested, 'metadata value')} of nested or unusual kind kept as JSON."
            )
        if self.n_blank_ids:
            hold = "holds" if self.n_blank_ids == 1 else "hold"
            found.append(
                f"{_count(self.n_blank_ids, 'document id')} {hold} a blank, first "
                f"{self.first_blank_id}: search finds them, but `run` cannot write them. "
                "Choose ids without blanks to measure this index."
            )
        return found


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
