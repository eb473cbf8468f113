"""An index that cannot be opened -> the generation that it should be opened at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from searchkit.errors import DamagedIndex, FormatError
from searchkit.index import disk
from searchkit.index import generation as generations
from searchkit.index.generation import CURRENT, Generation
from searchkit.index.stamps import damage

MOST_TURNED = 32 << 10  # bytes of a file whose bits are tried one by one: 5 s
_NEAR = 2  # places of 64 in which a damaged hash may differ from the right one: a byte of the file


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A generation, and what has to be written for it to be the live one again."""

    generation: Generation
    content: bytes  # of its file
    how: str = ""  # a sentence; "" where nothing was wrong
    lost: int = 0  # number of the live generation, where only an older one is left of it

    def restore(self, index: Path) -> None:
        path = generations.path_of(index, self.generation.number)
        if not path.is_file() or path.read_bytes() != self.content:
            disk.replace(path, self.content)
        digest = hashlib.sha256(self.content).hexdigest()
        disk.replace(index / CURRENT, f"{self.generation.number:06d} {digest}\n".encode())


def salvage(index: Path) -> Salvaged:
    """The live generation, or what comes nearest to it. Nothing is written here.

    A generation whose hash is all but that of CURRENT is the live one; a file in which one bit was
    turned is put right by its hash; else the youngest older generation serves whose files are all
    sound. FormatError where there is no index, DamagedIndex where none of this helps, which does
    not name repair as the cure.
    """
    try:
        live = generations.read(index)
        return Salvaged(live, generations.path_of(index, live.number).read_bytes())
    except FormatError as error:
        if not isinstance(error, DamagedIndex) and generations.exists(index):
            raise  # of a format that this code does not know: nothing is wrong with it
        for found in _candidates(index):
            return found
        if not isinstance(error, DamagedIndex):
            raise
        why = f"{error.why}, and nothing else tells which segments and parts make up the index"
        cure = "Copy the file from a sound copy of the index, or build it again with --replace."
        raise DamagedIndex(error.path, why, cure) from None


def unturned(content: bytes, sha256: str) -> bytes | None:
    """The content with the one bit turned that gives it this hash; None where none does."""
    if len(content) > MOST_TURNED:
        return None
    wanted, before, view = bytes.fromhex(sha256), hashlib.sha256(), memoryview(content)
    for at, byte in enumerate(content):
        for bit in range(8):
            turned = bytes([byte ^ 1 << bit])
            trial = before.copy()
            trial.update(turned)
            trial.update(view[at + 1 :])
            if trial.digest() == wanted:
                return content[:at] + turned + content[at + 1 :]
        before.update(view[at : at + 1])
    return None


def _candidates(index: Path) -> Iterator[Salvaged]:
    number, digest = _current(index)
    files = {n: generations.path_of(index, n) for n in reversed(generations.numbers(index))}
    contents = {n: path.read_bytes() for n, path in files.items() if path.is_file()}
    for n, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if _differ(found, digest) <= _NEAR:
            parsed = generations.parse(content, files[n])
            yield Salvaged(parsed, content, f"{CURRENT} was damaged and names generation {n} again")
    is_digest = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    if number in contents and is_digest:
        whole = unturned(contents[number], digest)
        if whole is not None:
            how = f"one bit of the file of generation {number} was turned, and is turned back"
            yield Salvaged(generations.parse(whole, files[number]), whole, how)
    for n, content in contents.items():
        older = _sound(index, content, files[n])
        if older is not None and (n != number or not is_digest):
            lost = max(number, *contents)
            how, lost = _told(index, older, lost), lost if lost > n else 0
            yield Salvaged(older, content, how, lost)


def _told(index: Path, older: Generation, newest: int) -> str:
    """What became of an index that this one serves; newest: of all numbers that are known."""
    if newest > older.number:
        lost = f"generation {newest} is lost, and with it what came after {older.written}"
        return f"{lost}: generation {older.number} serves, as generation {newest + 1}"
    state = "was damaged" if (index / CURRENT).exists() else "was missing"
    return f"{CURRENT} {state}: generation {older.number} was the newest, and serves"


def _current(index: Path) -> tuple[int, str]:
    """What CURRENT says, read as far as it can be; 0 and "" where it says nothing."""
    try:
        said = (index / CURRENT).read_bytes().decode("latin-1")
    except OSError:
        return 0, ""
    number, digest = said[:6], said[7:71]
    is_whole = len(number) == 6 and number.isascii() and number.isdigit()
    return int(number) if is_whole else 0, digest


def _sound(index: Path, content: bytes, path: Path) -> Generation | None:
    """The generation of a file that nothing vouches for, where all that it names is there."""
    try:
        parsed = generations.parse(content, path)
    except FormatError:
        return None
    wrong = (damage(index / name, stamp) for name, stamp in parsed.files())
    return parsed if parsed.number == int(path.stem) and not any(wrong) else None


def _differ(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))
