"""Many first stages over the same queries -> what each is worth, every score computed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from searchkit.index.build import Watch
from searchkit.protocols import Retriever
from searchkit.retrieve.bm25 import BM25Retriever
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.retrieve.dense import DenseRetriever
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher
from searchkit.search.stages import Stages
from searchkit.tune.lists import NO_ROW, Alike, Flat, alike
from searchkit.tune.measure import Retrieved
from searchkit.tune.worth import Worth
from searchkit.types import Ranking

_ENCODED = 32  # queries encoded together
_RANKED = 256  # queries ranked together under one BM25
_KERNEL_PAYS = 20_000_000  # queries x documents x settings from which loading it is worth it
_LISTS_PAY = 20_000  # queries x settings, the same of the kernel that fuses


@dataclass(slots=True)
class Clock:
    """Seconds by what they went into; on a busy machine those of the processor are fewer."""

    times_s: dict[str, float] = field(default_factory=dict)
    processor_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        start, own = perf_counter(), process_time()
        yield
        self.times_s[what] = self.times_s.get(what, 0.0) + perf_counter() - start
        self.processor_s[what] = self.processor_s.get(what, 0.0) + process_time() - own


class FirstStages:
    """The retrievers of an index under many settings, for queries that are known beforehand.

    BM25 ranks a query once for each of its parameters, an encoder reads it once.
    """

    def __init__(
        self, searcher: Searcher, texts: Sequence[str], pipelines: Sequence[Pipeline], clock: Clock
    ) -> None:
        self._searcher, self.texts, self.clock = searcher, list(texts), clock
        self._pipelines = list(pipelines)
        own = searcher.stages.retrievers["bm25"].get()
        if not isinstance(own, BM25Retriever):
            raise TypeError(f"need our own BM25, got {type(own).__name__}")
        self._bm25 = own
        n_scored = len({one.bm25 for one in pipelines}) * len(texts) * len(searcher.index)
        self._engine = "kernel" if n_scored >= _KERNEL_PAYS else own.engine
        self._dense: dict[tuple[str, int], list[Ranking]] = {}
        self._flats: dict[str, Flat] = {}

    def encode(self, watch: Watch) -> None:
        """Rank every query by every encoder, to each depth that some setting has."""
        wanted = sorted({(name, one.depth) for one in self._pipelines for name in one.encoders})
        for name in dict(wanted):
            depths, progress = [d for other, d in wanted if other == name], watch(f"rank by {name}")
            retriever = self._searcher.stages.retrievers[name].get()
            for start in range(0, len(self.texts), _ENCODED):
                batch = self.texts[start : start + _ENCODED]
                with self.clock.timed(name):
                    found = _to_depths(retriever, batch, depths)
                for depth, rankings in found.items():
                    self._dense.setdefault((name, depth), []).extend(rankings)
                progress(start + len(batch), len(self.texts))

    def values(self, worth: Worth, k: int, watch: Watch) -> NDArray[np.float64]:
        """What every setting is worth for every query: (n_queries, n_pipelines).

        worth: of these queries, by a measure that looks at k documents. After `encode`.
        """
        n_queries, by_bm25 = len(self.texts), self._by_bm25()
        values = np.empty((n_queries, len(self._pipelines)))
        progress = watch("try settings")
        for n, (params, columns) in enumerate(by_bm25.items()):
            groups = alike([self._pipelines[column] for column in columns])
            depth = max(k, *(group.depth for group in groups))
            for start in range(0, n_queries, _RANKED):
                lexical = self._lexical(params, slice(start, start + _RANKED), depth)
                with self.clock.timed("settings"):
                    lists = self._lists(groups, lexical, start=start, k=k)
                    stop = start + len(lexical)
                    values[start:stop, columns] = worth.values(start, lists)
                progress(n * n_queries + stop, len(by_bm25) * n_queries)
        return values

    def heads(self, pipeline: Pipeline, depth: int) -> list[Ranking]:
        """The first documents of every query, as a search with this first stage ranks them."""
        lexical = self._lexical(pipeline.bm25, slice(None), max(pipeline.depth, depth))
        held = {name: self._dense[name, pipeline.depth] for name in pipeline.encoders}
        found = []
        with self.clock.timed("settings"):
            for n, text in enumerate(self.texts):
                own = {"bm25": lexical[n], **{name: ranks[n] for name, ranks in held.items()}}
                lazy: dict[str, Lazy[Retriever]] = {
                    name: Lazy.of(Retrieved([ranking])) for name, ranking in own.items()
                }
                stages = Stages(pipeline, lazy, None, self._searcher.index)
                staged = stages.run([text], stage=stages.default, k=depth)
                found.append(staged.rankings[staged.last][0].head(depth))
        return found

    def _by_bm25(self) -> dict[BM25Params, list[int]]:
        found: dict[BM25Params, list[int]] = {}
        for column, pipeline in enumerate(self._pipelines):
            found.setdefault(pipeline.bm25, []).append(column)
        return found

    def _lexical(self, params: BM25Params, those: slice, depth: int) -> list[Ranking]:
        with self.clock.timed("bm25"):
            own = self._bm25
            retriever = BM25Retriever(
                own.parts, analyzer=own.analyzer, params=params, engine=self._engine
            )
            return retriever.retrieve(self.texts[those], depth)

    def _lists(
        self, groups: Sequence[Alike], lexical: Sequence[Ranking], *, start: int, k: int
    ) -> NDArray[np.int64]:
        """(n_queries, n_settings, k) of the queries from `start` on."""
        n_settings = sum(len(group.columns) for group in groups)
        n_settings = sum(len(group.columns) for group in groups)
        lists = np.full((len(lexical), n_settings, k), NO_ROW, np.int64)
        small = len(self.texts) * len(self._pipelines) < _LISTS_PAY
        for group in groups:
            if small or group.fusion is None:
                for n, ranking in enumerate(lexical):
                    found = {
                        name: self._dense[name, group.depth][start + n] for name in _dense(group)
                    }
                    lists[n, group.columns] = group.lists({"bm25": ranking, **found}, k)
                continue
            held = np.full((len(lexical), len(group.columns), k), NO_ROW, np.int64)
            own = ["bm25"] if "bm25" in group.names else []
            one, two = group.flat(own, [lexical] * len(own)), self._flat(group)
            n_docs = self._searcher.index.n_rows
            group.lists_of_all(one, two, first=start, n_docs=n_docs, lists=held)
            lists[:, group.columns] = held
        return lists

    def _flat(self, group: Alike) -> Flat:
        """What the encoders found for all queries; the same under every BM25."""
        names = _dense(group)
        key = str((names, group.depth, group.fusion))
        if key not in self._flats:
            found = [self._dense[name, group.depth] for name in names]
            self._flats[key] = group.flat(names, found)
        return self._flats[key]


def _dense(group: Alike) -> list[str]:
    return [name for name in group.names if name != "bm25"]


def _to_depths(
    retriever: Retriever, texts: Sequence[str], depths: Sequence[int]
) -> Mapping[int, list[Ranking]]:
    """Rankings to each depth: an approximate index may find others when it is asked for fewer."""
    if not isinstance(retriever, DenseRetriever):
        return {depth: retriever.retrieve(texts, depth) for depth in depths}
    vectors = retriever.encoder.encode_queries(texts)
    return {depth: retriever.retrieve_vectors(vectors, depth) for depth in depths}
