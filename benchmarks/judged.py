"""The judged collections of ../shared/data: their indexes, queries and judgements."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import searchkit
from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.queries import read_queries
from searchkit.corpus.read import ReadOptions
from searchkit.evaluate.measures import Evaluation, evaluate, parse_measures
from searchkit.search.api import IndexOptions, OpenOptions, open_searcher
from searchkit.search.searcher import Searcher
from searchkit.types import Ranking, Run

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
MEASURES = parse_measures(["nDCG@10", "R@100"])
ARABIC = {"arabic_qa"}
QUERIES_ARE_DOCUMENTS = {"paperscape_astro"}  # a query's own document does not count


@dataclass(frozen=True, slots=True)
class Judged:
    """One split: queries with judgements, at most one in `step`."""

    name: str
    split: str
    ids: list[str]
    texts: list[str]
    qrels: dict[str, dict[str, int]]

    @property
    def label(self) -> str:
        return f"{self.name} {self.split}"


def read(name: str, split: str, *, step: int = 1) -> Judged:
    qrels = read_qrels(DATA / name / "qrels" / f"{split}.tsv")
    queries = [q for q in read_queries(DATA / name / "queries.jsonl") if q.id in qrels][::step]
    kept = {q.id: qrels[q.id] for q in queries}
    return Judged(name, split, [q.id for q in queries], [q.text for q in queries], kept)


def open_index(
    name: str, folder: Path, *, passages: str = "document", reranker: str | None = None
) -> Searcher:
    """A searcher over the set's index, which is built where it is not there yet."""
    place = folder / (name if passages == "document" else f"{name}-{passages}")
    if not (place / "CURRENT").exists():
        print(f"building {place}", file=sys.stderr)
        options = IndexOptions(
            analyzer="arabic" if name in ARABIC else "english",
            read=ReadOptions(on_error="skip"),  # scisumm_citance has rows without any text
        )
        if passages != "document":
            from dataclasses import replace

            options = replace(options, vectors=replace(options.vectors, passages=passages))
        searchkit.build(DATA / name, out=place, encoders=["minilm"], options=options)
    return open_searcher(place, options=OpenOptions(reranker=reranker))


def as_run(judged: Judged, rankings: Sequence[Ranking], searcher: Searcher, k: int = 100) -> Run:
    """The first k of every ranking by document id, without the query's own document."""
    run = {}
    for query, ranking in zip(judged.ids, rankings, strict=True):
        best = ranking.head(k + 1)
        pairs = list(zip(searcher.index.ids(best.rows), best.scores.tolist(), strict=True))
        if judged.name in QUERIES_ARE_DOCUMENTS:
            pairs = [pair for pair in pairs if pair[0] != query]
        run[query] = pairs[:k]
    return run


def measure(run: Run, qrels: Mapping[str, Mapping[str, int]]) -> Evaluation:
    return evaluate(run, qrels, MEASURES)
