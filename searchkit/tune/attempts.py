"""Attempts against the same judgements -> a record in the index that later ones answer for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from searchkit.errors import DamagedIndex
from searchkit.index import disk
from searchkit.types import Qrels

FILE = "attempts.jsonl"  # beside CURRENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One model, or one tuning, that was judged. The same again is one attempt, however often.

    Repeating a measurement exactly gives its result again and no other chance, so it does not
    count; another depth, seed, baseline, corpus or set of queries may give another, and does.
    """

    qrels: str  # sha256 of the judgements, by `qrels_hash`
    model: str
    fingerprint: str
    settings: str  # sha256 of all else that decides the outcome
    weight: float
    n_queries: int
    difference: float  # of the measure
    p: float
    threshold: float
    passed: bool
    time: str  # ISO 8601, UTC
    measure: str = "nDCG@10"

    @property
    def identity(self) -> tuple[str, str]:
        return self.fingerprint, self.settings


def qrels_hash(qrels: Qrels) -> str:
    """sha256 of the judgements, whatever their order and the format of their file."""
    grades = sorted(
        [query, doc, grade] for query, found in qrels.items() for doc, grade in found.items()
    )
    return disk.sha256_of(json.dumps(grades, ensure_ascii=False))


def settings_hash(settings: Mapping[str, Any]) -> str:
    return disk.sha256_of(json.dumps(settings, sort_keys=True, ensure_ascii=False))


def read_attempts(index: Path) -> list[Attempt]:
    """Every attempt of an index, oldest first; DamagedIndex with the line that is none."""
    path = index / FILE
    if not path.is_file():
        return []
    attempts = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            attempts.append(Attempt(**json.loads(line)))
        except (ValueError, TypeError):
            why = f"line {number} is no attempt"
            raise DamagedIndex(path, why, "Bring the file back as it was written.") from None
    return attempts


def n_others(attempts: Iterable[Attempt], *, qrels: str, identity: tuple[str, str]) -> int:
    """How many different attempts were made against these judgements, this one left out."""
    made = {attempt.identity for attempt in attempts if attempt.qrels == qrels}
    return len(made - {identity})


def record(index: Path, attempt: Attempt) -> None:
    """Add an attempt, under the writer's lock; one that stands there already is left alone."""
    attempts = read_attempts(index)
    if any((one.qrels, *one.identity) == (attempt.qrels, *attempt.identity) for one in attempts):
        return
    path = index / FILE
    before = path.read_bytes() if path.is_file() else b""
    line = json.dumps(asdict(attempt), ensure_ascii=False) + "\n"
    disk.replace(path, before + line.encode())
