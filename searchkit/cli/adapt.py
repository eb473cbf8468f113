"""`searchkit adapt`: an index -> models trained on its own documents, in force where they help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from searchkit.cli import adapt_options as own
from searchkit.cli import options as flags
from searchkit.cli.idle import Given, given
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.screen import Screen, say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.train.citations import Citation
    from searchkit.tune.adapt import AdaptOptions
    from searchkit.tune.adapt_report import AdaptReport


def adapt(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    index: flags.IndexPath,
    *,
    out: own.Out,
    only: own.Only = None,
    encoder: own.Encoder = None,
    base: own.Base = None,
    citations: own.Citations = None,
    citation_column: own.CitationColumn = None,
    n_queries: own.NQueries = 10_000,
    n_held_out: own.NHeldOut = 400,
    settings: own.Settings = None,
    seed: own.Seed = 42,
    device: flags.Device = "auto",
    resume: own.Resume = False,
    as_json: flags.Json = False,
) -> None:
    """Train an encoder and a reranker on INDEX's own documents.

    Titles, sentences and citations become queries. Each model is measured on documents that it
    did not see, and INDEX searches with it only where the gate finds it significantly better.
    Interrupted, the same command with --resume goes on.

    \b
    Example:
      searchkit adapt indexes/papers --out models/papers --n-queries 2000
    """
    from searchkit.train.cloze import ClozeOptions
    from searchkit.tune.adapt import AdaptOptions
    from searchkit.tune.material import GatherOptions

    _refuse_idle(given(ctx), only)
    gathering = GatherOptions(
        n_queries=n_queries, n_held_out=n_held_out, clozes=ClozeOptions(seed=seed)
    )
    options = AdaptOptions(
        only=only,
        encoder=encoder,
        base=base,
        settings=tuple(settings or ()),
        gather=gathering,
        device=device,
    )
    pairs = _citations(index, citations, citation_column)
    report = _adapt(index, out, options, pairs, resume=resume)
    _show(report, as_json=as_json)


def _refuse_idle(written: Given, only: str | None) -> None:
    if only == "cross-encoder" and "encoder" in written:
        raise ConfigError("--encoder has no effect: --only trains no bi-encoder. Drop one of them.")
    if only == "bi-encoder" and "base" in written:
        raise ConfigError("--base has no effect: --only trains no cross-encoder. Drop one of them.")


def _citations(index: Path, path: Path | None, column: str | None) -> list[Citation]:
    from searchkit.index.index import Index
    from searchkit.train.citations import citations_in, read_citations

    found = read_citations(path) if path else []
    if column:
        with Index.open(index) as opened:
            found += citations_in(opened, column)
    return found


@ended_by_sigterm()
def _adapt(
    index: Path, out: Path, options: AdaptOptions, citations: list[Citation], *, resume: bool
) -> AdaptReport:
    from searchkit.cli.progress import Bars
    from searchkit.train.run import TrainingStopped
    from searchkit.tune.adapt import adapt as run
    from searchkit.tune.adapt_model import Voice

    try:
        with Bars("done") as bars:
            voice = Voice(bars, bars.note, say)
            return run(index, out, options, citations=citations, resume=resume, voice=voice)
    except TrainingStopped as stopped:
        raise KeyboardInterrupt(str(stopped)) from None
    except KeyboardInterrupt:
        kept = "" if not out.is_dir() else f" The same command with --resume goes on in {out}."
        raise KeyboardInterrupt(f"interrupted. {index} is as it was.{kept}") from None


def _show(report: AdaptReport, *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        from searchkit.cli.lines import as_json as spell

        typer.echo(spell(asdict(report)))
        return
    screen = Screen()
    for line in report.lines():
        screen.write(line)
