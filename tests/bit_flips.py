"""Turns one bit at a time in the files of an index, and tells what open and verify say to it.

Run as a process of its own, `python bit_flips.py INDEX N SEED`, so that a crash would be seen. A
line of JSON for each bit: file, and whether a first open and `verify --full` name the file.
"""

import json
import os
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from searchkit.errors import FormatError
from searchkit.index.generation import read
from searchkit.index.index import Index
from searchkit.search.verify import verify


def files_of(index):
    """Every file that `CURRENT` leads to, itself first."""
    live = read(index)
    numbers = [live.number, *map(int, live.snapshots)]
    generations = [f"generations/{number:06d}.json" for number in numbers]
    return ["CURRENT", *generations, *sorted(name for name, _ in live.files())]


def flip(path, bit):
    """Turn one bit as a disk does: no clock shows it."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def refused_by(work, name):
    """Whether the work is refused, or says, that this file is wrong."""
    try:
        return any(name == fault.file for fault in work())
    except FormatError as error:
        return name in str(error)


def open_first(index):
    """An open on a machine that has never hashed a file of it."""
    trusted = os.environ["SEARCHKIT_HOME"]
    with TemporaryDirectory() as home:
        os.environ["SEARCHKIT_HOME"] = home
        try:
            Index.open(index).close()
        finally:
            os.environ["SEARCHKIT_HOME"] = trusted
    return []


def main(index, n, seed):
    random, files = Random(seed), files_of(index)
    Index.open(index).close()  # stamped: from here on only the bytes can tell
    for turn in range(n):
        name = files[turn % len(files)] if n >= len(files) else random.choice(files)
        path = index / name
        bit = random.randrange(path.stat().st_size * 8)
        flip(path, bit)
        said = {
            "file": name,
            "bit": bit,
            "open": refused_by(lambda: open_first(index), name),
            "verify": refused_by(lambda: verify(index, full=True).faults, name),
        }
        flip(path, bit)
        Index.open(index).close()
        sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
