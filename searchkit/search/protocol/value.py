"""A search -> the value that says what was done, and a line of a file for it and each query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.errors import CorpusError, FormatError
from searchkit.index import disk
from searchkit.search.pipeline import Pipeline
from searchkit.types import Doc, Query, Scores

FORMAT = 1
OLDEST_READABLE = 1
MARK = "searchkit_protocol"  # key of the format in the first line: what tells the file from others
_DIGITS = 16  # of a document's digest: two of a corpus meet by chance in one of 10^7 corpora


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """The index that was searched, as it was."""

    path: str  # as it was given
    generation: int
    fingerprint: str  # of the generation's documents and parts
    content: Mapping[str, str]  # fingerprint of each kind of them
    n_docs: int
    analyzer: str
    pipeline: Mapping[str, Any]  # that the index itself would have run


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How queries were ranked: everything that decides it, and what it ran on."""

    stage: str
    k: int
    where: str | None
    lexical: str  # who ranked by BM25
    batch: int  # queries ranked together: a batch of another size moves last bits of vectors
    pipeline: Pipeline  # that ran, with all its settings
    index: IndexState
    encoders: Mapping[str, str]  # name -> fingerprint, of those that took part
    reranker: str | None  # fingerprint of the pipeline's, where it took part
    versions: Mapping[str, str]  # of the packages that shape these rankings
    device: str
    written: str  # ISO 8601, UTC

    def to_dict(self) -> dict[str, Any]:
        """What JSON stores; `from_dict` reads it back."""
        return {MARK: FORMAT, **asdict(self), "pipeline": self.pipeline.to_dict()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], path: Path) -> Protocol:
        """What `to_dict` gave. FormatError for another version, CorpusError for anything else."""
        _check_format(stored, path)
        try:
            values = {key: value for key, value in stored.items() if key != MARK}
            values["pipeline"] = Pipeline.from_dict(values["pipeline"])
            values["index"] = IndexState(**values["index"])
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise CorpusError(
                path, 1, f"the line does not hold what a protocol holds. {_COPY}"
            ) from (None)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One query and what was found for it, best first."""

    query: Query
    ids: list[str]
    scores: Scores  # (n,) float32
    digests: Mapping[str, str]  # id -> digest of the documents that no entry before this one has
    left_out: str | None = None  # a paper that was the query itself

    def to_dict(self) -> dict[str, Any]:
        """What orjson stores, scores as the shortest spelling of their float32."""
        line: dict[str, Any] = {"id": self.query.id, "text": self.query.text}
        if self.left_out is not None:
            line["left_out"] = self.left_out
        return {**line, "documents": self.ids, "scores": self.scores, "digests": self.digests}

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> Entry:
        """What `to_dict` gave. KeyError, TypeError or ValueError for anything else."""
        scores = np.array(line["scores"], np.float32)
        if scores.shape != (len(line["documents"]),):
            raise ValueError(f"{len(line['documents'])} documents, scores {scores.shape}")
        query = Query(line["id"], line["text"])
        return cls(query, line["documents"], scores, line["digests"], line.get("left_out"))


def digest(doc: Doc) -> str:
    """Whether a document has the title and the text that it had."""
    return disk.sha256_of(doc.title, doc.text)[:_DIGITS]


_COPY = "Bring the file back as it was written"


def _check_format(stored: object, path: Path) -> None:
    found = stored.get(MARK) if isinstance(stored, Mapping) else None
    if not isinstance(found, int):
        why = "this is no protocol of a search. Name what --protocol has written"
        raise CorpusError(path, 1, why)
    if not OLDEST_READABLE <= found <= FORMAT:
        why = f"a protocol of format {found}, this searchkit reads {OLDEST_READABLE} to {FORMAT}"
        raise FormatError(path, why, "Install a matching searchkit.")
