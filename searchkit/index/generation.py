"""What an index folder holds and which code may read it. The only file that knows versions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from searchkit.errors import DamagedIndex, FormatError, StorageError
from searchkit.index import disk, lock

FORMAT = 2
OLDEST_READABLE = 1
CURRENT = "CURRENT"
_DRAFT = f".{CURRENT}.draft"  # as disk.replace names it


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What a file must be: its hash and its size in bytes."""

    sha256: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """One derived structure of one segment: postings, vectors, ann, tombstones or tokens."""

    kind: str
    hash: str  # of the inputs and the configuration, and the name of the folder
    config: dict[str, Any]
    files: dict[str, FileStamp]
    stats: dict[str, Any] = field(default_factory=dict)  # what was counted while building it

    @property
    def folder(self) -> str:
        return f"parts/{self.kind}/{self.hash}"


@dataclass(frozen=True, slots=True)
class Segment:
    """Documents that came in one after another, and the parts derived from them."""

    hash: str
    n_docs: int  # rows, deleted documents among them
    files: dict[str, FileStamp]
    parts: tuple[Part, ...] = ()

    @property
    def folder(self) -> str:
        return f"segments/{self.hash}"

    @property
    def n_deleted(self) -> int:
        """Documents that lie here and are no longer in the index."""
        stones = self.part("tombstones")
        return int(stones.stats["n_docs"]) if stones else 0

    @property
    def ranking(self) -> tuple[Part, ...]:
        """Its parts without those that no ranking depends on."""
        return tuple(part for part in self.parts if part.kind != "tokens")

    def part(self, kind: str, **config: object) -> Part | None:
        """The part of this kind whose configuration holds these values."""
        for part in self.parts:
            if part.kind == kind and config.items() <= part.config.items():
                return part
        return None


@dataclass(frozen=True, slots=True)
class Generation:
    """One state of the index: immutable, whole, named by its number."""

    number: int
    segments: tuple[Segment, ...]
    encoders: tuple[dict[str, Any], ...] = ()  # name, fingerprint and options, in order
    pipeline: dict[str, Any] | None = None  # promoted into this index; None runs the factory's
    ledger: dict[str, Any] = field(default_factory=dict)  # what was read, skipped, repaired
    versions: dict[str, str] = field(default_factory=dict)
    written: str = ""  # ISO 8601, UTC
    next_seq: int = 0  # of the next document that comes in: above every one that ever did
    keep: int = 0  # older generations that a commit leaves as snapshots
    snapshots: dict[str, str] = field(default_factory=dict)  # number -> sha256 of those kept
    format: int = FORMAT

    @property
    def n_rows(self) -> int:
        """Rows of all segments: what masks and rankings count, deleted documents among them."""
        return sum(segment.n_docs for segment in self.segments)

    @property
    def n_docs(self) -> int:
        """Documents that a search can find."""
        return self.n_rows - sum(segment.n_deleted for segment in self.segments)

    @property
    def fingerprint(self) -> str:
        """Hash of all documents and parts, in their order: alike where they rank alike.

        Not of the pipeline, which is no part, nor of number, time and versions, nor of tokens,
        which save time and change no score.
        """
        return disk.sha256_of(
            *(
                folder
                for segment in self.segments
                for folder in (segment.folder, *sorted(part.folder for part in segment.ranking))
            )
        )

    def files(self) -> Iterator[tuple[str, FileStamp]]:
        """Every file of this generation by its path inside the index."""
        for segment in self.segments:
            holders: tuple[Segment | Part, ...] = (segment, *segment.parts)
            for holder in holders:
                for name, stamp in holder.files.items():
                    yield f"{holder.folder}/{name}", stamp


def path_of(index: Path, number: int) -> Path:
    return index / "generations" / f"{number:06d}.json"


def next_number(index: Path) -> int:
    """A number above that of every generation that lies there, live or held."""
    return max(numbers(index), default=0) + 1


def numbers(index: Path) -> list[int]:
    """Of every generation that lies there, live or not, ascending."""
    stems = [path.stem for path in (index / "generations").glob("[0-9]*.json")]
    return sorted(int(stem) for stem in stems if stem.isdigit())


def exists(index: Path) -> bool:
    return (index / CURRENT).is_file()


def has_lost_current(index: Path) -> bool:
    """Whether generations lie there that CURRENT named once, and it is gone.

    Those of a first commit that was cut short were never live: the draft of its CURRENT tells.
    """
    # in the order in which a commit makes them, or one that ends meanwhile looks like a loss
    held = bool(numbers(index))
    return held and not (index / _DRAFT).exists() and not (index / CURRENT).exists()


def lost_current(index: Path) -> DamagedIndex:
    cure = f"Write it again: searchkit repair {index}"
    return DamagedIndex(index / CURRENT, "is missing, though generations lie beside it", cure)


