"""A generation -> the live one; what nobody needs any more after it is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from searchkit.errors import ConfigError, FormatError
from searchkit.index import disk
from searchkit.index.generation import (
    FORMAT,
    Generation,
    commit,
    next_number,
    numbers,
    path_of,
    read_generation,
)
from searchkit.index.lock import remove_unheld
from searchkit.index.snapshots import carried

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOptions:
    """How a change gets into an index."""

    keep: int | None = None  # older generations that stay as snapshots; None carries on
    wait: bool = False  # for another writer, instead of refusing
    told: Callable[[str], None] = lambda sentence: None  # hears whom it waits for

    def __post_init__(self) -> None:
        """ConfigError for fewer generations than none."""
        if self.keep is not None and self.keep < 0:
            raise ConfigError(f"keep must be at least 0, not {self.keep}.")


PLAIN = CommitOptions()


def publish(
    index: Path,
    draft: Generation,
    *,
    keep: int | None = None,
    instead: bool = False,
    above: int = 0,
) -> Generation:
    """Commit the draft under the next number, dated now, and collect; what was committed.

    keep: older generations that stay as snapshots from now on, the newest of them; None carries
    on with the number of the live one. instead: the draft holds the documents of the live one in
    other segments, so it takes its date, and no snapshot is made of what it replaces. above: a
    number that was given before, though no file tells of it. Called by the writer under its lock,
    when segments and parts are on the disk.
    """
    n_kept, snapshots = carried(index, keep, with_live=not instead)
    fresh = replace(
        draft,
        number=max(next_number(index), above + 1),
        written=draft.written if instead else datetime.now(UTC).isoformat(timespec="seconds"),
        keep=n_kept,
        snapshots=snapshots,
        format=FORMAT,
    )
    commit(index, fresh)
    collect(index, fresh)
    return fresh


def collect(index: Path, live: Generation) -> None:
    """Remove all but the live generation, its snapshots and those that a reader has open.

    Called by the writer, after its commit, under its lock. What cannot be removed stays until the
    next commit: nothing here undoes the one that was made.
    """
    try:
        needed = {folder for kept in _remaining(index, live) for folder in _folders(kept)}
        for root in ("segments", "parts/*"):
            for folder in index.glob(f"{root}/*"):
                if str(folder.relative_to(index)) not in needed and folder.is_dir():
                    disk.remove(folder)
    except FormatError as error:
        # some reader holds it: what it names is unknown, so all that lies there may be needed
        _LOG.warning("%s Nothing that it may need is removed.", error)
    except OSError as error:
        _LOG.warning("%s: what is not needed stays until the next commit (%s).", index, error)


def _remaining(index: Path, live: Generation) -> Iterator[Generation]:
    """Generations that keep their files; the files of the others are gone afterwards."""
    yield live
    for number in numbers(index):
        path = path_of(index, number)
        if number != live.number and (str(number) in live.snapshots or not remove_unheld(path)):
            yield read_generation(path)


def _folders(generation: Generation) -> Iterator[str]:
    for segment in generation.segments:
        yield segment.folder
        yield from (part.folder for part in segment.parts)
