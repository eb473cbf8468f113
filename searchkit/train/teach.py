"""Examples and a teacher -> the same examples with labels that a student learns from.

A margin is the teacher's score of a positive less that of a negative (margin-mse). The label of a
list's document is 1 - (best - score) / span, where best is the list's highest score and span the
widest distance within any list: a straight line, so that a softmax over labels / t is the softmax
over the teacher's scores / (t * span), and nothing is cut off.
Sources: Hofstaetter and others, 2020, arXiv:2010.02666 (margins); Cao and others, ICML 2007,
doi 10.1145/1273496.1273513 (softmax over a list).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import orjson

from searchkit.errors import ConfigError, CorpusError
from searchkit.protocols import Progress
from searchkit.train.kept_scores import KeptScores
from searchkit.train.teachers import Asked, Teacher
from searchkit.types import Scores

if TYPE_CHECKING:
    from searchkit.train.examples import Examples

Loss: TypeAlias = Literal["margin-mse", "listwise"]

_BLOCK = 512  # pairs scored together, at least; a kill costs no more than these


class TaughtTriplet(NamedTuple):
    """A row of triplets for margin-mse; `--column label=margin` reads it."""

    query: str
    positive: str
    negative: str
    margin: float  # positive_score - negative_score
    positive_score: float
    negative_score: float


class TaughtPair(NamedTuple):
    """A row of labelled pairs for listwise; those of a query stand together."""

    query: str
    document: str
    label: float  # 0..1, the best of its query 1
    score: float


Taught: TypeAlias = TaughtTriplet | TaughtPair


@dataclass(slots=True)
class TeachCounts:
    """What teaching met; filled while the rows stream by."""

    n_rows: int = 0  # written
    n_queries: int = 0  # runs of rows with the same query
    n_pairs: int = 0  # of query and document that have a score
    n_kept: int = 0  # of them, scored by a run before this one
    n_alone: int = 0  # queries with one document, of which a list teaches nothing
    span: float = 0.0  # between the best and the worst of one query, at most
    mean_span: float = 0.0

    def sentences(self) -> list[str]:
        found = [f"Rows {self.n_rows:,}, scores {self.n_pairs:,}, queries {self.n_queries:,}."]
        if self.n_kept:
            found.append(f"{self.n_kept:,} of the scores are of the run that was stopped.")
        if self.n_alone:
            found.append(f"Queries with one document, left out: {self.n_alone:,}.")
        spans = f"on average {self.mean_span:.4g} apart, at most {self.span:.4g}"
        return [*found, f"The teacher sees best and worst of a query {spans}."]


class _Group(NamedTuple):
    asked: Asked
    places: list[tuple[int, int]]  # of each triplet: its positive and its negative
    n_rows: int


def teach(
    examples: Examples,
    teacher: Teacher,
    loss: Loss,
    *,
    kept: Path,
    counts: TeachCounts,
    progress: Progress | None = None,
) -> Iterator[Taught]:
    """Taught rows in the order of the examples; counts are whole when the last one is out.

    Rows of one query should stand together: a document of it is then scored once, and they make
    its list. Scores go into the file `kept` as they come, and a run over the same examples with
    the same teacher takes them from there.
    ConfigError where the examples do not suit the loss; CorpusError where the teacher sees no
    difference between any two documents of a query.
    """
    refuse_unsuited(examples, loss)
    scores = _scores(examples, teacher, kept, counts=counts, progress=progress)
    if not counts.span > 0:
        why = "the teacher scores all documents of each query alike. Choose another teacher"
        raise CorpusError(examples.source, None, why)
    return _rows(examples, scores, loss, counts)


def refuse_unsuited(examples: Examples, loss: Loss) -> None:
    """ConfigError where there is nothing that this loss could learn from a teacher."""
    columns = set(examples.data.column_names)
    if loss == "margin-mse" and not {"positive", "negative"} <= columns:
        raise ConfigError(
            f"{examples.source}: margin-mse learns from triplets. Give some, or --loss listwise."
        )
    if "sentence_0" in columns:
        raise ConfigError(
            f"{examples.source}: a pair has one document, so there is nothing to compare. "
            "`searchkit mine` finds negatives for it."
        )


def _scores(
    examples: Examples,
    teacher: Teacher,
    kept: Path,
    *,
    counts: TeachCounts,
    progress: Progress | None,
) -> Scores:
    """The score of every document of every group, one after another."""
    settings = [_BLOCK, examples.sha256, dict(teacher.identity)]
    key = hashlib.sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS)).digest()
    found, spans, n_done = [np.empty(0, np.float32)], [0.0], 0
    with KeptScores(kept, key) as file:
        for block in _blocks(examples):
            asked = [group.asked for group in block]
            sizes = [len(one) for one in asked]
            scores = file.take(sum(sizes), lambda asked=asked: teacher.score(asked))  # type: ignore[misc]
            found.append(scores)
            ends = np.cumsum(sizes)[:-1]
            spans += [float(np.ptp(some)) for some in np.split(scores.astype(np.float64), ends)]
            n_done += sum(group.n_rows for group in block)
            counts.n_queries += len(block)
            if progress:
                progress(n_done, examples.n_rows)
        counts.n_pairs = sum(map(len, found))
        counts.n_kept = min(file.n_old, counts.n_pairs)
    counts.span, counts.mean_span = max(spans), sum(spans) / max(counts.n_queries, 1)
    return np.concatenate(found)


def _rows(examples: Examples, scores: Scores, loss: Loss, counts: TeachCounts) -> Iterator[Taught]:
    start = 0
    for group in _groups(examples):
        asked = group.asked
        own = scores[start : start + len(asked)].astype(np.float64)
        start += len(asked)
        if loss == "margin-mse":
            rows: Sequence[Taught] = [_triplet(asked, own, *place) for place in group.places]
        elif len(asked) == 1:
            counts.n_alone += 1
            continue
        else:
            labels = 1 - (own.max() - own) / counts.span
            rows = [
                TaughtPair(asked.query, *row)
                for row in zip(asked.documents, labels.tolist(), own.tolist(), strict=True)
            ]
        counts.n_rows += len(rows)
        yield from rows


def _triplet(asked: Asked, scores: Any, positive: int, negative: int) -> TaughtTriplet:  # noqa: ANN401 - (n,) float64
    high, low = float(scores[positive]), float(scores[negative])
    texts = asked.documents[positive], asked.documents[negative]
    return TaughtTriplet(asked.query, *texts, high - low, high, low)


def _blocks(examples: Examples) -> Iterator[list[_Group]]:
    block: list[_Group] = []
    n_pairs = 0
    for group in _groups(examples):
        block.append(group)
        n_pairs += len(group.asked)
        if n_pairs >= _BLOCK:
            yield block
            block, n_pairs = [], 0
    if block:
        yield block


def _groups(examples: Examples) -> Iterator[_Group]:
    """Rows that follow each other and have the same query; each of its documents once."""
    for query, rows in groupby(examples.data, key=lambda row: row["query"]):
        held: dict[tuple[str, str | None], int] = {}
        places, n_rows = [], 0
        for row in rows:
            n_rows += 1
            sides = ("positive", "negative") if "positive" in row else ("document",)
            at = [held.setdefault((row[side], row.get(f"{side}_id")), len(held)) for side in sides]
            if len(at) == 2:
                places.append((at[0], at[1]))
        ids = tuple(id_ for _, id_ in held if id_ is not None)
        yield _Group(Asked(query, tuple(text for text, _ in held), ids), places, n_rows)
