"""Names of runs, judgements and queries -> what every run is worth, collection by collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.cli.judged_files import naming
from searchkit.cli.progress import Bars
from searchkit.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from ir_measures import Measure

    from searchkit.evaluate.measures import Evaluation
    from searchkit.types import Qrels, Query, Run

HOLE = "{}"  # where the name of a collection goes
_DEPTH = 1000  # of a measure without a cutoff, as at TREC
_LEAST_DEPTH = 10  # which the share of unjudged documents looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What stands on the command line, with `{}` for a collection where there are several."""

    runs: list[str]
    qrels: str
    queries: str | None
    collections: list[str]
    measures: list[Measure]
    k: int | None

    @property
    def names(self) -> list[str]:
        """Of the collections; one without a name where none is named."""
        return self.collections or [""]

    def of(self, template: str, collection: str) -> str:
        return template.replace(HOLE, collection) if self.collections else template

    def indexes(self) -> list[str]:
        """Runs that are made here."""
        filled = [self.of(run, name) for name in self.names for run in self.runs]
        return [run for run in filled if _as_index(run)]

    def depth(self) -> int:
        """Documents of each query that an index is asked for."""
        cutoffs: dict[str, int] = {
            str(measure): measure.params["cutoff"]
            for measure in self.measures
            if measure.params.get("cutoff")
        }
        least = max([_LEAST_DEPTH, *cutoffs.values()])
        if self.k is None:
            return least if len(cutoffs) == len(self.measures) else max(least, _DEPTH)
        for measure, cutoff in cutoffs.items():
            if self.k < cutoff:
                raise ConfigError(f"-k {self.k} is less than {measure} looks at. Drop one of them.")
        return self.k


@dataclass(frozen=True, slots=True)
class Worth:
    """What the runs are worth, in every mapping by collection and then by run or query."""

    evaluations: dict[str, dict[str, Evaluation]] = field(default_factory=dict)
    ties: dict[str, dict[str, int]] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what counts nothing, or 0, and what was done


def check(asked: Asked, *, texts_shown: bool) -> None:
    """ConfigError for names that do not fit together, before any file is read."""
    if asked.collections:
        for name in [*asked.runs, asked.qrels, *([asked.queries] if asked.queries else [])]:
            if HOLE not in name:
                why = f"{name} does not hold {HOLE}, where the collection's name goes"
                raise ConfigError(f"--collection: {why}. Write it there.")
    indexes = asked.indexes()
    if indexes and asked.queries is None:
        _refuse_strange(indexes[0])
        why = f"{indexes[0]} is an index, which needs queries to rank for"
        raise ConfigError(f"{why}. Name them: --queries FILE.")
    if indexes:
        asked.depth()
    if not indexes and asked.k is not None:
        raise ConfigError("-k has no effect: no RUN is an index. Drop it.")
    if not indexes and asked.queries is not None and not texts_shown:
        why = "no RUN is an index, and no moved query is shown"
        raise ConfigError(f"--queries has no effect: {why}. Drop it.")


def _refuse_strange(run: str) -> None:
    """StorageError or FormatError where the folder is no index."""
    from searchkit.index import generation as generations

    if found := _as_index(run):
        generations.read(found[0])


def measure_runs(asked: Asked) -> Worth:
    """Read or rank every run, and measure it; what was left out is noted."""
    worth = Worth()
    with Bars("queries") as bars:
        for name in asked.names:
            _measure_collection(asked, name, worth, bars)
    return worth


def _measure_collection(asked: Asked, name: str, worth: Worth, bars: Bars) -> None:
    from searchkit.corpus.qrels import read_qrels, refuse_without_relevant

    path = Path(asked.of(asked.qrels, name))
    qrels = read_qrels(path)
    refuse_without_relevant(qrels, path)
    queries = _judged(asked, name, qrels, worth)
    worth.texts[name] = {query.id: query.text for query in queries}
    worth.evaluations[name], worth.ties[name] = {}, {}
    for template in asked.runs:
        run = asked.of(template, name)
        ranked, n_ties, note = _ranked(run, queries, asked=asked, bars=bars)
        progress = bars(f"measure {run}")
        found = _evaluation(ranked, qrels, asked.measures, run=run, file=path)
        progress(found.n_queries, found.n_queries)
        worth.evaluations[name][template], worth.ties[name][template] = found, n_ties
        worth.notes.extend([*note, *_notes(run, found, n_ties)])


def _judged(asked: Asked, name: str, qrels: Qrels, worth: Worth) -> list[Query]:
    from searchkit.corpus.queries import read_queries

    if asked.queries is None:
        return []
    path = Path(asked.of(asked.queries, name))
    queries = [query for query in read_queries(path) if query.id in qrels]
    if not queries:
        why = "none of its queries is judged; is it the file of these judgements?"
        raise CorpusError(path, None, why)
    if n := len(qrels) - len(queries):
        worth.notes.append(f"{path}: judged queries that are not in it: {n:,} of {len(qrels):,}.")
    return queries


def _as_index(run: str) -> tuple[Path, str | None] | None:
    """Folder and stage, where the name is one of an index; a file goes before a stage."""
    path = Path(run)
    if path.is_dir():
        return path, None
    folder, colon, stage = run.rpartition(":")
    if colon and not path.exists() and Path(folder).is_dir():
        return Path(folder), stage
    return None


def _ranked(
    run: str, queries: Sequence[Query], *, asked: Asked, bars: Bars
) -> tuple[Run, int, list[str]]:
    """A run, its ties that the rule decided, and how it was made where it was made here."""
    from searchkit.corpus.runs import count_ties, read_run

    index = _as_index(run)
    if index is None:
        progress = bars(f"read {run}")
        read = read_run(Path(run))
        progress(len(read), len(read))
        return read, count_ties(read), []
    from searchkit.search.opening import open_searcher
    from searchkit.search.protocol.record import rank_all

    searcher, k = open_searcher(index[0]), asked.depth()
    with searcher.index:
        stage = searcher.stages.check(searcher.stages.default if index[1] is None else index[1])
        progress = bars(f"rank {run} by {stage}")
        found = rank_all(searcher, queries, k, stage=stage, progress=progress)
    return found, 0, [f"{run}: ranked here by stage {stage}, {k:,} documents a query."]


def _evaluation(
    ranked: Run, qrels: Qrels, measures: Sequence[Measure], *, run: str, file: Path
) -> Evaluation:
    """What one run is worth; an error names the file that it is about."""
    from searchkit.evaluate.measures import evaluate

    with naming(run=run, qrels=file):
        return evaluate(ranked, qrels, measures)


def _notes(run: str, found: Evaluation, n_ties: int) -> list[str]:
    notes = []
    if n_ties:
        notes.append(
            f"{run}: {n_ties:,} {'documents have' if n_ties > 1 else 'document has'} the score of "
            "the one before. Ties stand as trec_eval puts them, by descending document id, for "
            "every measure."
        )
    if found.n_missing < found.n_queries and found.unjudged_at_10 == 1:
        notes.append(
            f"{run}: no judged document stands among the first 10 of any query. Are its ids "
            "those of the judgements?"
        )
    if found.n_missing:
        notes.append(
            f"{run}: judged queries without a result: {found.n_missing:,} of {found.n_queries:,}. "
            "They count 0."
        )
    if found.n_ignored:
        notes.append(
            f"{run}: queries without a judgement: {found.n_ignored:,}. They count nothing."
        )
    return notes
