"""`searchkit demo`: the bundled sample, indexed, measured and searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import options as flags
from searchkit.errors import ConfigError, QueryError

if TYPE_CHECKING:
    from searchkit.cli.screen import Screen
    from searchkit.search.searcher import Searcher

_OUT = Path("indexes/sample")
_ENCODER = "minilm"
_MEASURES = ("nDCG@10", "R@100", "RR@10")
_DEPTH = 100  # of the rankings that are measured
_SHOWN = (  # of the bundled queries, with what each is to show
    ("kw-01", "Symbols: H_0, $H_0$ and H₀ are one term, NGC4258 and NGC 4258 are the same."),
    ("ask-08", "Other words: BM25 finds none of the papers that answer this, vectors find them."),
    ("claim-04", "A claim: what bears on it is found, whether it supports it or not."),
)
_NEXT = """Your own corpus, in three commands:
  searchkit index papers.jsonl --out indexes/papers
  searchkit search indexes/papers "vitamin D and bone" --explain
  searchkit repl indexes/papers"""


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the sample's index stands.")] = (
        _OUT
    ),
    reranker: flags.Reranker = "auto",
    device: flags.Device = "auto",
) -> None:
    """Index, measure and search the bundled sample.

    Shows the quality of every stage, and three searches with each hit's way through the stages.

    \b
    Example:
      searchkit demo
    """
    from searchkit.cli.info import spell_pipeline
    from searchkit.cli.opening import reranker_of, searching
    from searchkit.cli.screen import Screen
    from searchkit.index import generation as generations
    from searchkit.search.assembly import OpenOptions

    if not generations.exists(out):
        _build(out)
    options = OpenOptions(reranker=reranker_of(reranker), device=device)
    screen = Screen()
    with searching(out, options) as searcher:
        _check(searcher)
        _measure(screen, searcher)
        screen.write(spell_pipeline(searcher.pipeline))
        if searcher.pipeline.reranker is None:
            screen.write(
                "Nothing was reranked: no reranker is loaded (--reranker MODEL loads one)."
            )
        for query_id, moral in _SHOWN:
            _show_search(screen, searcher, query_id, moral)
    typer.echo(f"\n{_NEXT}")


def _build(out: Path) -> None:
    from searchkit import sample
    from searchkit.cli.index import build_aloud
    from searchkit.cli.screen import say
    from searchkit.search.api import IndexOptions

    build_aloud([str(sample.corpus_path())], out=out, encoders=[_ENCODER], options=IndexOptions())
    say("")


def _check(searcher: Searcher) -> None:
    """Refuse an index of another corpus: its figures would mean nothing."""
    try:
        searcher.index.row("astro-001")
    except QueryError:
        raise ConfigError(
            f"{searcher.index.path} is the index of another corpus. Choose another --out."
        ) from None


def _measure(screen: Screen, searcher: Searcher) -> None:
    from searchkit import sample
    from searchkit.corpus.qrels import read_qrels
    from searchkit.corpus.queries import read_queries
    from searchkit.evaluate.measures import evaluate, parse_measures

    queries, qrels = read_queries(sample.queries_path()), read_qrels(sample.qrels_path())
    measures = parse_measures(_MEASURES)
    stages, ids = searcher.stages, searcher.index.ids
    staged = stages.run([query.text for query in queries], stage=stages.default, k=_DEPTH)
    rows = [["stage", *_MEASURES]]
    for stage, rankings in staged.rankings.items():
        best = [ranking.head(_DEPTH) for ranking in rankings]
        run = {
            query.id: list(zip(ids(found.rows), found.scores.tolist(), strict=True))
            for query, found in zip(queries, best, strict=True)
        }
        mean = evaluate(run, qrels, measures).mean
        rows.append([stage, *(f"{mean[str(measure)]:.3f}" for measure in measures)])
    screen.write((f"Quality of every stage on the {len(queries)} queries of the sample", "bold"))
    screen.table(rows, numbers=1)
    screen.write(
        "The sample was made for this demonstration: its figures are evidence for nothing."
    )


def _show_search(screen: Screen, searcher: Searcher, query_id: str, moral: str) -> None:
    from searchkit import sample
    from searchkit.cli.hits import show_answer, times
    from searchkit.corpus.queries import read_queries

    query = next(q for q in read_queries(sample.queries_path()) if q.id == query_id)
    answer = searcher.answer(query.text, 3, explain=True)
    screen.write()
    screen.write(("> ", "bold"), (query.text, "bold"))
    screen.write((moral, "dim"))
    screen.write()
    show_answer(screen, answer, query=query.text, analyzer=searcher.index.analyzer, explain=True)
    screen.write((times(answer), "dim"))
