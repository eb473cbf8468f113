"""Queries through a searcher -> their rankings, and the protocol of what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.evaluate.machine import versions
from searchkit.index.content import content
from searchkit.protocols import Progress
from searchkit.retrieve.bm25 import BM25Retriever
from searchkit.search.choose import choose
from searchkit.search.protocol.file import ProtocolWriter, writing
from searchkit.search.protocol.value import Entry, IndexState, Protocol, digest
from searchkit.search.searcher import BATCH, Searcher, clean, positive
from searchkit.types import Hit, Query, Ranking, Scores

RERANKED_BATCH = 8  # queries ranked together where each takes a second
_LEXICAL = ("searchkit", "numpy", "pyarrow", "PyStemmer", "stop-words", "numba")
_MODELS = (
    *("torch", "transformers", "tokenizers", "sentence-transformers"),
    *("faiss-cpu", "faiss-gpu-cu12"),
)


class Recorder:
    """Writes down what was found, and of each document once what it was."""

    def __init__(self, writer: ProtocolWriter, searcher: Searcher) -> None:
        self._writer, self._index = writer, searcher.index
        self._seen = np.zeros(searcher.index.n_rows, np.bool_)

    def add(self, query: Query, ranking: Ranking, *, left_out: str | None = None) -> None:
        """One query and its hits, best first. left_out: the paper that was the query."""
        rows = ranking.rows.tolist()
        fresh = ranking.rows[~self._seen[ranking.rows]].tolist()
        self._seen[ranking.rows] = True
        ids = dict(zip(rows, self._index.ids(ranking.rows), strict=True))
        digests = {ids[row]: digest(self._index[row]) for row in fresh}
        asked = Query(query.id, clean(query.text))
        self._writer.add(Entry(asked, list(ids.values()), ranking.scores, digests, left_out))

    def add_hits(self, query: Query, hits: Sequence[Hit], *, left_out: str | None = None) -> None:
        """`add` for what a search returned."""
        rows = self._index.rows_of([hit.doc.id for hit in hits])
        scores: Scores = np.array([hit.score for hit in hits], np.float32)
        found = Ranking(np.array([rows[hit.doc.id] for hit in hits], np.int64), scores)
        self.add(query, found, left_out=left_out)


@contextmanager
def recording(
    path: Path, searcher: Searcher, *, stage: str, k: int, where: str | None, batch: int = 1
) -> Iterator[Recorder]:
    """Who is told what was found; the file is there, whole, when the block ends without an error.

    Loads what the stage needs, since a protocol names its models by their fingerprints.
    """
    searcher.stages.load(stage)
    searcher.mask(where)  # a filter that is none is refused before a file is begun
    protocol = describe(searcher, stage=stage, k=positive(k), where=where, batch=batch)
    with writing(path, protocol) as writer:
        yield Recorder(writer, searcher)


def describe(
    searcher: Searcher, *, stage: str, k: int, where: str | None, batch: int = 1
) -> Protocol:
    """What a search up to `stage`, whose models are loaded, is decided by."""
    names = searcher.stages.retrievers_of(stage)
    records = {one["name"]: one["fingerprint"] for one in searcher.index.generation.encoders}
    encoders = {name: records[name] for name in names if name in records}
    scorer = searcher.stages.scorer if stage == "reranked" else None
    lexical = _lexical(searcher) if "bm25" in names else "searchkit"
    packages = [*_LEXICAL, *(["rank-bm25"] if lexical == "rank-bm25" else [])]
    if encoders or scorer:
        packages += _MODELS
    return Protocol(
        stage=stage,
        k=k,
        where=where if where and where.strip() else None,
        lexical=lexical,
        batch=batch,
        pipeline=searcher.pipeline,
        index=_state(searcher),
        encoders=encoders,
        reranker=scorer.get().fingerprint if scorer else None,
        versions=versions(packages),
        device=_device(searcher, [*encoders], with_reranker=scorer is not None),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def rank_all(
    searcher: Searcher,
    queries: Sequence[Query],
    k: int = 100,
    *,
    stage: str | None = None,
    where: str | None = None,
    protocol: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> dict[str, list[tuple[str, float]]]:
    """Query id -> its k best documents with their scores, best first, as `write_run` takes them.

    protocol: a file for what was done and found, which `replay` repeats; whole or not at all.
    """
    stage = searcher.stages.check(stage or searcher.stages.default)
    batch = RERANKED_BATCH if stage == "reranked" else BATCH
    found: dict[str, list[tuple[str, float]]] = {}

    def rank(recorder: Recorder | None) -> None:
        for start in range(0, len(queries), batch):
            asked = queries[start : start + batch]
            rankings = searcher.rankings([q.text for q in asked], k, stage=stage, where=where)
            for query, ranking in zip(asked, rankings, strict=True):
                found[query.id] = searcher.named(ranking)
                if recorder is not None:
                    recorder.add(query, ranking)
            progress(min(start + batch, len(queries)), len(queries))

    if protocol is None:
        rank(None)
    else:
        with recording(protocol, searcher, stage=stage, k=k, where=where, batch=batch) as recorder:
            rank(recorder)
    return found


def _state(searcher: Searcher) -> IndexState:
    index = searcher.index
    return IndexState(
        path=str(index.path),
        generation=index.generation.number,
        fingerprint=index.generation.fingerprint,
        content=content(index.generation),
        n_docs=len(index),
        analyzer=index.analyzer.name,
        pipeline=own_pipeline(searcher),
    )


def own_pipeline(searcher: Searcher) -> dict[str, Any]:
    """What the index runs where nobody changes anything, without the sentence that explains it."""
    settings = choose(searcher.index).to_dict()
    return {key: value for key, value in settings.items() if key != "why"}


def _lexical(searcher: Searcher) -> str:
    is_own = isinstance(searcher.stages.retrievers["bm25"].get(), BM25Retriever)
    return "searchkit" if is_own else "rank-bm25"


def _device(searcher: Searcher, encoders: Sequence[str], *, with_reranker: bool) -> str:
    retrievers = [searcher.stages.retrievers[name].get() for name in encoders]
    models: list[object] = [getattr(retriever, "encoder", None) for retriever in retrievers]
    if with_reranker and searcher.stages.scorer is not None:
        models.append(searcher.stages.scorer.get())
    devices = {str(getattr(model, "device", "cpu")) for model in models}
    return " and ".join(sorted(devices)) or "cpu"
