"""What `searchkit.add`, `update`, `delete` and `sync` do: a corpus or ids -> one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from searchkit.corpus.read import Corpus, ReadLedger, ReadOptions, read_corpus
from searchkit.corpus.values import kind_of, quoted
from searchkit.errors import ConfigError
from searchkit.evaluate.sizes import count
from searchkit.index import generation as generations
from searchkit.index.build import Watch
from searchkit.index.change import ChangeConfig, Changed, change_index, delete_rows
from searchkit.index.collect import PLAIN, CommitOptions
from searchkit.index.compact import after_commit
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import Generation
from searchkit.index.index import Index
from searchkit.index.sorter import ADD, SYNC, UPDATE, Rule, Summary
from searchkit.models.device import Device
from searchkit.retrieve.filters import parse
from searchkit.search.stored import stored_choice
from searchkit.types import Rows

_SHOWN = 5
_OF_COMMIT = ("keep", "wait")
_MASS = 0.5  # share of an index that no sync deletes unasked


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions:
    """How an index is changed, whatever the change."""

    read: ReadOptions = field(default_factory=ReadOptions)
    device: Device = "auto"
    trust_remote_code: bool = False
    dry_run: bool = False  # count, and change nothing
    force: bool = False  # delete however much it is
    agree: Callable[[Summary], None] = lambda summary: None  # hears what will be done, or raises
    commit: CommitOptions = PLAIN
    ledger: ReadLedger = field(default_factory=ReadLedger)  # counts what was read
    n_docs: int = 0  # of the corpus: an estimate for progress
    watch: Watch = lambda phase: lambda done, total: None

    @classmethod
    def of(cls, verb: str, given: Mapping[str, Any]) -> ChangeOptions:
        """The keywords that `searchkit.VERB` was called with; keep and wait are of the commit.

        TypeError for a keyword that is none.
        """
        names = [one.name for one in fields(cls)]
        names += [name for name in _OF_COMMIT if "commit" not in given]
        if unknown := [name for name in given if name not in names]:
            raise TypeError(f"{verb}() has no option {unknown[0]!r}, only {', '.join(names)}")
        own = {name: value for name, value in given.items() if name not in _OF_COMMIT}
        commit = {name: given[name] for name in _OF_COMMIT if name in given}
        return cls(**{"commit": CommitOptions(**commit)} | own)


def add(
    index: str | Path,
    corpus: Corpus,
    *,
    existing: Literal["refuse", "skip", "replace"] = "refuse",
    options: ChangeOptions | None = None,
) -> Changed:
    """Add documents to an index, from files as `build` reads them or as they are.

    existing: what becomes of one whose id the index holds. ConfigError where it is refused,
    CorpusError for one that `read_corpus` refuses. No document at all changes nothing.
    """
    _refuse_other("existing", existing, ("refuse", "skip", "replace"))
    return _feed(Path(index), corpus, replace(ADD, existing=existing), options or ChangeOptions())


def update(
    index: str | Path,
    corpus: Corpus,
    *,
    missing: Literal["refuse", "skip", "add"] = "refuse",
    options: ChangeOptions | None = None,
) -> Changed:
    """Put documents in the place of those of their ids; one that has not changed stays.

    missing: what becomes of one whose id the index does not hold.
    """
    _refuse_other("missing", missing, ("refuse", "skip", "add"))
    return _feed(Path(index), corpus, replace(UPDATE, missing=missing), options or ChangeOptions())


def sync(
    index: str | Path,
    corpus: Corpus,
    *,
    options: ChangeOptions | None = None,
) -> Changed:
    """Make an index hold what the corpus holds: add, replace and delete what it takes.

    ConfigError where more than half of the documents would go, without `force`.
    """
    return _feed(Path(index), corpus, SYNC, options or ChangeOptions())


def delete(
    index: str | Path,
    ids: str | Iterable[str] = (),
    *,
    where: str | None = None,
    missing: Literal["refuse", "skip"] = "refuse",
    options: ChangeOptions | None = None,
) -> Changed:
    """Delete documents by id, by a filter, or both: those with one of the ids that pass.

    ids: several, or a string, which is one. missing: what becomes of an id that the index does not
    hold. ConfigError where neither is given, an unknown id is refused, or one is no string.
    """
    _refuse_other("missing", missing, ("refuse", "skip"))
    options, ids = options or ChangeOptions(), _named(ids)
    if not ids and where is None:
        raise ConfigError("nothing says what to delete. Name ids, or a filter with --where.")
    given = parse(where) if where is not None else None

    def choose(opened: Index) -> Rows:
        rows = np.arange(opened.n_rows)
        if ids:
            found = opened.rows_of(ids)
            _refuse_unknown(opened.path, [id_ for id_ in ids if id_ not in found], missing)
            rows = np.array(sorted(found.values()), np.int64)
        elif opened.alive is not None:
            rows = rows[opened.alive]
        return rows if given is None else rows[given.mask(opened.table)[rows]]

    changed = delete_rows(
        Path(index), choose, dry_run=options.dry_run, agree=options.agree, commit=options.commit
    )
    return _settled(Path(index), changed, options)


def _refuse_other(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} is one of {', '.join(choices)}, not {value!r}.")


def _named(ids: str | Iterable[str]) -> list[str]:
    """The ids as a list; a string is one id, not its letters."""
    named = [ids] if isinstance(ids, str) else list(ids)
    for n, id_ in enumerate(named, 1):
        if not isinstance(id_, str):
            raise ConfigError(f"id {n} to delete is {kind_of(id_)}. Write it as a string.")
    return named


def _refuse_unknown(index: Path, unknown: Sequence[str], missing: str) -> None:
    if unknown and missing == "refuse":
        named = ", ".join(map(quoted, unknown[:_SHOWN])) + (
            ", ..." if len(unknown) > _SHOWN else ""
        )
        raise ConfigError(
            f"{index} holds no document {named}. Ids are as in the corpus; --missing skip passes "
            "over what is not there."
        )


def _feed(
    index: Path,
    corpus: Corpus,
    rule: Rule,
    options: ChangeOptions,
) -> Changed:
    live = generations.read(index)
    read = options.read
    if not read.columns and (known := live.ledger.get("columns")):
        read = replace(read, columns=known)  # those with which the index was built

    def dense(live: Generation) -> Sequence[DenseChoice]:
        return [
            stored_choice(
                index, record, device=options.device, trust_remote_code=options.trust_remote_code
            )
            for record in live.encoders
        ]

    def agree(summary: Summary) -> None:
        options.agree(summary)
        if not options.force:
            _refuse_mass(index, summary)
            _refuse_unread(summary, options.ledger)

    config = ChangeConfig(
        rule=rule, dense=dense, agree=agree, dry_run=options.dry_run, commit=options.commit
    )
    docs = read_corpus(corpus, read, ledger=options.ledger)
    changed = change_index(index, docs, config, n_docs=options.n_docs, watch=options.watch)
    return _settled(index, changed, options)


def _settled(index: Path, changed: Changed, options: ChangeOptions) -> Changed:
    """The change, which is there to be read by now, after the merges that it made due."""
    if changed.generation is None:
        return changed
    return replace(changed, settled=after_commit(index, options.watch))


def _refuse_unread(summary: Summary, ledger: ReadLedger) -> None:
    """What stands in a row that could not be read has not vanished from the corpus."""
    if summary.deleted.n and ledger.n_skipped:
        raise ConfigError(
            f"{count(ledger.n_skipped, 'row')} of the corpus could not be read, and what stood "
            f"there would be among the {summary.deleted.n:,} deleted. Mend that; --force deletes "
            "anyway."
        )


def _refuse_mass(index: Path, summary: Summary) -> None:
    if summary.deleted.n > _MASS * summary.n_before:
        raise ConfigError(
            f"{summary.deleted.n:,} of the {summary.n_before:,} documents of {index} are not in "
            "the corpus and would be deleted. Check that it is the right one, and whole; --force "
            "deletes them."
        )
