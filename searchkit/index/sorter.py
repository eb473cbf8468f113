"""Documents that are fed into an index -> which are new, changed, as before; which rows go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from searchkit.errors import ConfigError
from searchkit.index.index import Index
from searchkit.types import Doc, Mask, Rows

_TOGETHER = 8192  # documents looked up together: one pass over the ids of the index for each
_SHOWN = 5  # ids of each kind that a summary remembers


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What becomes of a document whose id the index holds, of one that is new, of the others."""

    existing: Literal["refuse", "skip", "replace"] = "refuse"
    missing: Literal["refuse", "skip", "add"] = "add"
    vanished: Literal["keep", "delete"] = "keep"


ADD = Rule()
UPDATE = Rule(existing="replace", missing="refuse")
SYNC = Rule(existing="replace", vanished="delete")


@dataclass(slots=True)
class Tally:
    """How many documents of one kind there are, and the first ids of them."""

    n: int = 0
    ids: list[str] = field(default_factory=list)

    def count(self, id_: str) -> None:
        self.n += 1
        if len(self.ids) < _SHOWN:
            self.ids.append(id_)


@dataclass(slots=True)
class Summary:
    """What a change does to an index."""

    added: Tally = field(default_factory=Tally)
    replaced: Tally = field(default_factory=Tally)
    deleted: Tally = field(default_factory=Tally)
    unchanged: Tally = field(default_factory=Tally)
    skipped: Tally = field(default_factory=Tally)
    n_before: int = 0  # documents of the index before
    retyped: dict[str, object] = field(default_factory=dict)  # what becomes text -> by what

    @property
    def changes(self) -> bool:
        return bool(self.added.n or self.replaced.n or self.deleted.n)

    @property
    def n_after(self) -> int:
        return self.n_before + self.added.n - self.deleted.n

    def counts(self) -> dict[str, int]:
        """How many of each kind that changes the index."""
        kinds = {"added": self.added, "replaced": self.replaced, "deleted": self.deleted}
        return {name: tally.n for name, tally in kinds.items()}


class Sorter:
    """Sorts documents against an index; `gone` is complete when all of them were sorted."""

    def __init__(self, index: Index, rule: Rule) -> None:
        self._index, self._rule = index, rule
        self.summary = Summary(n_before=len(index))
        self.gone: Mask = np.zeros(index.n_rows, np.bool_)
        self._seen: Mask = np.zeros(index.n_rows, np.bool_)
        self._kinds: dict[str, pa.DataType] | None = None  # of columns that are not text

    def written(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """Of the documents those that have to be written, in their order.

        ConfigError for one that the rule refuses.
        """
        source = iter(docs)
        while batch := list(islice(source, _TOGETHER)):
            rows = self._index.rows_of(doc.id for doc in batch)
            held = self._index.take(np.array([*rows.values()], np.int64))
            stored = {doc.id: doc for doc in held}
            for doc in batch:
                if doc.id in rows:
                    self._seen[rows[doc.id]] = True
                if self._is_written(doc, stored.get(doc.id)):
                    if doc.id in rows:
                        self.gone[rows[doc.id]] = True
                    self._look_at(doc.meta)
                    yield doc
        if self._rule.vanished == "delete":
            alive = self._index.alive
            self.bury(np.flatnonzero(~self._seen if alive is None else ~self._seen & alive))

    def bury(self, rows: Rows) -> None:
        """Count these rows as deleted."""
        self.gone[rows] = True
        self.summary.deleted.n += len(rows)
        self.summary.deleted.ids += self._index.ids(rows[:_SHOWN])

    def _look_at(self, meta: Mapping[str, Any]) -> None:
        """Remember a value that makes a column text which is none: filters on it will not work."""
        if self._kinds is None:
            schema = self._index.table.schema
            self._kinds = {f.name: f.type for f in schema if not pa.types.is_large_string(f.type)}
        for name, kind in self._kinds.items():
            value = meta.get(name)
            if value is not None and name not in self.summary.retyped and not _fits(value, kind):
                self.summary.retyped[name] = value

    def _is_written(self, doc: Doc, stored: Doc | None) -> bool:
        rule, summary = self._rule, self.summary
        if stored is None:
            if rule.missing == "refuse":
                raise ConfigError(
                    f"{self._index.path} holds no document {doc.id!r} to update. Add it with "
                    "`searchkit add`, or say --missing add or skip."
                )
            (summary.added if rule.missing == "add" else summary.skipped).count(doc.id)
            return rule.missing == "add"
        if rule.existing == "refuse":
            raise ConfigError(
                f"{self._index.path} holds a document {doc.id!r} already. Use `searchkit update`, "
                "or say --existing replace or skip."
            )
        if rule.existing == "skip":
            summary.skipped.count(doc.id)
            return False
        as_before = same(doc, stored)
        (summary.unchanged if as_before else summary.replaced).count(doc.id)
        return not as_before


def _fits(value: object, kind: pa.DataType) -> bool:
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    if pa.types.is_nested(kind):
        return isinstance(value, list)
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(fed: Doc, stored: Doc) -> bool:
    """Whether a document is what the index holds of it.

    Metadata is stored by column: a number beside texts is text, a whole one beside fractions a
    fraction.
    """
    if (fed.title, fed.text) != (stored.title, stored.text):
        return False
    meta: Mapping[str, Any] = {k: v for k, v in fed.meta.items() if v is not None}
    return meta.keys() == stored.meta.keys() and all(
        _alike(value, stored.meta[name]) for name, value in meta.items()
    )


def _alike(fed: object, stored: object) -> bool:
    if isinstance(stored, str) and not isinstance(fed, str):
        return json.dumps(fed, ensure_ascii=False) == stored
    if isinstance(stored, float) and isinstance(fed, int):
        return float(fed) == stored
    return type(fed) is type(stored) and fed == stored
