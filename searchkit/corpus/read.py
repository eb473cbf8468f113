"""Corpus files -> documents, streamed; every row that is not one is a sentence or is counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO, TypeAlias, cast

from searchkit.corpus.given import given_rows
from searchkit.corpus.intake import ACCEPTED, Intake
from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.rows import RAW_CHARS, BadRow, Rows
from searchkit.corpus.sources import FORMATS, Source, resolve
from searchkit.corpus.values import holds_blank, quoted
from searchkit.errors import ConfigError, CorpusError, StorageError
from searchkit.types import Doc

__all__ = ["Corpus", "ReadLedger", "ReadOptions", "read_corpus", "read_docs"]

Corpus: TypeAlias = str | Path | Sequence[str | Path] | Iterable[Doc]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a corpus is read.

    Without a mapping, id is the column `_id` or `id`, title is `title` (may be absent), text is
    `text` or `abstract`; the first that a row has. All other columns are metadata.
    """

    columns: Mapping[str, str] = field(default_factory=dict)  # id, title or text -> column
    on_error: Literal["stop", "skip"] = "stop"
    rejects: Path | None = None  # JSONL of the rows that `skip` left out
    fix_text: bool = False  # repair titles and texts read with a wrong code page
    format: str | None = None  # of standard input and of names that do not tell it, or of a .json
    hub_split: str = "train"
    hub_revision: str | None = None

    def __post_init__(self) -> None:
        """All settings out of range, in one ConfigError."""
        faults = [
            f"there is no field {ours!r} to map, only {', '.join(ACCEPTED)}"
            for ours in self.columns
            if ours not in ACCEPTED
        ]
        if len(set(self.columns.values())) < len(self.columns):
            faults.append("one column is mapped twice")
        if self.on_error not in ("stop", "skip"):
            faults.append(f"on_error is stop or skip, not {self.on_error!r}")
        if self.format is not None and self.format not in FORMATS:
            faults.append(f"the format is one of {', '.join(FORMATS)}, not {self.format!r}")
        if faults:
            raise ConfigError("; ".join(faults))


def read_corpus(corpus: Corpus, options: ReadOptions, *, ledger: ReadLedger) -> Iterator[Doc]:
    """The documents of sources as `read_docs` reads them, or those that are given themselves.

    Given documents are checked like rows: id and texts are strings without half a surrogate pair,
    the id is not empty and unique, there is a title or a text, and metadata is str, int, float,
    bool, list of str, or None, which is left out. CorpusError names a bad one by its position from
    1, where `on_error` is stop. No document at all is none.
    """
    if isinstance(corpus, str | Path):
        return read_docs([str(corpus)], options, ledger=ledger)
    if isinstance(corpus, Sequence) and corpus and all(isinstance(c, str | Path) for c in corpus):
        return read_docs([str(source) for source in corpus], options, ledger=ledger)
    return _given(given_rows(cast(Iterable[Doc], corpus)), options, ledger)


def _given(rows: Rows, options: ReadOptions, ledger: ReadLedger) -> Iterator[Doc]:
    intake = Intake({}, fix_text=options.fix_text, ledger=ledger)
    with closing(_Rejects(options, ledger)) as rejects:
        yield from _docs(rows, intake, rejects, ledger)


def read_docs(sources: Sequence[str], options: ReadOptions, *, ledger: ReadLedger) -> Iterator[Doc]:
    """The documents of all sources, one after another; ids are unique over all of them.

    A source is a file (`.jsonl`, `.csv`, `.tsv`, `.bib`, `.ris`, each also `.gz`, or `.parquet`), a
    folder with `corpus.jsonl` or `corpus.jsonl.gz`, `-` for standard input, or
    `hf:NAME[:CONFIG]`. A JSON file of works of OpenAlex or records of arXiv is known by its first
    object, unless columns are mapped. That all of them exist is checked before the first is read.
    Memory holds one block of rows and 12 bytes
    an id. CorpusError: a file that cannot be read, a bad row where `on_error` is stop, no
    document at all. The ledger is filled on the way.
    """
    found = resolve(
        sources,
        fallback=options.format,
        split=options.hub_split,
        revision=options.hub_revision,
        plain=bool(options.columns),
    )
    _refuse_rejects(options.rejects, found)
    return _stream(found, options, ledger)


def _refuse_rejects(rejects: Path | None, found: Sequence[Source]) -> None:
    """Rows that are rejected must not be written into the file they are read from."""
    for source in found:
        path = Path(source.where)
        if rejects is not None and rejects.exists() and path.exists() and rejects.samefile(path):
            why = "is part of the corpus and cannot take the rejected rows. Choose another file"
            raise CorpusError(rejects, None, why)


def _stream(found: Sequence[Source], options: ReadOptions, ledger: ReadLedger) -> Iterator[Doc]:
    intake = Intake(options.columns, fix_text=options.fix_text, ledger=ledger)
    n_before = ledger.n_docs
    with closing(_Rejects(options, ledger)) as rejects:
        for source in found:
            with closing(source.rows(ledger)) as rows:
                yield from _docs(rows, intake, rejects, ledger)
    if ledger.n_docs == n_before:
        raise _nothing(found, ledger)


def _docs(rows: Rows, intake: Intake, rejects: _Rejects, ledger: ReadLedger) -> Iterator[Doc]:
    parse, meta, make = rows.parse, rows.meta, intake.doc
    for line, raw in rows.numbered:
        try:
            doc = make(parse(raw), meta)
        except BadRow as bad:
            rejects.take(bad, where=rows.where, line=line, row=rows.spell(raw))
            continue
        if holds_blank(doc.id):
            ledger.n_blank_ids += 1
            ledger.first_blank_id = (
                ledger.first_blank_id or f"{quoted(doc.id)} at {rows.where}:{line}"
            )
        yield doc


def _nothing(found: Sequence[Source], ledger: ReadLedger) -> CorpusError:
    where = ", ".join(source.where for source in found)
    if ledger.n_skipped:
        why = ", ".join(f"{n} {reason}" for reason, n in ledger.reasons.most_common())
        return CorpusError(where, None, f"no document is left, all rows were skipped: {why}")
    return CorpusError(where, None, "there is no document in it. Check the file")


class _Rejects:
    """Where bad rows go: an error, or a count and, where a path is given, a file.

    The file is there from the start: what cannot be written is not found out hours later, and what
    an earlier reading rejected does not stay.
    """

    def __init__(self, options: ReadOptions, ledger: ReadLedger) -> None:
        self._options, self._ledger = options, ledger
        self._path = options.rejects if options.on_error == "skip" else None
        self._file: TextIO | None = None
        if self._path is not None:
            with self._told(self._path):
                self._file = self._path.open("w", encoding="utf-8", errors="backslashreplace")

    def take(self, bad: BadRow, *, where: str, line: int, row: str) -> None:
        if self._options.on_error == "stop":
            raise CorpusError(where, line, bad.why) from None
        self._ledger.n_skipped += 1
        self._ledger.reasons[bad.reason] += 1
        if self._path is not None and self._file is not None:
            reject = {"where": where, "line": line, "why": bad.why, "row": row[:RAW_CHARS]}
            with self._told(self._path):
                self._file.write(json.dumps(reject, ensure_ascii=False) + "\n")
                self._file.flush()

    @contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = f"rejected rows cannot be written ({error.strerror}). Choose another file"
            self.close()
            raise StorageError(f"{path}: {why}") from error

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # every row was flushed: what fails here was told before
                self._file.close()
