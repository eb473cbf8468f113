"""`searchkit VERB ...` -> a verb's function; errors become one sentence and an exit status here."""

from __future__ import annotations

import traceback
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from searchkit.cli.idle import refuse_empty, refuse_repeated
from searchkit.cli.screen import say
from searchkit.cli.sentences import sentence

VERBS = {  # in the order of the help: a verb -> its file and function, imported when asked for
    "demo": "demo.demo",
    "index": "index.index",
    "add": "add.add",
    "update": "update.update",
    "delete": "delete.delete",
    "sync": "sync.sync",
    "search": "search.search",
    "repl": "repl.repl",
    "why-not": "why_not.why_not",
    "run": "run.run",
    "replay": "replay.replay",
    "eval": "eval.evaluate_runs",
    "bench": "bench.bench",
    "tune": "tune.tune",
    "info": "info.info",
    "verify": "verify.verify",
    "repair": "repair.repair",
    "upgrade": "upgrade.upgrade",
    "export": "export.export",
    "compact": "compact.compact",
    "encoder": "encoder.encoder",
    "reanalyse": "reanalyse.reanalyse",
    "ann": "ann.ann",
    "tokens": "tokens.tokens",
    "mine": "mine.mine",
    "teach": "teach.teach",
    "train": "train.train",
    "adapt": "adapt.adapt",
    "promote": "promote.promote",
    "recipes": "recipes.recipes",
    "models": "models.models",
    "doctor": "doctor.doctor",
}


class Verbs(TyperGroup):
    """The verbs of the command line, and the one place that catches what they raise."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's context is not the same class in all versions
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        for verb in [cmd_name] if cmd_name in VERBS else VERBS:  # a typo is compared with all
            if verb not in self.commands:
                self.add_command(_command(verb))
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
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


def _command(verb: str) -> Any:  # noqa: ANN401 - as above
    file, function = VERBS[verb].split(".")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(verb, cls=Verb)(getattr(import_module(f"searchkit.cli.{file}"), function))
    return get_command(alone)


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
