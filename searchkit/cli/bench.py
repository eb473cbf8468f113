"""`searchkit bench`: how good and how fast every stage of an index is, told and reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import options as flags
from searchkit.cli.idle import Given, given
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.judged_files import naming
from searchkit.cli.screen import Screen, say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.tune.bench.bench import BenchOptions
    from searchkit.tune.bench.result import Bench

Queries = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSONL or TSV: an id and a text each.")
]
QrelsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Judgements: TSV or TREC qrels.")
]
KnownItem = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Instead of queries and judgements: ask by N titles and sentences of the documents. "
        "A small index of them, at most 5,000, is built and encoded first.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for the report: HTML, figures, JSON, Parquet."),
]
Rerankers = Annotated[
    list[str],
    typer.Option(
        "--reranker",
        metavar="NAME",
        help="Cross-encoder to measure beside the pipeline's; none leaves that out; repeatable.",
    ),
]
MaxQueries = Annotated[
    int | None, typer.Option(metavar="N", help="Measure a sample of the judged queries.")
]
Sample = Annotated[int, typer.Option(metavar="N", help="Queries to time one by one, at most.")]
Depth = Annotated[
    int, typer.Option(metavar="N", help="Documents a reranker reads for its curve, at least.")
]


def bench(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    index: flags.IndexPath,
    *,
    queries: Queries = None,
    qrels: QrelsFile = None,
    known_item: KnownItem = None,
    out: Out = None,
    reranker: Rerankers = [],  # noqa: B006 - typer reads it, nobody writes it
    max_queries: MaxQueries = None,
    sample: Sample = 100,
    depth: Depth = 100,
    seed: Annotated[int, typer.Option(help="Of samples and tests.")] = 0,
    device: flags.Device = "auto",
    as_json: flags.Json = False,
    trust_remote_code: flags.TrustRemoteCode = False,
) -> None:
    """Measure every stage of INDEX: quality, time, memory, size.

    Differences are tested against the first stage of the pipeline. The index is only read.

    \b
    Example:
      searchkit bench indexes/papers --queries test.jsonl --qrels test.tsv --out reports/papers
      searchkit bench indexes/papers --known-item 300 --out reports/papers
    """
    from searchkit.tune.bench.bench import BenchOptions
    from searchkit.tune.bench.report import check_place

    _refuse_idle(given(ctx), queries, qrels, known_item)
    if out is not None:
        check_place(out)
    options = BenchOptions(
        rerankers=tuple(reranker),
        max_queries=max_queries,
        sample=sample,
        depth=depth,
        seed=seed,
        device=device,
        trust_remote_code=trust_remote_code,
    )
    found = _measure(index, queries, qrels, known_item, options=options)
    _show(found, as_json=as_json)  # first: a report that fails takes nothing of it along
    if out is not None:
        found.write(out)
        say(f"{out / 'report.html'}: the report, with its numbers and figures beside it.")


def _refuse_idle(
    written: Given, queries: Path | None, qrels: Path | None, known_item: int | None
) -> None:
    if known_item is not None:
        for name in ("queries", "qrels", "max_queries"):
            if name in written:
                raise ConfigError(
                    f"{written[name]} has no effect: --known-item makes the queries. Drop one."
                )
    elif queries is None or qrels is None:
        raise ConfigError(
            "bench needs judged queries: --queries FILE --qrels FILE. Without judgements, "
            "--known-item N asks for documents by their own titles and sentences."
        )


@ended_by_sigterm()
def _measure(
    index: Path,
    queries: Path | None,
    qrels: Path | None,
    known_item: int | None,
    *,
    options: BenchOptions,
) -> Bench:
    from searchkit.cli.progress import Bars
    from searchkit.corpus.qrels import read_qrels
    from searchkit.corpus.queries import read_queries
    from searchkit.tune.bench import bench as work

    with Bars("done") as bars:
        if known_item is not None or queries is None or qrels is None:
            n = known_item or 0
            return work.bench_known_items(index, n, options=options, watch=bars, tell=say)
        asked, judged = read_queries(queries), read_qrels(qrels)
        with naming(queries=queries, qrels=qrels):
            found = work.bench(index, asked, judged, options=options, watch=bars, tell=say)
    return replace(found, asked={**found.asked, "files": f"{queries.name}, {qrels.name}"})


def _show(found: Bench, *, as_json: bool) -> None:
    from searchkit.cli.bench_table import tables
    from searchkit.cli.lines import as_json as spell
    from searchkit.tune.bench.words import caveats, verdict

    if as_json:
        typer.echo(spell(found.to_dict()))
        return
    screen = Screen()
    screen.write((verdict(found), "bold"))
    for rows in tables(found, width=screen.width):
        screen.write()
        screen.table(rows, numbers=1)
    screen.write()
    for sentence in caveats(found):
        screen.write(("- ", "dim"), (sentence, "dim"))
