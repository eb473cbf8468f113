"""Retrieve-then-rerank search for scientific literature.

import searchkit
searchkit.build("corpus.jsonl", out="indexes/mine", encoders=["minilm"])
searcher = searchkit.open("indexes/mine")
hits = searcher.search("vitamin D and bone", k=10)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

# Two rooms have the name of a function below. They are imported first, so that no later import
# of them can put the room where the function stands.
from searchkit import evaluate as _evaluate_room  # noqa: F401
from searchkit import tune as _tune_room  # noqa: F401

if TYPE_CHECKING:
    from searchkit.corpus.read import Corpus
    from searchkit.errors import SearchkitError
    from searchkit.evaluate.compare import Comparison
    from searchkit.evaluate.measures import Evaluation
    from searchkit.index.change import Changed
    from searchkit.index.generation import Generation
    from searchkit.models.device import Device
    from searchkit.search.protocol.replay import Replay
    from searchkit.search.searcher import Searcher
    from searchkit.tune.bench.result import Bench
    from searchkit.tune.tuning import Tuning
    from searchkit.types import Doc, Hit, Match, Place, Qrels, Query, Ranking, Run, Trace

__all__ = [
    "Doc",
    "Hit",
    "Match",
    "Place",
    "Query",
    "Ranking",
    "SearchkitError",
    "Trace",
    "add",
    "bench",
    "build",
    "cite",
    "compare",
    "delete",
    "evaluate",
    "open",
    "read_qrels",
    "read_queries",
    "read_run",
    "replay",
    "run",
    "sync",
    "tune",
    "update",
]
__version__ = "0.1.0"


if not TYPE_CHECKING:  # where the imports above stand, and a wrong name is found

    def __getattr__(name: str) -> Any:  # noqa: ANN401
        """Types and errors, imported at their first use: numpy comes with the types."""
        from importlib import import_module

        if name in ("errors", "types"):
            return import_module(f"searchkit.{name}")
        if name not in (*__all__, "Qrels", "Run"):
            raise AttributeError(f"module 'searchkit' has no attribute {name!r}")
        room = "searchkit.errors" if name == "SearchkitError" else "searchkit.types"
        return getattr(import_module(room), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def build(corpus: Corpus, *, out: str | Path, **options: Any) -> Generation:  # noqa: ANN401
    """Build an index of files or Docs; see `searchkit.search.api.build` for the options."""
    from searchkit.search import api

    return api.build(corpus, out=out, **options)


def add(
    index: str | Path,
    corpus: Corpus,
    *,
    existing: Literal["refuse", "skip", "replace"] = "refuse",
    **options: Any,  # noqa: ANN401
) -> Changed:
    """Add documents to an index, files or Docs.

    `keep=N` leaves N older generations as snapshots, `wait=True` waits for another writer; see
    `searchkit.search.changes.ChangeOptions` for the other options.
    """
    from searchkit.search import changes

    how = changes.ChangeOptions.of("add", options)
    return changes.add(index, corpus, existing=existing, options=how)


def update(
    index: str | Path,
    corpus: Corpus,
    *,
    missing: Literal["refuse", "skip", "add"] = "refuse",
    **options: Any,  # noqa: ANN401
) -> Changed:
    """Put documents in the place of those of their ids; options are those of `add`."""
    from searchkit.search import changes

    how = changes.ChangeOptions.of("update", options)
    return changes.update(index, corpus, missing=missing, options=how)


def delete(
    index: str | Path,
    ids: str | Iterable[str] = (),
    *,
    where: str | None = None,
    missing: Literal["refuse", "skip"] = "refuse",
    **options: Any,  # noqa: ANN401
) -> Changed:
    """Delete documents by id (one, or several), by a filter, or by both."""
    from searchkit.search import changes

    how = changes.ChangeOptions.of("delete", options)
    return changes.delete(index, ids, where=where, missing=missing, options=how)


def sync(index: str | Path, corpus: Corpus, **options: Any) -> Changed:  # noqa: ANN401
    """Make an index hold what the corpus holds; `dry_run=True` only counts."""
    from searchkit.search import changes

    return changes.sync(index, corpus, options=changes.ChangeOptions.of("sync", options))


def open(  # noqa: A001 - searchkit.open reads as it should
    path: str | Path,
    *,
    reranker: str | None = "auto",
    cascade: str | None = None,
    device: Device = "auto",
    generation: int | None = None,
    as_of: str | None = None,
) -> Searcher:
    """Open an index for searching; reranker: a name, "auto" (the pipeline's) or None.

    cascade: a second reranker, which reads the best of the first. generation: number of a
    snapshot; as_of: the last generation written by this date, such as 2026-01-31; both instead of
    the live one.
    """
    from searchkit.search import opening
    from searchkit.search.assembly import OpenOptions

    options = OpenOptions(
        reranker=reranker, cascade=cascade, device=device, generation=generation, as_of=as_of
    )
    return opening.open_searcher(path, options=options)


def cite(docs: Iterable[Doc], form: str = "bibtex") -> str:
    """A bibliography of documents, such as `hit.doc` of hits: bibtex, ris or csl-json."""
    from searchkit.corpus.scholar.cite import citations

    return "".join(citations(docs, form))


def read_queries(path: str | Path) -> list[Query]:
    """The queries of a JSONL or TSV file in its order; see `searchkit.corpus.queries`."""
    from searchkit.corpus import queries

    return queries.read_queries(Path(path))


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Query id -> document id -> grade, from BEIR's TSV or TREC's qrels."""
    from searchkit.corpus import qrels

    return qrels.read_qrels(Path(path))


def read_run(path: str | Path) -> dict[str, list[tuple[str, float]]]:
    """Query id -> (document id, score), best first, from a TREC run file of any system."""
    from searchkit.corpus import runs

    return runs.read_run(Path(path))


def run(
    searcher: Searcher,
    queries: Sequence[Query],
    k: int = 100,
    *,
    stage: str | None = None,
    where: str | None = None,
    protocol: str | Path | None = None,
) -> dict[str, list[tuple[str, float]]]:
    """Query id -> its k best documents with their scores; `evaluate` takes it.

    protocol: a file for what was done and found, which `replay` repeats.
    """
    from searchkit.search.protocol.record import rank_all

    place = None if protocol is None else Path(protocol)
    return rank_all(searcher, queries, k, stage=stage, where=where, protocol=place)


def replay(protocol: str | Path, *, index: str | Path | None = None) -> Replay:
    """A protocol repeated: `is_same`, the `verdict` in a sentence, and what has changed."""
    from searchkit.search.protocol.replay import replay as repeat

    place = None if index is None else Path(index)
    return repeat(Path(protocol), index=place)


def evaluate(
    run: Run, qrels: Qrels, measures: Sequence[str] = ("nDCG@10", "R@100", "RR@10")
) -> Evaluation:
    """What a run is worth by judgements: `mean` and `per_query`, by names of ir-measures."""
    from searchkit.evaluate import measures as by_ir_measures

    return by_ir_measures.evaluate(run, qrels, by_ir_measures.parse_measures(measures))


def compare(
    evaluation: Evaluation, baseline: Evaluation, *, measure: str = "nDCG@10", seed: int = 0
) -> Comparison:
    """How much better an evaluation is than a baseline over the same queries, and its p."""
    from searchkit.evaluate import compare as by_randomisation

    return by_randomisation.compare_evaluations(evaluation, baseline, measure=measure, seed=seed)


def tune(
    index: str | Path,
    queries: Sequence[Query],
    qrels: Qrels,
    **options: Any,  # noqa: ANN401
) -> Tuning:
    """Choose the settings of an index's pipeline by cross-validation; write them if better.

    See `searchkit.tune.tune.TuneOptions` for the options. `Tuning.why` says in a sentence what was
    found, `Tuning.write("report.md")` all of it.
    """
    from searchkit.tune import tune as work

    return work.tune(Path(index), queries, qrels, options=work.TuneOptions(**options))


def bench(
    index: str | Path,
    queries: Sequence[Query] | None = None,
    qrels: Qrels | None = None,
    *,
    known_item: int | None = None,
    **options: Any,  # noqa: ANN401
) -> Bench:
    """Quality, significance, time, memory and size of every stage of an index.

    queries and qrels, or known_item: that many titles and sentences of the documents themselves.
    See `searchkit.tune.bench.bench.BenchOptions` for the options. `Bench.write(folder)` writes the
    report, `Bench.figures()` draws its figures.
    """
    from searchkit.tune.bench import bench as work

    chosen = work.BenchOptions(**options)
    if known_item is not None:
        if queries is not None or qrels is not None:
            raise ValueError("known_item makes the queries: give no others")
        return work.bench_known_items(Path(index), known_item, options=chosen)
    if queries is None or qrels is None:
        raise ValueError("need queries and qrels, or known_item")
    return work.bench(Path(index), queries, qrels, options=chosen)
