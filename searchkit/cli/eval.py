"""`searchkit eval`: runs and judgements -> measures side by side, and against a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.eval_runs import Asked, Worth, check, measure_runs
from searchkit.cli.eval_tables import show
from searchkit.cli.options import Json
from searchkit.cli.screen import say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from ir_measures import Measure

    from searchkit.evaluate.against import Against

_DEFAULT = ("nDCG@10", "R@100", "RR@10")
_N_MOVED = 10

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        help="TREC run file of any system, or an index: indexes/papers, indexes/papers:bm25.",
        show_default=False,
    ),
]
QrelsFile = Annotated[
    str, typer.Option(metavar="FILE", help="Judgements: BEIR's TSV or TREC qrels, or .gz.")
]
Measures = Annotated[
    list[str],
    typer.Option(
        "--measures", "-m", metavar="NAME", help="Measures, several in quotes or repeated."
    ),
]
Baseline = Annotated[
    str | None, typer.Option(metavar="RUN", help="Run that the others are compared with.")
]
QueriesFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Queries, JSONL or TSV: an index is asked them, and moved ones show their text.",
    ),
]
Depth = Annotated[
    int | None,
    typer.Option(
        "-k",
        metavar="N",
        help="Documents an index gives each query; default: what the measures look at, "
        "1000 for one without a cutoff.",
    ),
]
CollectionNames = Annotated[
    list[str],
    typer.Option(
        "--collection",
        metavar="NAME",
        help="What {} stands for in RUN, --qrels and --queries; repeatable, one each.",
    ),
]
MovedCount = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Most helped and most hurt queries shown, by the first measure; default: 10.",
    ),
]
PerQuery = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write values and differences by query: .csv or .parquet."),
]
Seed = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Of the test and the interval; default: 0.")
]


def evaluate_runs(  # noqa: PLR0913 - the flags of a command are its parameters
    runs: Runs,
    *,
    qrels: QrelsFile,
    measures: Measures = list(_DEFAULT),  # noqa: B006 - typer reads it, nobody writes it
    baseline: Baseline = None,
    queries: QueriesFile = None,
    k: Depth = None,
    collection: CollectionNames = [],  # noqa: B006 - as above
    moved: MovedCount = None,
    per_query: PerQuery = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Measure runs side by side, and test them against a baseline.

    Measures are those of ir-measures: nDCG@10, R@100, RR@10, AP, P(rel=2)@5, ...
    A judged query without results counts 0.

    Ties in a run file are broken as trec_eval does, before every measure: by score as 32-bit
    float, then by document id, descending; they are counted. An index enters in its own order.

    \b
    Examples:
      searchkit eval bm25.run fused.run --qrels test.tsv --baseline bm25.run -m "nDCG@10 R@100"
      searchkit eval indexes/papers:fused --baseline indexes/papers:bm25 \\
        --queries queries.jsonl --qrels test.tsv
      searchkit eval "runs/{}/new.run" --baseline "runs/{}/old.run" \\
        --qrels "data/{}/test.tsv" --collection scifact --collection cranfield
    """
    _check_baseline(runs, baseline, moved=moved, seed=seed)
    asked = Asked(
        runs=list(dict.fromkeys([*runs, *([baseline] if baseline else [])])),
        qrels=qrels,
        queries=queries,
        collections=list(dict.fromkeys(collection)),
        measures=_parse(measures),
        k=k,
    )
    moved = 0 if baseline is None else _N_MOVED if moved is None else moved
    _check(asked, per_query, texts_shown=moved > 0)
    worth = measure_runs(asked)
    say(*worth.notes)
    compared = _compare(worth, baseline, seed=seed or 0)
    _write(worth, per_query, baseline=baseline)
    show(worth, compared, baseline=baseline, n_moved=moved, as_json=as_json)


def _check_baseline(
    runs: list[str], baseline: str | None, *, moved: int | None, seed: int | None
) -> None:
    if baseline is not None and set(runs) == {baseline}:
        raise ConfigError(f"--baseline has no effect: no other run than {baseline} is named.")
    for flag, value in (("--moved", moved), ("--seed", seed)):
        if baseline is None and value is not None:
            raise ConfigError(f"{flag} has no effect: nothing is compared. Add --baseline RUN.")


def _check(asked: Asked, per_query: Path | None, *, texts_shown: bool) -> None:
    """All that can be refused before a file is read."""
    check(asked, texts_shown=texts_shown)
    if per_query is not None:
        from searchkit.evaluate.tables import check_table

        check_table(per_query)


def _parse(texts: list[str]) -> list[Measure]:
    from searchkit.evaluate.measures import parse_measures

    wanted = parse_measures([name for text in texts for name in split_names(text)])
    if not wanted:
        raise ConfigError("no measure is named. Measures are written like nDCG@10.")
    return wanted


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


def _compare(worth: Worth, baseline: str | None, *, seed: int) -> list[Against]:
    from searchkit.cli.progress import Bars
    from searchkit.evaluate.against import compare_all

    if baseline is None:
        return []
    with Bars("comparisons") as bars:
        return compare_all(
            worth.evaluations, baseline=baseline, seed=seed, progress=bars("compare")
        )


def _write(worth: Worth, path: Path | None, *, baseline: str | None) -> None:
    from searchkit.evaluate import tables

    if path is not None:
        rows = [
            {**({"collection": name} if name else {}), **row}
            for name, found in worth.evaluations.items()
            for row in tables.per_query(found, baseline=baseline)
        ]
        tables.write_table(rows, path)
