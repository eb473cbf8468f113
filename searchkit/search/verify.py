"""An index -> whether it is sound: its files, what they hold, and what a search makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from searchkit.index import generation as generations
from searchkit.index.generation import Generation
from searchkit.index.index import Index
from searchkit.index.resample import reanalysed, reencoded
from searchkit.index.verify import Fault, Watch, faults, spread
from searchkit.search.rescore import misranked

SAMPLED_DOCS = 32  # analysed and encoded again
SAMPLED_QUERIES = 4  # titles of some of them, scored by hand over all stored texts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, and what is wrong with it."""

    generation: Generation
    n_files: int
    faults: tuple[Fault, ...]
    n_sampled: int = 0  # documents analysed and encoded again, and as many rankings as they allow
    notes: tuple[str, ...] = ()  # what could not be tried

    @property
    def is_sound(self) -> bool:
        return not self.faults


def verify(
    index: Path,
    *,
    full: bool = False,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Verdict:
    """Look an index over. DamagedIndex where not even its generation can be read.

    Without `full` in milliseconds: every file is there, has its size, and was not written since it
    was hashed on this machine. With it every file is hashed, counts are held against each other,
    and a sample of the documents is analysed, encoded and ranked again.
    """
    generation, held = generations.hold_live(index)
    with held:
        found = tuple(faults(index, generation, full=full, watch=watch))
        n_files = sum(1 for _ in generation.files())
        if found or not full:
            return Verdict(generation, n_files, found)
        with Index(index, generation, held) as opened:
            return _sampled(opened, n_files, watch)


def _sampled(index: Index, n_files: int, watch: Watch) -> Verdict:
    found = [_of_docs("postings", "has other terms than", reanalysed(index, SAMPLED_DOCS))]
    notes = []
    for record in index.generation.encoders:
        told = watch(f"encode with {record['name']}")
        wrong, why_not = reencoded(index, record, SAMPLED_DOCS, told)
        found.append(_of_docs(f"vectors of {record['name']}", "are not those of", wrong))
        if why_not:
            notes.append(f"Vectors of {record['name']} were not made again: {why_not}")
    queries = [index[row].title or index[row].text for row in spread(index.n_rows, SAMPLED_QUERIES)]
    found += [
        Fault("postings", f"rank otherwise than the stored texts for {query!r}", len(index))
        for query in misranked(index, queries, watch("rank"))
    ]
    n_sampled = len(spread(index.n_rows, SAMPLED_DOCS))
    real = tuple(fault for fault in found if fault.n_docs)
    return Verdict(index.generation, n_files, real, n_sampled, tuple(notes))


def _of_docs(what: str, wrong: str, ids: Sequence[str]) -> Fault:
    return Fault(what, f"{wrong} the stored text", len(ids), ids=tuple(ids))
