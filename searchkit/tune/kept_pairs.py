"""Scores of a reranker -> a file that grows with them, so that a stopped measurement goes on."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from searchkit.home import home
from searchkit.protocols import PairScorer
from searchkit.types import Doc, Scores

MAX_BYTES = 64 << 20  # of one model: three million pairs; a fuller file is begun anew
MAX_FILES = 8  # models that are remembered; the one that was used longest ago goes
_RECORD = np.dtype([("pair", "V16"), ("score", "<f4")])


class KeptPairs:
    """A reranker that remembers what it said of a pair, in this run and in those before.

    A score is found by the model's fingerprint and the exact texts of query and passage, whatever
    index, settings or judgements it is wanted for. Where the file cannot be written, or another
    run has it, scores are remembered in this run alone.
    """

    def __init__(self, scorer: PairScorer, file: BinaryIO | None) -> None:
        self._scorer, self._file = scorer, file
        self._known: dict[bytes, float] = {}
        self.n_scored = 0  # pairs that the model read in this run
        if file is not None:
            self._known = _read(file)
        self.n_kept = len(self._known)  # scores of earlier runs

    @property
    def name(self) -> str:
        return self._scorer.name

    @property
    def fingerprint(self) -> str:
        return self._scorer.fingerprint

    @property
    def max_tokens(self) -> int:
        return self._scorer.max_tokens

    def passage(self, query: str, doc: Doc) -> str:
        return self._scorer.passage(query, doc)

    def n_tokens(self, query: str, passages: Sequence[str]) -> list[int]:
        return self._scorer.n_tokens(query, passages)

    def score(self, query: str, passages: Sequence[str]) -> Scores:
        pairs = [_pair(query, passage) for passage in passages]
        unknown = dict.fromkeys(pair for pair in pairs if pair not in self._known)
        if unknown:
            texts = dict(zip(pairs, passages, strict=True))
            scores = self._scorer.score(query, [texts[pair] for pair in unknown])
            self._known.update(zip(unknown, scores.tolist(), strict=True))
            self.n_scored += len(unknown)
            self._keep(list(unknown), scores)
        return np.array([self._known[pair] for pair in pairs], np.float32)

    def _keep(self, pairs: list[bytes], scores: Scores) -> None:
        if self._file is None:
            return
        records = np.empty(len(pairs), _RECORD)
        records["pair"], records["score"] = np.array(pairs, "V16"), scores
        with contextlib.suppress(OSError):  # a full disk costs a later run its time, nothing else
            self._file.write(records.tobytes())
            self._file.flush()


@contextmanager
def kept(scorer: PairScorer) -> Iterator[KeptPairs]:
    """The reranker with its memory, whose file is this run's alone until the block ends."""
    file = _open(home() / "pair_scores" / f"{scorer.fingerprint[:24]}.bin")
    try:
        yield KeptPairs(scorer, file)
    finally:
        if file is not None:
            file.close()


def _open(path: Path) -> BinaryIO | None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _forget(path)
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return file
    return None


def _forget(path: Path) -> None:
    """Remove what was used longest ago, but for the file that is wanted now."""
    others = [one for one in path.parent.glob("*.bin") if one != path]
    others.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    for one in others[MAX_FILES - 1 :]:
        one.unlink(missing_ok=True)


def _read(file: BinaryIO) -> dict[bytes, float]:
    file.seek(0)
    held = file.read()
    whole = len(held) // _RECORD.itemsize
    if len(held) > MAX_BYTES:
        whole = 0
    file.truncate(whole * _RECORD.itemsize)  # a kill may have left half a record
    records = np.frombuffer(held, _RECORD, count=whole)
    return dict(zip(records["pair"].tolist(), records["score"].tolist(), strict=True))


def _pair(query: str, passage: str) -> bytes:
    text = f"{len(query)}\0{query}{passage}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
