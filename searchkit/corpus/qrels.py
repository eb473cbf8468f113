"""Judgements <-> files: BEIR's three columns, and TREC's four."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from searchkit.corpus.atomic import replaced
from searchkit.corpus.lines import numbered_lines
from searchkit.corpus.rows import BadRow, decode
from searchkit.corpus.values import id_of
from searchkit.errors import CorpusError
from searchkit.types import Qrels

_HEADER = ("query-id", "corpus-id", "score")
_GRADE_NAMES = {"score", "grade", "rel", "relevance", "label"}  # last column of a header
_GRADE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_LAYOUTS = "query-id, corpus-id and score between tabs, or TREC's: query 0 document grade"
_Split: TypeAlias = Callable[[bytes], list[bytes]]  # a line -> query id, document id, grade


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id -> document id -> grade, in file order; a grade may be negative.

    The first line tells the layout: three columns between tabs (BEIR, with or without its
    header), or four between blanks (TREC; the second is passed over). Either may be .gz.
    CorpusError: a line of another layout, a grade that is no whole number, one pair with two
    grades, no judgement at all.
    """
    qrels: dict[str, dict[str, int]] = {}
    split: _Split | None = None
    with numbered_lines(path) as lines:
        for number, line in lines:
            if not line.strip():
                continue
            try:
                if split is None:
                    split = _layout(line)
                    if _is_header(split(line)):
                        continue
                _add(qrels, split(line))
            except BadRow as bad:
                raise CorpusError(path, number, bad.why) from None
    if not qrels:
        raise CorpusError(path, None, "there is no judgement in it. Check the file")
    return qrels


def refuse_without_relevant(qrels: Qrels, where: Path | str) -> None:
    """CorpusError where no document is relevant, so that every run is worth 0."""
    if not any(grade > 0 for grades in qrels.values() for grade in grades.values()):
        why = "no judgement is above 0, so every measure would be 0; check the grades"
        raise CorpusError(where, None, why)


def write_qrels(path: Path, qrels: Qrels) -> None:
    """BEIR's TSV with its header, whole or not at all; queries without judgements leave no line."""
    with replaced(path) as file:
        file.write("\t".join(_HEADER) + "\n")
        for query_id, grades in qrels.items():
            for doc_id, grade in grades.items():
                file.write(f"{_sound(query_id, path)}\t{_sound(doc_id, path)}\t{grade}\n")


def _layout(line: bytes) -> _Split:
    if len(_between_tabs(line)) == 3:
        return _beir
    return _trec


def _between_tabs(line: bytes) -> list[bytes]:
    return line.rstrip(b"\r").split(b"\t")


def _beir(line: bytes) -> list[bytes]:
    columns = _between_tabs(line)
    if len(columns) != 3:
        why = f"the line has {len(columns)} columns between tabs, not 3. Write {_LAYOUTS}"
        raise BadRow("wrong columns", why)
    return columns


def _trec(line: bytes) -> list[bytes]:
    columns = line.split()
    if len(columns) != 4:
        raise BadRow("wrong columns", f"the line has {len(columns)} columns. Write {_LAYOUTS}")
    return [columns[0], *columns[2:]]


def _is_header(columns: list[bytes]) -> bool:
    return columns[2].strip().lower().decode("ascii", "replace") in _GRADE_NAMES


def _add(qrels: dict[str, dict[str, int]], columns: list[bytes]) -> None:
    query_id, doc_id, spelled = (decode(column) for column in columns)
    if not _GRADE.fullmatch(spelled):
        why = f"the grade {spelled[:40]!r} is not a whole number. Write e.g. 0, 1, 2"
        raise BadRow("no grade", why)
    grades = qrels.setdefault(id_of(query_id), {})
    grade = int(spelled)
    if grades.setdefault(id_of(doc_id), grade) != grade:
        why = (
            f"document {doc_id!r} has grade {grades[doc_id]} and grade {grade} for query "
            f"{query_id!r}. Keep one of them"
        )
        raise BadRow("two grades", why)


def _sound(id_: str, path: Path) -> str:
    try:
        return id_of(id_)
    except BadRow as bad:
        raise CorpusError(path, None, f"nothing was written: {bad.why}") from None
