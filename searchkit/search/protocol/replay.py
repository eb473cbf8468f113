"""A protocol -> the same queries again, and whether they rank as they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from searchkit.errors import FormatError, ModelMismatch
from searchkit.index import generation as generations
from searchkit.index.index import Index
from searchkit.models.device import Device
from searchkit.protocols import Progress
from searchkit.search.api import Lexical, OpenOptions, open_searcher
from searchkit.search.protocol.changes import Change, changes
from searchkit.search.protocol.file import ProtocolFile, read_protocol
from searchkit.search.protocol.methods import spell_methods
from searchkit.search.protocol.record import describe
from searchkit.search.protocol.value import Entry, Protocol, digest
from searchkit.search.searcher import Searcher
from searchkit.types import Ranking

ROUNDING = 1e-5  # vectors of another machine or batch may differ by it
_NAMED = 10  # documents that a report names


class Place(NamedTuple):
    """A document at a rank; None where the ranking has ended before."""

    doc: str
    score: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two rankings of a query part."""

    query: str  # its id
    rank: int  # from 1
    then: Place | None
    now: Place | None


@dataclass(slots=True)
class Replay:
    """What came of a repetition. Counts are of queries unless they say otherwise."""

    protocol: Protocol
    index: Path  # that was searched now
    changes: list[Change]
    n_queries: int = 0
    n_identical: int = 0  # the same documents in the same order, scores equal to the last bit
    n_same_order: int = 0  # those, and others whose scores alone differ
    largest_gap: float = 0.0  # between scores of a document that was found then and now
    overlap: float = 1.0  # mean share of hits that were found then and now
    first: Difference | None = None
    n_recorded: int = 0  # documents that the protocol names
    gone: list[str] = field(default_factory=list)  # of them, that the index has no more
    changed: list[str] = field(default_factory=list)  # of them, with another title or text

    @property
    def is_same(self) -> bool:
        """Every query ranks the same documents in the same order."""
        return self.n_same_order == self.n_queries

    @property
    def verdict(self) -> str:
        """One sentence."""
        n = f"{self.n_queries:,} of {self.n_queries:,} queries"
        if self.n_identical == self.n_queries:
            return f"The same ranking: {n} identical, scores equal to the last bit."
        if self.is_same:
            more = "" if self.largest_gap <= ROUNDING else ", which is more than rounding"
            return f"The same ranking, scores differ by at most {self.largest_gap:.2g}{more}: {n}."
        n_other = self.n_queries - self.n_same_order
        return (
            f"Another ranking: {n_other:,} of {self.n_queries:,} queries differ, "
            f"{self.overlap:.1%} of the hits are the same, the largest gap of a score is "
            f"{self.largest_gap:.2g}."
        )

    @property
    def methods(self) -> str:
        """A paragraph for a paper: what was done, as far as the protocol knows."""
        return spell_methods(self.protocol, n_queries=self.n_queries)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it; `is_same` and the verdict with it."""
        facts = {key: value for key, value in asdict(self).items() if key != "protocol"}
        return {
            "is_same": self.is_same,
            "verdict": self.verdict,
            **facts,
            "index": str(self.index),
            "changes": [change._asdict() for change in self.changes],
            "first": _first(self.first),
            "recorded": self.protocol.written,
        }


def replay(
    path: Path,
    *,
    index: Path | None = None,
    trust_remote_code: bool = False,
    progress: Progress = lambda done, total: None,
) -> Replay:
    """Repeat the queries of a protocol with its pipeline and settings, and compare what is found.

    index: where it lies now, if not at the recorded path. SearchkitError, in a sentence: a file
    that is no sound protocol, no index there, a model that is gone or lacks its vectors.
    """
    held = read_protocol(path)
    with _open(held, index, trust_remote_code=trust_remote_code) as searcher:
        then = held.protocol
        searcher.stages.load(then.stage)
        now = describe(searcher, stage=then.stage, k=then.k, where=then.where)
        found = Replay(then, searcher.index.path, changes(then, now))
        check = then.index.content["documents"] != now.index.content["documents"]
        overlaps = 0.0
        for entries in _batches(held):
            for entry, ranking in zip(entries, _rank(searcher, then, entries), strict=True):
                overlaps += _compare(found, entry, ranking, searcher.index)
            found.n_recorded += sum(len(entry.digests) for entry in entries)
            if check:
                _look_up(found, entries, searcher.index)
            progress(found.n_queries, held.n_queries)
        found.overlap = overlaps / max(1, found.n_queries)
    return found


def _open(held: ProtocolFile, index: Path | None, *, trust_remote_code: bool) -> Searcher:
    then, place = held.protocol, Path(held.protocol.index.path) if index is None else index
    if not generations.exists(place):
        cure = f"Say where it lies: searchkit replay {held.path} --index PATH"
        raise FormatError(place, f"the index of {held.path} is not there", cure)
    # another reranker of the name is a finding of the replay, not a reason to refuse it
    pipeline = replace(then.pipeline, reranker_fingerprint="")
    options = OpenOptions(
        device=_device(then),
        lexical=cast(Lexical, then.lexical),
        pipeline=pipeline,
        trust_remote_code=trust_remote_code,
    )
    searcher = open_searcher(place, options=options)
    if missing := [name for name in then.encoders if name not in searcher.encoders]:
        searcher.close()
        cure = f"Add them: searchkit encoder add {place} {missing[0]}"
        raise ModelMismatch(f"{place}: the index holds no vectors of {missing[0]} now. {cure}")
    return searcher


def _device(then: Protocol) -> Device:
    """The recorded one, where it is here."""
    if "cuda" not in then.device:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _batches(held: ProtocolFile) -> Iterator[list[Entry]]:
    entries = held.entries()
    while batch := list(islice(entries, held.protocol.batch)):
        yield batch


def _rank(searcher: Searcher, then: Protocol, entries: Sequence[Entry]) -> list[Ranking]:
    texts = [entry.query.text for entry in entries]
    more = any(entry.left_out is not None for entry in entries)
    rankings = searcher.rankings(texts, then.k + more, stage=then.stage, where=then.where)
    if not more:
        return rankings
    rows = searcher.index.rows_of([entry.left_out for entry in entries if entry.left_out])
    return [
        ranking.without(rows.get(entry.left_out or "", -1)).head(then.k)
        for entry, ranking in zip(entries, rankings, strict=True)
    ]


def _compare(found: Replay, entry: Entry, ranking: Ranking, index: Index) -> float:
    """Count a query; the share of its hits that are the same."""
    ids, scores = index.ids(ranking.rows), ranking.scores
    found.n_queries += 1
    same_order = ids == entry.ids
    found.n_same_order += same_order
    if same_order and np.array_equal(scores, entry.scores):
        found.n_identical += 1
        return 1.0
    now = dict(zip(ids, scores.tolist(), strict=True))
    then = dict(zip(entry.ids, entry.scores.tolist(), strict=True))
    gaps = [abs(now[id_] - score) for id_, score in then.items() if id_ in now]
    found.largest_gap = max([found.largest_gap, *gaps])
    if not same_order and found.first is None:
        found.first = _difference(entry.query.id, [*then.items()], [*now.items()])
    return len(gaps) / max(len(ids), len(entry.ids))


def _difference(
    query: str, then: list[tuple[str, float]], now: list[tuple[str, float]]
) -> Difference:
    n = next(
        (n for n, pair in enumerate(zip(then, now, strict=False)) if pair[0][0] != pair[1][0]),
        min(len(then), len(now)),
    )
    was, is_ = (Place(*places[n]) if n < len(places) else None for places in (then, now))
    return Difference(query, n + 1, was, is_)


def _look_up(found: Replay, entries: Sequence[Entry], index: Index) -> None:
    digests = {id_: code for entry in entries for id_, code in entry.digests.items()}
    rows = index.rows_of(list(digests))
    for id_, code in digests.items():
        if id_ not in rows:
            found.gone.append(id_)
        elif digest(index[rows[id_]]) != code:
            found.changed.append(id_)


def _first(first: Difference | None) -> dict[str, Any] | None:
    if first is None:
        return None
    places = {"then": first.then, "now": first.now}
    spelled = {key: place and place._asdict() for key, place in places.items()}
    return {"query": first.query, "rank": first.rank, **spelled}
