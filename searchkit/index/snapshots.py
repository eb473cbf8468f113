"""An index -> the older generations that were kept, by number or by date."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import BinaryIO

from searchkit.errors import ConfigError, DamagedIndex, FormatError, QueryError
from searchkit.index import generation as generations
from searchkit.index.generation import Generation

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation that can be opened."""

    number: int
    written: str  # ISO 8601, UTC
    n_docs: int


def carried(index: Path, keep: int | None, *, with_live: bool = True) -> tuple[int, dict[str, str]]:
    """What the next generation leaves: how many, and number -> SHA-256 of those there are.

    The live generation becomes the newest of them, unless it is left out. keep: None is that of
    the live one. A file that is not what was committed is no snapshot: it is left out, with a
    warning. Called by the writer.
    """
    try:
        live = generations.read(index)
        number, digest = generations.current(index)
    except FormatError:  # no index yet, or none that can be read: it is being replaced
        return keep or 0, {}
    n_kept = live.keep if keep is None else keep
    known = {**live.snapshots, **({str(number): digest} if with_live else {})}
    newest = sorted(known, key=int, reverse=True)[:n_kept]
    return n_kept, {one: known[one] for one in newest if _read(index, int(one), known[one])}


def _read(index: Path, number: int, digest: str) -> Generation | None:
    """A snapshot; None, with a warning, where its file is gone or not what was committed."""
    try:
        held = generations.hold(index, number, digest)
    except FormatError as error:
        _LOG.warning("%s: snapshot %d cannot be opened any more. %s", index, number, error)
        return None
    if held is None:
        _LOG.warning("%s: the file of snapshot %d is gone.", index, number)
        return None
    held[1].close()
    return held[0]


def hold_snapshot(index: Path, number: int) -> tuple[Generation, BinaryIO]:
    """The live generation or a snapshot, by number, kept while the file stays open.

    QueryError where there is none of this number.
    """
    while True:
        live, held = generations.hold_live(index)
        if live.number == number:
            return live, held
        with held:
            if str(number) not in live.snapshots:
                raise QueryError(f"{index} has no generation {number}. {_spell(index, live)}")
            found = generations.hold(index, number, live.snapshots[str(number)])
        if found is not None:
            return found
        if generations.current(index)[0] == live.number:
            cure = f"Choose another. {_spell(index, live)}"
            raise DamagedIndex(generations.path_of(index, number), "is missing", cure)


def list_snapshots(index: Path, live: Generation) -> list[Snapshot]:
    """The generations that a live one vouches for and that lie there, itself first."""
    older = sorted(map(int, live.snapshots), reverse=True)
    found = [live, *(_read(index, number, live.snapshots[str(number)]) for number in older)]
    return [Snapshot(one.number, one.written, one.n_docs) for one in found if one is not None]


def chosen(index: Path, number: int | None, as_of: str | None) -> int | None:
    """Number of the generation that was asked for by number or date; None for the live one."""
    if number is not None and as_of is not None:
        raise ConfigError("a generation and a date exclude each other. Drop one of them.")
    return number if as_of is None else number_as_of(index, as_of)


def number_as_of(index: Path, date: str) -> int:
    """Number of the last generation that was written by then: the live one or a snapshot.

    date: ISO 8601. Without a zone it is UTC, as times of generations are; without a time it is the
    end of that day. ConfigError where it is no date, QueryError where all are younger.
    """
    moment, live = _moment(date), generations.read(index)
    for snapshot in list_snapshots(index, live):
        if datetime.fromisoformat(snapshot.written) <= moment:
            return snapshot.number
    raise QueryError(f"{index} has no generation as old as {date}. {_spell(index, live)}")


def _moment(date: str) -> datetime:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        spelled = "Write it as 2026-01-31 or 2026-01-31T12:00"
        raise ConfigError(f"{date!r} is no date. {spelled}.") from None
    if len(date) <= len("2026-01-31"):
        moment = datetime.combine(moment, time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _spell(index: Path, live: Generation) -> str:
    found = [f"{one.number} ({one.written})" for one in list_snapshots(index, live)]
    return f"It has {', '.join(found)}."
