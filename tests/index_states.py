"""What tests of a changed index look at: every byte, and what a generation says."""

from dataclasses import asdict, replace

import numpy as np

from searchkit.index.drafts import Drafts
from searchkit.index.generation import commit, read
from searchkit.index.rederive import rederive_tombstones


def every_byte(index):
    return {
        str(path.relative_to(index)): path.read_bytes()
        for root in ("segments", "parts")
        for path in sorted((index / root).rglob("*"))
        if path.is_file()
    }


def lasting(generation):
    """What a generation says, without its number and its time."""
    return {k: v for k, v in asdict(generation).items() if k not in ("number", "written")}


def committed(index, **changes):
    """The live generation with these changes, committed as the next one."""
    live = read(index)
    commit(index, replace(live, number=live.number + 1, **changes))


def bury(index, *, segment, rows):
    """Delete rows of one segment, by their tombstones and nothing else."""
    segments = list(read(index).segments)
    old = segments[segment]
    with Drafts(index) as drafts:
        part = rederive_tombstones(drafts, old, old.part("postings"), np.array(rows))
    segments[segment] = replace(old, parts=(*old.parts, part))
    committed(index, segments=tuple(segments))


def file_of(index, kind, name, segment=1):
    return index / read(index).segments[segment].part(kind).folder / name
