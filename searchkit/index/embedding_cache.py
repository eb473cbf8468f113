"""Texts that any index of this machine had encoded -> their vectors, from one bounded file.

A SQLite file under SEARCHKIT_HOME, shared by all indexes and processes. It may be deleted at any
time, and whatever is wrong with it costs time and never a build.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ConfigError, FormatError
from searchkit.home import home
from searchkit.index.shards import Found, Shard

BOUND_MB = 4096  # about 5 million vectors of minilm
PATIENCE_S = 5.0  # waited for another process that writes; its transactions take milliseconds

_CURE = "It only saves time: delete the file if this comes again."
_LOG = logging.getLogger(__name__)
_KEYS = 500  # asked for in one query
_BATCH = 4096  # vectors that come in, are used and go together, at most
_ROOM = 1 << 20  # ids of a batch: more than _BATCH, so that an id tells its batch
_OVERHEAD = 64  # bytes that a row takes beside its vector: two keys, checksum, headers
_SCHEMA = """
PRAGMA page_size = 8192;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY, used INTEGER NOT NULL, n_vectors INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS batches_used ON batches (used);
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, n_tokens INTEGER NOT NULL,
    vector BLOB NOT NULL, checksum INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What lies in the cache, for people."""

    path: Path
    n_vectors: int
    n_bytes: int  # of the file
    bound: int  # bytes; 0: the cache is off


def bound_bytes() -> int:
    """How large the cache may grow: SEARCHKIT_CACHE_MB million bytes, 0 turns it off."""
    said = os.environ.get("SEARCHKIT_CACHE_MB", "").strip() or str(BOUND_MB)
    if not (said.isascii() and said.isdigit()):
        why = "is no whole number of megabytes. Write one, or 0 for no cache."
        raise ConfigError(f"SEARCHKIT_CACHE_MB={said} {why}")
    return int(said) * 10**6


class EmbeddingCache:
    """Vectors by what they were made of; those that were not used for longest go first.

    Open inside `with`; outside it, and once the file could not be used, it holds nothing and takes
    nothing. `problem` is the first thing that was wrong, and was logged.
    """

    def __init__(
        self, path: Path | None = None, *, bound: int | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self.path = path or home() / "embeddings-1.sqlite"
        self.bound = bound_bytes() if bound is None else bound
        self.problem, self._failed = "", False
        self._patience_s = patience_s
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> EmbeddingCache:
        if self.bound and not self._failed:
            with self._spared():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # autocommit: transactions begin where they are written, below
                self._database = sqlite3.connect(
                    self.path, timeout=self._patience_s, isolation_level=None
                )
                self._database.executescript(_SCHEMA)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    def get(self, space: str, digests: NDArray[np.uint64], *, dim: int, dtype: str) -> Found:
        """The vectors that are there, of texts named by their digests: (n, 2).

        space: all that shapes a vector but the text: its encoder's fingerprint and stored type.
        """
        at: list[int] = []
        vectors: list[bytes] = []
        n_tokens: list[int] = []
        with self._spared():
            keys = _keys(space, digests)
            rows = self._rows(keys, dim * np.dtype(dtype).itemsize)
            for n, key in enumerate(keys):
                if key in rows:
                    at.append(n)
                    n_tokens.append(rows[key][0])
                    vectors.append(rows[key][1])
        found = np.frombuffer(b"".join(vectors), dtype).reshape(len(vectors), dim)
        return Found.finite(np.array(at, np.int64), Shard(found, np.array(n_tokens, np.int64)))

    def put(self, space: str, digests: NDArray[np.uint64], shard: Shard) -> None:
        """Keep the vectors of these texts, and let go of what is over the bound."""
        whole = np.flatnonzero(np.isfinite(shard.vectors).all(axis=1))
        for start in range(0, len(whole), _BATCH):
            batch = whole[start : start + _BATCH]
            keys = _keys(space, digests[batch])
            with self._spared():
                self._insert([_row(key, shard, n) for key, n in zip(keys, batch, strict=True)])

    def _rows(self, keys: Sequence[bytes], n_bytes: int) -> dict[bytes, tuple[int, bytes]]:
        """Length and vector of each key that is there; what was found is used as of now."""
        found: dict[bytes, tuple[int, bytes]] = {}
        used, damaged = set(), []
        for start in range(0, len(keys), _KEYS):
            some = keys[start : start + _KEYS]
            marks = ",".join("?" * len(some))
            query = (
                f"SELECT id, key, n_tokens, vector, checksum FROM vectors WHERE key IN ({marks})"
            )
            for name, *row in self._run(query, some):
                if _is_sound(row, n_bytes):
                    found[row[0]] = (row[1], row[2])
                    used.add(name // _ROOM)
                else:
                    damaged.append(name)
        self._touch(used)
        self._forget(damaged)
        return found

    def _insert(self, rows: Sequence[tuple[bytes, int, bytes, int]]) -> None:
        n_bytes = sum(len(vector) + _OVERHEAD for _, _, vector, _ in rows)
        if self._database is None or n_bytes > self.bound:
            return
        self._make_room(n_bytes)
        with self._transaction():
            latest = "SELECT coalesce(max(used), 0) + 1, coalesce(max(id), 0) + 1 FROM batches"
            [(used, batch)] = self._run(latest)
            before = self._database.total_changes
            self._database.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?, ?)",
                ((batch * _ROOM + n, *row) for n, row in enumerate(rows)),
            )
            n_vectors = self._database.total_changes - before
            self._run("INSERT INTO batches VALUES (?, ?, ?)", (batch, used, n_vectors))
        self._make_room(0)

    def _make_room(self, n_bytes: int) -> None:
        """Let batches go, the least recently used first, each in a short transaction."""
        while self._used() + n_bytes > self.bound:
            with self._transaction():
                oldest = self._run("SELECT id FROM batches ORDER BY used, id LIMIT 1")
                for (batch,) in oldest:
                    ids = (batch * _ROOM, (batch + 1) * _ROOM)
                    self._run("DELETE FROM vectors WHERE id >= ? AND id < ?", ids)
                    self._run("DELETE FROM batches WHERE id = ?", (batch,))
            if not oldest:
                break
        n_bytes = self._pragma("page_count") * self._pragma("page_size")
        if self._database is not None and n_bytes > self.bound:
            self._database.executescript("PRAGMA incremental_vacuum")  # execute stops at one page

    def _touch(self, batches: set[int]) -> None:
        if batches:
            latest = "(SELECT max(used) + 1 FROM batches)"
            with self._transaction():
                for batch in sorted(batches):
                    self._run(f"UPDATE batches SET used = {latest} WHERE id = ?", (batch,))

    def _forget(self, ids: Sequence[int]) -> None:
        """Drop vectors that are not what was written: they will be encoded and kept again."""
        if ids:
            self._say(f"{len(ids)} of its vectors are damaged and are encoded again")
            with self._transaction():
                for damaged in ids:
                    self._run("DELETE FROM vectors WHERE id = ?", (damaged,))

    def _used(self) -> int:
        n_pages = self._pragma("page_count") - self._pragma("freelist_count")
        return n_pages * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return sum(value for (value,) in self._run(f"PRAGMA {name}"))

    def _run(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return [] if self._database is None else self._database.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else writes meanwhile; what a kill leaves is undone."""
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        finally:
            if self._database is not None:
                with suppress(sqlite3.Error):
                    self._database.rollback()  # where it was not committed

    @contextmanager
    def _spared(self) -> Iterator[None]:
        """Whatever the file or the disk refuses ends the cache for this run, nothing else."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._failed = True
            self._say(f"{error}, so this run goes on without it")
            self.__exit__(None, None, None)

    def _say(self, what: str) -> None:
        if not self.problem:
            self.problem = what
            _LOG.warning("The embedding cache %s: %s. %s", self.path, what, _CURE)


def facts() -> CacheFacts:
    """What the cache holds now; it is neither made nor changed. A damaged one holds nothing."""
    cache = EmbeddingCache()
    if not cache.path.is_file():
        return CacheFacts(cache.path, 0, 0, cache.bound)
    try:
        with closing(sqlite3.connect(f"{cache.path.as_uri()}?mode=ro", uri=True)) as database:
            [(n_vectors,)] = database.execute("SELECT coalesce(sum(n_vectors), 0) FROM batches")
    except sqlite3.Error as error:
        raise FormatError(cache.path, f"is no embedding cache ({error})", _CURE) from error
    return CacheFacts(cache.path, n_vectors, cache.path.stat().st_size, cache.bound)


def _keys(space: str, digests: NDArray[np.uint64]) -> list[bytes]:
    """What names the vector of a text: 16 bytes, as digests have, for the same reason."""
    begun = hashlib.sha256(space.encode())
    keys = []
    for digest in digests:
        whole = begun.copy()
        whole.update(digest.tobytes())
        keys.append(whole.digest()[:16])
    return keys


def _row(key: bytes, shard: Shard, n: int) -> tuple[bytes, int, bytes, int]:
    n_tokens, vector = int(shard.n_tokens[n]), shard.vectors[n].tobytes()
    return key, n_tokens, vector, _checksum(key, n_tokens, vector)


def _checksum(key: bytes, n_tokens: int, vector: bytes) -> int:
    """Of a whole row: SQLite tells a broken page, not a flipped bit of a value."""
    return zlib.crc32(vector, zlib.crc32(key + n_tokens.to_bytes(8, "little", signed=True)))


def _is_sound(row: Sequence[Any], n_bytes: int) -> bool:
    key, n_tokens, vector, checksum = row
    typed = isinstance(n_tokens, int) and isinstance(vector, bytes)
    return typed and len(vector) == n_bytes and checksum == _checksum(key, n_tokens, vector)
