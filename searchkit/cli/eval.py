"""`searchkit eval`: runs and judgements -> measures side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.options import Json
from searchkit.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from ir_measures import Measure

    from searchkit.cli.screen import Screen
    from searchkit.evaluate.measures import Evaluation
    from searchkit.evaluate.tables import TableRow
    from searchkit.types import Qrels

_DEFAULT = ("nDCG@10", "R@100", "RR@10")


def evaluate_runs(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="TREC run files.")],
    *,
    qrels: Annotated[Path, typer.Option(metavar="FILE", help="Judgements: TSV or TREC qrels.")],
    measures: Annotated[
        list[str],
        typer.Option(
            "--measures", "-m", metavar="NAME", help="Measures, several in quotes or repeated."
        ),
    ] = list(_DEFAULT),  # noqa: B006 - typer reads it, nobody writes it
    baseline: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Run that the others are compared with.")
    ] = None,
    per_query: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write values by query: .csv or .parquet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure runs side by side.

    Measures are those of ir-measures: nDCG@10, R@100, RR@10, AP, P(rel=2)@5, ...

    \b
    Example:
      searchkit eval bm25.run fused.run --qrels test.tsv --baseline bm25.run -m "nDCG@10 R@100"
    """
    from searchkit.evaluate import tables

    if baseline is not None and set(runs) == {baseline}:
        raise ConfigError(f"--baseline has no effect: no other run than {baseline} is named.")
    evaluations = _evaluations([*runs, *([baseline] if baseline else [])], qrels, measures)
    rows = tables.side_by_side(evaluations)
    compared = []
    if baseline is not None:
        compared = tables.against_baseline(evaluations, baseline=str(baseline))
    if per_query is not None:
        tables.write_table(tables.per_query(evaluations), per_query)
    _show(rows, compared, as_json=as_json)


def _evaluations(runs: list[Path], qrels: Path, measures: list[str]) -> dict[str, Evaluation]:
    from searchkit.corpus.qrels import read_qrels
    from searchkit.evaluate.measures import parse_measures

    wanted = parse_measures([name for text in measures for name in split_names(text)])
    if not wanted:
        raise ConfigError("no measure is named. Measures are written like nDCG@10.")
    judged = read_qrels(qrels)
    return {str(run): _evaluation(run, qrels, judged, wanted) for run in dict.fromkeys(runs)}


def _evaluation(run: Path, qrels: Path, judged: Qrels, wanted: list[Measure]) -> Evaluation:
    """What one run is worth; an error names the file that it is about."""
    from searchkit.corpus.runs import read_run
    from searchkit.evaluate.measures import evaluate

    found = read_run(run)
    try:
        return evaluate(found, judged, wanted)
    except CorpusError as error:
        file = {"run": run, "qrels": qrels}.get(error.where, run)
        raise CorpusError(file, error.line, error.why) from None


def split_names(text: str) -> list[str]:
    """Names between spaces or commas that stand outside of parentheses."""
    names, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth <= 0 and (character.isspace() or character == ","):
            names.append("")
        else:
            names[-1] += character
    return [name for name in names if name]


def _show(rows: list[TableRow], compared: list[TableRow], *, as_json: bool) -> None:
    from searchkit.cli.lines import as_json as spell
    from searchkit.cli.screen import Screen

    if as_json:
        for row in [*rows, *compared]:
            typer.echo(spell(row))
        return
    screen = Screen()
    _table(screen, rows)
    if compared:
        screen.write()
        _table(screen, compared)
        screen.write(
            (
                "low and high bound the 95% interval of the difference; p is of a paired "
                "randomisation test.",
                "dim",
            )
        )


def _table(screen: Screen, rows: list[TableRow]) -> None:
    cells = [list(rows[0])] if rows else []
    cells += [[_spell(value) for value in row.values()] for row in rows]
    screen.table(cells, numbers=1)


def _spell(value: str | int | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value}"
