"""Runs <-> files in TREC's six columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import numpy as np

from searchkit.corpus.atomic import replaced
from searchkit.corpus.lines import numbered_lines
from searchkit.corpus.rows import BadRow, decode
from searchkit.corpus.values import holds_blank, id_of
from searchkit.errors import CorpusError
from searchkit.types import Run

_COLUMNS = "The columns are: query Q0 document rank score tag"
_SECOND = (b"Q0", b"q0")  # what tells that columns are in another order
_LOWEST = np.float32(-np.inf)
_GREATEST = 3.4e38  # in float32, with room for the steps of a tie
_MOST = float(np.finfo(np.float32).max)


def read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Query id -> (document id, score as float32), best first. Read also from .gz.

    The order is that of trec_eval, for every measure: by score as float32, and within a tie by
    document id, last in the alphabet first. Neither the rank column nor the order of the lines
    counts; `count_ties` says how often the rule decides.
    CorpusError: another number or order of columns, a score that is not finite, a document
    twice in one query, no line at all.
    """
    found: dict[bytes, dict[str, float]] = {}
    known: dict[bytes, str] = {}  # documents of many queries are spelled and checked once
    with numbered_lines(path) as lines:
        for number, line in lines:
            if columns := line.split():
                try:
                    _add(found, columns, known)
                except BadRow as bad:
                    raise CorpusError(path, number, bad.why) from None
    if not found:
        raise CorpusError(path, None, "there is no ranking in it. Check the file")
    return {decode(query_id): best_first(scores) for query_id, scores in found.items()}


def best_first(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    """Document id and score as float32, in the order that `read_run` documents."""
    given = np.fromiter(scores.values(), np.float64, len(scores)).astype(np.float32)
    pairs = list(zip(scores, given.tolist(), strict=True))
    if not (given[:-1] > given[1:]).all():
        pairs.sort(reverse=True)  # ids, for what the next sort leaves as it is
        pairs.sort(key=itemgetter(1), reverse=True)
    return pairs


def count_ties(run: Run) -> int:
    """Documents whose score equals that of the one before: tools order them differently."""
    return sum(
        above[1] == below[1] for ranking in run.values() for above, below in pairwise(ranking)
    )


def write_run(path: Path, run: Run, tag: str) -> None:
    """TREC's six columns, whole or not at all, so that every tool reads our order.

    Scores are written as float32, as tools read them; within a tie each is the next smaller
    float32. Queries without documents leave no line, for the format has none for them.
    CorpusError: an id or a tag with a blank in it.
    """
    _check_words([tag, *run], path)
    with replaced(path) as file:
        for query_id, ranking in run.items():
            ids = [doc_id for doc_id, _ in ranking]
            _check_words(ids, path)
            scores = _falling([score for _, score in ranking])
            for rank, (doc_id, score) in enumerate(zip(ids, scores, strict=True), 1):
                file.write(f"{query_id} Q0 {doc_id} {rank} {score} {tag}\n")


def _add(
    found: dict[bytes, dict[str, float]], columns: list[bytes], known: dict[bytes, str]
) -> None:
    if len(columns) != 6:
        n = "1 column" if len(columns) == 1 else f"{len(columns)} columns"
        raise BadRow("wrong columns", f"the line has {n}. {_COLUMNS}")
    query_id, _, spelled, rank, score, _ = columns
    if not rank.isdigit():
        shown = rank.decode("utf-8", "replace")[:40]
        raise BadRow("no rank", f"the rank {shown!r} is not a whole number. {_COLUMNS}")
    scores = found.get(query_id)
    if scores is None:
        id_of(decode(query_id))
        scores = found[query_id] = {}
    doc_id = known.get(spelled)
    if doc_id is None:
        if spelled in _SECOND:
            why = f"the third column is {spelled.decode()}, which stands second. {_COLUMNS}"
            raise BadRow("wrong columns", why)
        doc_id = known[spelled] = id_of(decode(spelled))
    if doc_id in scores:
        why = f"document {doc_id!r} occurs twice for query {decode(query_id)!r}"
        raise BadRow("duplicate document", f"{why}. Keep one of the lines")
    scores[doc_id] = _score(score)


def _score(spelled: bytes) -> float:
    try:
        score = float(spelled.replace(b"_", b"?"))  # Python reads 1_0 as 10
    except ValueError:
        shown = spelled.decode("utf-8", "replace")[:40]
        raise BadRow("no score", f"the score {shown!r} is not a number. {_COLUMNS}") from None
    if not -_MOST <= score <= _MOST:
        why = f"the score {score} is not finite in float32, so it gives no rank. Remove the line"
        raise BadRow("no score", why)
    return score


def _check_words(words: Sequence[str], path: Path) -> None:
    for word in words:
        try:
            id_of(word)
        except BadRow as bad:
            raise CorpusError(path, None, f"nothing was written: {bad.why}") from None
        if holds_blank(word):
            why = f"nothing was written: {word!r} holds a blank, where a run's column would end"
            raise CorpusError(path, None, f"{why}. Choose ids without blanks")


def _falling(scores: Sequence[float]) -> list[str]:
    """The scores as the shortest spellings of float32 that fall strictly."""
    given = np.asarray(scores, dtype=np.float64)
    if (np.abs(given) > _GREATEST).any() or np.isnan(given).any():
        raise ValueError("a ranking needs scores that are finite in float32")
    if (given[:-1] < given[1:]).any():
        raise ValueError("a ranking needs its best document first")
    falling = given.astype(np.float32)
    if (falling[:-1] <= falling[1:]).any():
        for n in range(1, len(falling)):
            falling[n] = min(falling[n], np.nextafter(falling[n - 1], _LOWEST))
    spelled: list[str] = falling.astype(str).tolist()
    return spelled