def commit(index: Path, generation: Generation) -> None:
    """Make a generation the live one. Its segments and parts are on the disk already."""
    path = path_of(index, generation.number)
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(asdict(generation), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    line = f"{generation.number:06d} {digest}\n".encode()
    if not exists(index):
        disk.write(index / _DRAFT, line)  # else a crash from here on looks like a lost CURRENT
        disk.sync(index)
    disk.replace(path, text.encode())
    try:
        disk.replace(index / CURRENT, line)
    except OSError as error:
        if not exists(index) or (index / CURRENT).read_bytes() != line:
            raise  # readers see what they saw
        why = f"generation {generation.number} is there, but the disk did not confirm it"
        raise StorageError(f"{index}: {why} ({error.strerror}). Check the disk.") from error


def read(index: Path) -> Generation:
    """The live generation."""
    generation, held = hold_live(index)
    held.close()
    return generation


def hold_live(index: Path) -> tuple[Generation, BinaryIO]:
    """The live generation, kept from being collected while the file stays open."""
    for _ in range(_TRIES):
        number, digest = current(index)
        held = hold(index, number, digest, named_by=CURRENT)
        if held is not None:
            return held
        if current(index) == (number, digest):
            why = f"is missing, though {CURRENT} names it"
            raise DamagedIndex(path_of(index, number), why, _REBUILD)
    raise StorageError(f"{index} is written faster than it can be opened. Try again.")


def hold(
    index: Path, number: int, digest: str, *, named_by: str = "the live generation"
) -> tuple[Generation, BinaryIO] | None:
    """The generation of this number, kept like the live one; None where its file is gone.

    DamagedIndex where the file has not the SHA-256 of what was committed. What is read is what is
    held, whatever a writer does to the name meanwhile.
    """
    path = path_of(index, number)
    file = lock.hold(path)
    if file is None:
        return None
    try:
        content = file.read()
        if hashlib.sha256(content).hexdigest() != digest:
            why = f"does not fit {named_by}, which names another hash: one of the two is damaged"
            raise DamagedIndex(path, why, _REBUILD)
        return parse(content, path), file
    except BaseException:
        file.close()
        raise


def current(index: Path) -> tuple[int, str]:
    """Number of the live generation and SHA-256 of its file."""
    try:
        found = re.fullmatch(rb"(\d{6,}) ([0-9a-f]{64})\n", (index / CURRENT).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        if index.is_file():
            why = "is a file, and an index is a folder"
            raise FormatError(index, why, "Name the folder that `searchkit index` made.") from None
        if has_lost_current(index):
            raise lost_current(index) from None
        cure = f"Build one: searchkit index CORPUS --out {index}"
        raise FormatError(index, "there is no index here", cure) from None
    except IsADirectoryError:
        found = None
    if found is None:
        raise DamagedIndex(index / CURRENT, "does not name a generation", _REBUILD)
    return int(found[1]), found[2].decode()


_REBUILD = "Run `searchkit repair` on the index, or build it again with --replace."
_TRIES = 1000  # each of them means that a commit came between


def read_generation(path: Path) -> Generation:
    """The generation in a file, whether anything vouches for it or not."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DamagedIndex(path, "is missing", _REBUILD) from None
    return parse(content, path)


def parse(content: bytes, path: Path) -> Generation:
    """The generation that a file of this name and content holds."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedIndex(path, "is not JSON", _REBUILD) from None
    found = raw.get("format") if isinstance(raw, dict) else None
    if not isinstance(found, int):
        raise DamagedIndex(path, "names no format", _REBUILD)
    if not OLDEST_READABLE <= found <= FORMAT:
        why = f"format {found}, this searchkit reads {OLDEST_READABLE} to {FORMAT}"
        cure = "Install a matching searchkit, or build the index again with --replace."
        raise FormatError(path, why, cure)
    try:
        return _parse(raw)
    except (TypeError, KeyError, AttributeError, ValueError):
        raise DamagedIndex(path, "does not hold what a generation holds", _REBUILD) from None


def _parse(raw: dict[str, Any]) -> Generation:
    raw["segments"] = tuple(_segment(segment) for segment in raw["segments"])
    raw["encoders"] = tuple(raw["encoders"])
    if raw["format"] == 1:  # whose documents count from 0 without a gap
        raw["next_seq"] = sum(segment.n_docs for segment in raw["segments"])
    return Generation(**raw)


def _segment(raw: dict[str, Any]) -> Segment:
    parts = tuple(Part(**(part | {"files": _stamps(part)})) for part in raw["parts"])
    return Segment(**(raw | {"files": _stamps(raw), "parts": parts}))


def _stamps(holder: dict[str, Any]) -> dict[str, FileStamp]:
    for name in holder["files"]:
        if "/" in name or "\\" in name or name.startswith("."):
            raise ValueError(name)  # a path out of the index is never followed
    return {name: FileStamp(**stamp) for name, stamp in holder["files"].items()}
