"""`searchkit tune`: settings chosen by judged queries, into the pipeline of an index or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import options as flags
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.judged_files import Judgements, Queries, naming
from searchkit.cli.screen import Screen, say

if TYPE_CHECKING:
    from searchkit.tune.tuning import TuneOptions, Tuning

Measure = Annotated[
    str, typer.Option(metavar="NAME", help="What to tune for: a measure with a cutoff up to 100.")
]
MaxMs = Annotated[
    float | None,
    typer.Option(metavar="N", help="Most ms that an answer may take here (p95): slower is left."),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write all of it: .json, or .md for people."),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Tune only. The attempt is recorded, since it was one all the same."
    ),
]


def tune(  # noqa: PLR0913 - the flags of a command are its parameters
    index: flags.IndexPath,
    *,
    queries: Queries,
    qrels: Judgements,
    measure: Measure = "nDCG@10",
    folds: Annotated[int, typer.Option(metavar="N", help="Of the cross-validation.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and the tests.")] = 0,
    max_ms: MaxMs = None,
    reranker: flags.Reranker = "auto",
    report: Report = None,
    device: flags.Device = "auto",
    dry_run: DryRun = False,
    as_json: flags.Json = False,
    trust_remote_code: flags.TrustRemoteCode = False,
) -> None:
    """Choose INDEX's pipeline by judged queries.

    BM25, fusion and reranking are tried at thousands of settings, valued by cross-validation, and
    written only where they rank significantly better than the pipeline in force, corrected for
    all attempts against the same judgements. Run again after Ctrl-C, the reranker goes on.

    \b
    Example:
      searchkit tune indexes/papers --queries train.jsonl --qrels train.tsv --max-ms 200
    """
    from searchkit.tune.tune import TuneOptions
    from searchkit.tune.tuning_words import check_report, left_out_lines, write_report

    options = TuneOptions(
        measure=measure,
        n_folds=folds,
        seed=seed,
        max_ms=max_ms,
        reranker=None if reranker == "none" else reranker,
        device=device,
        trust_remote_code=trust_remote_code,
        dry_run=dry_run,
    )
    if report is not None:
        check_report(report)
    found = _tuned(index, queries, qrels, options)
    say(*left_out_lines(found))
    _show(found, as_json=as_json)
    if report is not None:
        write_report(found, report)
        say(f"{report}: the report.")


@ended_by_sigterm()
def _tuned(index: Path, queries: Path, qrels: Path, options: TuneOptions) -> Tuning:
    from searchkit.cli.progress import Bars
    from searchkit.corpus.qrels import read_qrels
    from searchkit.corpus.queries import read_queries
    from searchkit.tune import tune as work

    asked, judged = read_queries(queries), read_qrels(qrels)
    with naming(queries=queries, qrels=qrels), Bars("queries") as bars:
        return work.tune(index, asked, judged, options=options, watch=bars)


def _show(found: Tuning, *, as_json: bool) -> None:
    from searchkit.cli.lines import as_json as spell
    from searchkit.tune import tuning_words as words

    if as_json:
        typer.echo(spell(found.to_dict()))
        return
    screen = Screen()
    start, why = words.verdict_line(found)
    screen.write((f"{start}: ", "bold"), why)
    for line in words.value_lines(found):
        screen.write(line)
    screen.write()
    screen.table(words.settings_rows(found))
    screen.write()
    screen.write(words.fold_line(found))
    screen.table(words.fold_rows(found), numbers=1)
    screen.write()
    screen.write(words.near_line(found))
    screen.table(words.near_rows(found), numbers=1)
    screen.write()
    for line in [*words.latency_lines(found), words.time_line(found)]:
        screen.write((line, "dim"))
