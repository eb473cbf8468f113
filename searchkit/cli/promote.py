"""`searchkit promote`: a model through the gate, into the pipeline of an index or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import options as flags
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.judged_files import Judgements, Queries, naming
from searchkit.cli.screen import Screen, say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.evaluate.compare import Comparison
    from searchkit.tune.promote import Promotion


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Cross-encoder, or encoder of the index: alias, folder or hub name.",
        show_default=False,
    ),
]
Subset = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=FILE",
        help="Queries on which the model may not be worse: ids, one a line; repeatable.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Judge only. The attempt is recorded, since it was one all the same."
    ),
]


def promote(  # noqa: PLR0913 - the flags of a command are its parameters
    model: Model,
    index: flags.IndexPath,
    *,
    queries: Queries,
    qrels: Judgements,
    subset: Subset = [],  # noqa: B006 - typer reads it, nobody writes it
    rerank_depth: flags.RerankDepth = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and the tests.")] = 0,
    device: flags.Device = "auto",
    dry_run: DryRun = False,
    as_json: flags.Json = False,
    trust_remote_code: flags.TrustRemoteCode = False,
) -> None:
    """Switch MODEL on in INDEX if it ranks significantly better.

    The pipeline is compared with and without it on judged queries: nDCG@10, the weight of the
    model by cross-validation, p by paired randomisation, corrected for all attempts against the
    same judgements. Otherwise the pipeline stays, and one sentence says why.

    \b
    Example:
      searchkit promote models/mine indexes/papers --queries dev.jsonl --qrels dev.tsv
    """
    from searchkit.cli.progress import Bars
    from searchkit.corpus.qrels import read_qrels
    from searchkit.corpus.queries import read_queries
    from searchkit.tune import promote as gate

    options = gate.PromoteOptions(
        depth=rerank_depth,
        seed=seed,
        device=device,
        trust_remote_code=trust_remote_code,
        dry_run=dry_run,
    )
    named = _subsets(subset)
    asked, judged = read_queries(queries), read_qrels(qrels)
    with naming(queries=queries, qrels=qrels), ended_by_sigterm(), Bars("queries") as bars:
        found = gate.promote(
            model, index, asked, judged, subsets=named, options=options, watch=bars
        )
    say(*_left_out(found))
    _show(found, as_json=as_json)


def _subsets(pairs: list[str]) -> dict[str, list[str]]:
    from searchkit.corpus.ids import read_ids

    named: dict[str, list[str]] = {}
    for pair in pairs:
        name, sign, file = pair.partition("=")
        if not (sign and name.strip() and file.strip()):
            raise ConfigError(f"--subset: {pair!r} is not written like clinical=clinical.txt.")
        if name in named:
            raise ConfigError(f"--subset: {name} is named twice. Give each its own name.")
        named[name] = read_ids(Path(file))
    return named


def _left_out(found: Promotion) -> list[str]:
    """Sentences about what did not take part."""
    lines = []
    if found.n_unjudged:
        lines.append(f"{_queries(found.n_unjudged)} without a judgement did not take part.")
    if found.n_missing:
        lines.append(f"{_queries(found.n_missing)} of the judgements have no text in the file.")
    lines += [
        f"{_queries(n)} of the subset {name} did not take part."
        for name, n in found.outside.items()
        if n
    ]
    return lines


def _show(found: Promotion, *, as_json: bool) -> None:
    from searchkit.cli.lines import as_json as spell

    if as_json:
        typer.echo(spell(found.to_dict()))
        return
    screen, verdict = Screen(), found.verdict
    said = {(True, True): "Promoted", (True, False): "Would be promoted"}
    start = said.get((verdict.passed, found.written), "Not promoted")
    screen.write((f"{start}: ", "bold"), verdict.why)
    share = "the model" if found.model in found.pipeline.encoders else "the first stage"
    beside = " beside raw scores" if _is_raw(found) else ""
    screen.write(
        f"nDCG@10 {found.baseline:.4f} without it, {found.quality:.4f} with it, cross-validated; "
        f"weight of {share} {found.weight:g}{beside}."
    )
    if verdict.subsets:
        rows = [["subset", "queries", "difference", "low", "high", "p"]]
        rows += [_row("all", verdict.overall)]
        rows += [_row(name, one) for name, one in verdict.subsets.items()]
        screen.write()
        screen.table(rows, numbers=1)


def _is_raw(found: Promotion) -> bool:
    return found.pipeline.reranker == found.model and found.pipeline.rerank.scale == "raw"


def _row(name: str, found: Comparison) -> list[str]:
    numbers = [f"{value:+.4f}" for value in (found.difference, found.low, found.high)]
    return [name, f"{found.n_queries:,}", *numbers, f"{found.p:.4f}"]


def _queries(n: int) -> str:
    return "1 query" if n == 1 else f"{n:,} queries"
