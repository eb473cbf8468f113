"""What a stage must be able to do. Every verb takes a batch and returns a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from searchkit.types import Doc, Mask, Ranking, Row, Scores, TermRuns, Vectors

if TYPE_CHECKING:
    import pyarrow as pa

Progress: TypeAlias = Callable[[int, int], None]  # (done, total); total 0 where it is unknown
Tokens: TypeAlias = Sequence[int]  # ids, without special tokens
TokenLookup: TypeAlias = Callable[[Row], Tokens | None]  # None where a row has none


@dataclass(frozen=True, slots=True)
class Reading:
    """What a scorer reads of a document whatever is asked: the key of stored tokens."""

    tokenizer: str  # hash of all that shapes the ids
    template: str  # of the passage
    limit: int  # tokens from its start; more of them change no score


class Analyzer(Protocol):
    @property
    def config(self) -> dict[str, Any]:
        """What names this analyzer and its parameters: stored in the index, JSON."""
        ...

    def runs(self, texts: pa.Array) -> TermRuns:
        """The terms of every text of a string array, as ids."""
        ...

    def terms(self, text: str) -> list[str]:
        """Index terms of one text, in order, repeats kept; the same as in a batch."""
        ...


class Encoder(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def fingerprint(self) -> str:
        """Hash of all that shapes a vector: an index built with one encoder refuses another."""
        ...

    @property
    def max_tokens(self) -> int: ...

    def passage(self, doc: Doc) -> str:
        """The exact text that stands for the document."""
        ...

    def n_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens before truncation, special tokens included."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes that the model is made for; empty where nobody says."""
        ...

    def shattered(self, texts: Sequence[str]) -> float:
        """Share of the texts' pieces that are unknown or a single character: noise to it."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors: ...
    def encode_docs(self, texts: Sequence[str]) -> Vectors: ...


class Retriever(Protocol):
    def retrieve(
        self, queries: Sequence[str], k: int, allowed: Mask | None = None
    ) -> list[Ranking]:
        """The k best rows of each query among the allowed ones."""
        ...


class PairScorer(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str:
        """Hash of all that shapes a score."""
        ...

    @property
    def max_tokens(self) -> int: ...

    def passage(self, query: str, doc: Doc) -> str:
        """The exact text that stands for the document when this query is asked."""
        ...

    def n_tokens(self, query: str, passages: Sequence[str]) -> list[int]:
        """Length of each pair in tokens before truncation, special tokens included."""
        ...

    def score(self, query: str, passages: Sequence[str]) -> Scores:
        """Relevance of each passage: (n,) float32, higher is better, unbounded.

        A score does not depend on the other passages of the call.
        """
        ...


@runtime_checkable
class TokenScorer(Protocol):
    """A pair scorer that need not tokenise what an index has tokenised for it."""

    @property
    def reading(self) -> Reading | None:
        """None where what it reads of a document depends on the query."""
        ...

    def score_stored(self, query: str, passages: Sequence[str | Tokens]) -> Scores:
        """As `score`, bit for bit. passages: texts, or tokens stored under its `reading`."""
        ...


class Fuser(Protocol):
    def __call__(self, rankings: Sequence[Ranking], k: int, /) -> Ranking: ...


class DocLookup(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, row: Row, /) -> Doc: ...


@runtime_checkable
class TokenStore(Protocol):
    """A lookup of documents that may hold their tokens as well; nothing may require one."""

    def tokens(self, reading: Reading) -> TokenLookup:
        """The tokens of each row that a scorer of this reading would make of it."""
        ...
