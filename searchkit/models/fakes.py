"""Small models that keep the contracts without weights: for tests, demonstrations and dry runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchkit.models.names import PLAIN, render
from searchkit.types import Doc, Scores, Vectors


@dataclass(frozen=True, slots=True)
class HashEncoder:
    """A bag of hashed words: texts that share words lie close, whatever the order."""

    dim: int = 32
    max_tokens: int = 256  # words beyond it are not read

    @property
    def name(self) -> str:
        return "hash"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"hash {self.dim} {self.max_tokens}".encode()).hexdigest()

    @property
    def languages(self) -> tuple[str, ...]:
        return ()

    def shattered(self, texts: Sequence[str]) -> float:
        return 0.0

    def passage(self, doc: Doc) -> str:
        return render(PLAIN, doc)

    def n_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_words(text)) for text in texts]

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.encode_docs(texts)

    def encode_docs(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in _words(text)[: self.max_tokens]:
                code = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
                vector[code % self.dim] += 1.0 if code >> 63 else -1.0
            if not vector.any():  # no words, or words that cancel: some direction is owed
                vector[0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@dataclass(frozen=True, slots=True)
class OverlapScorer:
    """Scores a pair by the share of the query's words that the passage holds, in [0, 1]."""

    max_tokens: int = 256

    @property
    def name(self) -> str:
        return "overlap"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"overlap {self.max_tokens}".encode()).hexdigest()

    def passage(self, query: str, doc: Doc) -> str:
        return render(PLAIN, doc)

    def n_tokens(self, query: str, passages: Sequence[str]) -> list[int]:
        return [len(_words(query)) + len(_words(passage)) for passage in passages]

    def score(self, query: str, passages: Sequence[str]) -> Scores:
        wanted = set(_words(query))
        room = max(self.max_tokens - len(_words(query)), 0)
        shared = [len(wanted.intersection(_words(passage)[:room])) for passage in passages]
        return np.array(shared, np.float32) / np.float32(max(len(wanted), 1))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
