"""Flags of a verb -> an open searcher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from searchkit.cli.screen import say
from searchkit.cli.tuning import Changes
from searchkit.index.index import Index
from searchkit.index.snapshots import chosen
from searchkit.models.telling import listeners
from searchkit.search.assembly import OpenOptions
from searchkit.search.choose import choose, reranked_by
from searchkit.search.opening import open_searcher
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher


@contextmanager
def searching(
    path: Path, options: OpenOptions, changes: Changes | None = None
) -> Iterator[Searcher]:
    """The index, open for searching and closed at the end, its pipeline changed as flags say."""
    if say not in listeners:
        listeners.append(say)
    if changes:
        number = chosen(path, options.generation, options.as_of)
        with Index.open(path, number=number) as index:
            encoders = [record["name"] for record in index.generation.encoders]
            pipeline = reranked_by(choose(index), options.reranker)
        pipeline = changes.apply(pipeline, encoders)
        options = replace(options, pipeline=pipeline)
    searcher = open_searcher(path, options=options)
    with searcher.index:
        yield searcher


def reranker_of(flag: str) -> str | None:
    """What `--reranker` means: none is no reranker, anything else a name or `auto`."""
    return None if flag == "none" else flag


def retuned(searcher: Searcher, pipeline: Pipeline, *, options: OpenOptions) -> Searcher:
    """A searcher of the same index with another pipeline; models that are loaded stay loaded."""
    opened = open_searcher(searcher.index.path, options=replace(options, pipeline=pipeline))
    held = searcher.stages
    searcher.index.close()
    if opened.index.generation.number != searcher.index.generation.number:
        return opened  # the index was built anew: rows of the old vectors mean nothing in it
    same_reranker = held.pipeline.reranker == opened.pipeline.reranker
    stages = replace(
        opened.stages,
        retrievers={**held.retrievers, "bm25": opened.stages.retrievers["bm25"]},
        scorer=held.scorer if same_reranker else opened.stages.scorer,
    )
    return replace(opened, stages=stages)
