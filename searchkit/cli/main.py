"""`searchkit VERB ...` -> a verb's function; errors become one sentence and an exit status here."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from searchkit.cli import (
    adapt,
    add,
    ann,
    bench,
    compact,
    delete,
    demo,
    doctor,
    encoder,
    export,
    index,
    info,
    mine,
    models,
    promote,
    reanalyse,
    recipes,
    repair,
    repl,
    replay,
    run,
    search,
    sync,
    teach,
    tokens,
    train,
    tune,
    update,
    upgrade,
    verify,
)
from searchkit.cli import eval as eval_
from searchkit.cli import why_not as why_not_
from searchkit.cli.idle import refuse_empty, refuse_repeated
from searchkit.cli.screen import say
from searchkit.cli.sentences import sentence

VERBS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "index": index.index,
    "add": add.add,
    "update": update.update,
    "delete": delete.delete,
    "sync": sync.sync,
    "search": search.search,
    "repl": repl.repl,
    "why-not": why_not_.why_not,
    "run": run.run,
    "replay": replay.replay,
    "eval": eval_.evaluate_runs,
    "bench": bench.bench,
    "tune": tune.tune,
    "info": info.info,
    "verify": verify.verify,
    "repair": repair.repair,
    "upgrade": upgrade.upgrade,
    "export": export.export,
    "compact": compact.compact,
    "encoder": encoder.encoder,
    "reanalyse": reanalyse.reanalyse,
    "ann": ann.ann,
    "tokens": tokens.tokens,
    "mine": mine.mine,
    "teach": teach.teach,
    "train": train.train,
    "adapt": adapt.adapt,
    "promote": promote.promote,
    "recipes": recipes.recipes,
    "models": models.models,
    "doctor": doctor.doctor,
}


class Verbs(TyperGroup):
    """The verbs of the command line, and the one place that catches what they raise."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's context is not the same class in all versions
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if hasattr(error, "exit_code"):  # typer's own: wrong usage, a wish to leave
                raise
            if ctx.params.get("debug"):
                traceback.print_exc()
            say(f"searchkit: {sentence(error)}")
            raise typer.Exit(130 if isinstance(error, KeyboardInterrupt) else 1) from None


class Verb(TyperCommand):
    """One verb; what is empty, and an option that stands twice, is refused before it begins."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as above
        values, _, written = self.make_parser(ctx).parse_args(list(args))
        refuse_repeated(written)
        refuse_empty(values, written)  # as written: an empty path is "." once it is parsed
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from searchkit import __version__

        typer.echo(f"searchkit {__version__}")
        raise typer.Exit


@app.callback()
def searchkit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; stands before COMMAND.")
    ] = False,
) -> None:
    """Search engine for scientific literature: retrieve, fuse, rerank.

    \b
    Example:
      searchkit index papers.jsonl --out indexes/papers
      searchkit search indexes/papers "vitamin D and bone"
    """


for _name, _verb in VERBS.items():
    app.command(_name, cls=Verb)(_verb)


def main() -> None:
    """Entry point of the command `searchkit`."""
    # Threads of torch that spin while they wait fight with other work for the same cores: minilm
    # took 480 ms for a query on a busy machine with two of them, and takes 12 ms when they sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek is no reason to die
    try:
        app(prog_name="searchkit")
    finally:
        _flush()


def _flush() -> None:
    """Write what is left; whoever reads us may have gone (`| head`), which is no fault."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            say(f"searchkit: standard output: {sentence(error)}")
        raise SystemExit(1) from None
