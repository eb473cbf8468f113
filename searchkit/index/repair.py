"""A damaged index -> the same index, its parts derived again from what is sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from searchkit.errors import DamagedIndex
from searchkit.evaluate.sizes import count
from searchkit.index import disk, lock, stamps
from searchkit.index import generation as generations
from searchkit.index.build import Watch, versions
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.drafts import Drafts
from searchkit.index.extend import uses
from searchkit.index.generation import Generation, Segment
from searchkit.index.lock import writing
from searchkit.index.mend import TURNED, Mended, Mender, Opener, without
from searchkit.index.recorded import open_recorded
from searchkit.index.salvage import Salvaged, salvage, unturned
from searchkit.index.verify import Fault, Where, snapshot_faults

_LET_GO = "is let go"


@dataclass(frozen=True, slots=True)
class Repair:
    """What was wrong with an index, what became of it, and what nothing here can bring back."""

    generation: Generation  # the live one, afterwards
    mended: tuple[Mended, ...]  # in a dry run: what would be
    lost: tuple[Fault, ...]
    how: str = ""  # the generation was found again, where it could not be read
    n_back: int = 0  # deleted documents that are found again where `lost` is forgotten

    @property
    def was_sound(self) -> bool:
        return not (self.mended or self.lost or self.how)


def repair(
    index: Path,
    *,
    dry_run: bool = False,
    forget_lost: bool = False,
    opener: Opener = open_recorded,
    commit: CommitOptions = PLAIN,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Repair:
    """Hash every file of an index, and derive again what is damaged and can be.

    Postings come from the stored texts, tombstones from the postings, vectors from the texts by
    their encoder, ANN from the vectors; a file of up to 32 KiB in which one bit was turned is put
    right by its hash. Damaged tokens are let go: `tokens add` makes them again. Documents have no
    other source: they are named, and stay damaged unless `forget_lost` commits the index without
    them. Deletions that are lost are counted: `forget_lost` brings their documents back. A part
    that comes out byte for byte takes its old place; one that does not, because a library or the
    machine is another, is committed as a new one, all in one commit under a number that none had.
    Readers go on, and a repair that was interrupted begins again.

    opener: loads an encoder from its record. DamagedIndex where no generation can be read, or
    where nothing would be left.
    """
    if dry_run:
        return _plan(index, opener, watch)
    salvage(index)  # or the lock would make a folder where there is no index
    locked = writing(index, wait=commit.wait, told=commit.told)
    with disk.storage_errors(index), locked, Drafts(index) as drafts:
        found = salvage(index)
        if found.how:
            found.restore(index)
        live = found.generation
        mender = Mender(_damaged(index, live, watch), drafts, opener=opener, watch=watch)
        draft = replace(live, segments=tuple(map(mender.mend, live.segments)))
        if forget_lost:
            draft = _without_losses(index, draft, mender)
        mender.mended += (older := list(_snapshots(index, draft, is_older=bool(found.lost))))
        fresh = live
        if draft != live or found.lost or any(one.how.endswith(_LET_GO) for one in older):
            draft = replace(draft, versions=versions(), written=_now())
            fresh = publish(index, draft, keep=commit.keep, instead=True, above=found.lost)
            drafts.clear_shards()
    if forget_lost or not mender.losses:
        stamps.check(index, fresh)
    return _repaired(fresh, mender, found)


def _plan(index: Path, opener: Opener, watch: Watch) -> Repair:
    """What a repair would do. Nothing is written, and only encoders are opened."""
    found = salvage(index)
    live = found.generation
    with lock.hold(generations.path_of(index, live.number)) or nullcontext():
        mender = Mender(_damaged(index, live, watch), None, opener=opener, watch=watch)
        for segment in live.segments:
            mender.mend(segment)
        mender.mended += _snapshots(index, live, is_older=bool(found.lost), dry_run=True)
    return _repaired(live, mender, found)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _repaired(generation: Generation, mender: Mender, found: Salvaged) -> Repair:
    lost = tuple(loss.fault for loss in mender.losses)
    n_back = sum({loss.of.hash: loss.n_back for loss in mender.losses}.values())
    return Repair(generation, tuple(mender.mended), lost, found.how, n_back)


def _damaged(index: Path, live: Generation, watch: Watch) -> Where:
    return Where(index, live, dict(stamps.faults(index, live, full=True, progress=watch("hash"))))


def _snapshots(
    index: Path, draft: Generation, *, is_older: bool, dry_run: bool = False
) -> Iterator[Mended]:
    """A snapshot has what it shares with the live generation; what only it has is not made again.

    Its file is put right by its hash, or goes, so that the next commit names it no more. is_older:
    the draft is an older generation that serves again.
    """
    for number, digest in draft.snapshots.items():
        path = generations.path_of(index, int(number))
        if is_older and not path.is_file():
            continue  # collected in the ordinary way by a commit that is lost
        wrong = snapshot_faults(index, draft, number)
        whole = unturned(path.read_bytes(), digest) if wrong and path.is_file() else None
        if wrong and whole is not None:
            if not dry_run:
                disk.replace(path, whole)
            yield Mended(wrong[0].file, wrong[0].wrong, TURNED)
        elif wrong:
            if not dry_run:
                path.unlink(missing_ok=True)
            more = (
                f", with {count(len(wrong) - 1, 'other damaged file')}," if len(wrong) > 1 else ""
            )
            how = f"snapshot {number}{more} {_LET_GO}"
            yield Mended(wrong[0].file, wrong[0].wrong, how)


def _without_losses(index: Path, draft: Generation, mender: Mender) -> Generation:
    segments: Sequence[Segment] = tuple(without(draft.segments, mender.losses))
    if not segments:
        cure = "Build the index again from its corpus, with --replace."
        raise DamagedIndex(index, "no document of it can be read", cure)
    held = {part.config["encoder"] for part in segments[0].parts if part.kind == "vectors"}
    gone = [record["name"] for record in draft.encoders if record["name"] not in held]
    keeps_pipeline = not any(uses(draft.pipeline, name) for name in gone)
    return replace(
        draft,
        segments=tuple(segments),
        encoders=tuple(record for record in draft.encoders if record["name"] in held),
        pipeline=draft.pipeline if keeps_pipeline else None,
    )
