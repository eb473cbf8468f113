"""`searchkit train`: a recipe and examples -> a model folder, or what the run would do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from searchkit.cli import index_options as reading
from searchkit.cli import options as flags
from searchkit.cli import train_options as own
from searchkit.cli.idle import given
from searchkit.cli.index import columns_of
from searchkit.cli.screen import Screen, say
from searchkit.cli.sentences import sentence
from searchkit.cli.train_data import Sources
from searchkit.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from searchkit.models.device import Device
    from searchkit.train.base import Trainable
    from searchkit.train.recipe import Recipe
    from searchkit.train.run import TrainResult


def train(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    family: own.Family,
    recipe: own.RecipeName,
    *,
    data: own.Data = None,
    dev: own.Dev = None,
    out: own.Out = None,
    base: own.Base = None,
    settings: own.Settings = None,
    layers: own.Layers = None,
    lora: own.Lora = None,
    column: own.Columns = None,
    on_error: reading.OnError = "stop",
    fix_text: reading.FixText = False,
    template: own.Template = "{title} {text}",
    device: flags.Device = "auto",
    resume: own.Resume = False,
    dry_run: own.DryRun = False,
    rows: own.Rows = None,
    as_json: flags.Json = False,
) -> None:
    """Train a model by RECIPE.

    Interrupted, the same command with --resume goes on.

    \b
    Example:
      searchkit train cross-encoder minilm-scidocs --data lists.jsonl --out models/mine
    """
    own.refuse_idle(given(ctx))
    written = {"base": base and json.dumps(base), "layers": layers, "lora": lora}
    flagged = [f"{key}={value}" for key, value in written.items() if value is not None]
    chosen = _recipe(recipe, family, [*(settings or []), *flagged])
    if "template" in given(ctx):
        own.check_template(template, chosen.shape)
    columns = columns_of(column or [])
    sources = Sources(data or [], dev or [], columns, on_error, fix_text, template)
    if dry_run:
        _show(chosen, sources, rows=rows, device=device, as_json=as_json)
    elif out is not None:
        _run(chosen, sources, out, resume=resume, device=device)


def _recipe(name: str, family: str, settings: Sequence[str]) -> Recipe:
    from searchkit.train.recipe import named, with_settings

    recipe = named(name)
    if recipe.family != family:
        raise ConfigError(
            f"recipe {name} trains a {recipe.family}, not a {family}. Run: searchkit train "
            f"{recipe.family} {name}, or choose another of `searchkit recipes`."
        )
    return with_settings(recipe, settings)


def _show(
    recipe: Recipe, sources: Sources, *, rows: int | None, device: Device, as_json: bool
) -> None:
    from searchkit.cli.plan_lines import plan_record, plan_rows
    from searchkit.models.device import pick_device
    from searchkit.train.arguments import precision_of
    from searchkit.train.plan import plan

    picked = pick_device(device)
    n_rows = _n_rows(recipe, sources, rows)
    found = plan(recipe, n_rows, _base(recipe))
    if as_json:
        from searchkit.cli.lines import as_json as spell

        typer.echo(spell(plan_record(recipe, found)))
        return
    lines = plan_rows(recipe, found)
    lines.append(("precision", f"{precision_of(recipe, picked)} on {picked}"))
    width = max(len(what) for what, _ in lines)
    screen = Screen()
    for what, how_much in lines:
        screen.write((what.ljust(width + 2), "bold"), how_much)


def _n_rows(recipe: Recipe, sources: Sources, rows: int | None) -> int:
    """Rows of the data, or as many as were asked for, or those of the published card."""
    if sources.data:
        with TemporaryDirectory(prefix="searchkit-") as folder:
            train, _ = sources.read(recipe, Path(folder))
            if recipe.loss != "listwise":
                return train.n_rows
            from searchkit.train.lists import as_lists

            return len(as_lists(train, Path(folder) / "lists.arrow"))
    if rows:
        return rows
    if published := recipe.card.get("rows"):
        say(f"No data: counted with the {published:,} rows of the published card.")
        return int(published)
    raise ConfigError("a dry run needs --data FILE, or --rows N to count with.")


def _base(recipe: Recipe) -> Trainable | None:
    """The base, or None and a sentence where it is not on this machine; nothing is fetched."""
    from searchkit.train.base import open_base

    try:
        return open_base(recipe, fetch=False)
    except ModelError as error:
        say(f"{sentence(error)} So its parameters are unknown.")
        return None


def _run(recipe: Recipe, sources: Sources, out: Path, *, resume: bool, device: Device) -> None:
    """Train, and say what came of it; Ctrl-C leaves with its own status, after a checkpoint."""
    from searchkit.cli.progress import Bars
    from searchkit.train.base import find_base
    from searchkit.train.run import TrainingStopped
    from searchkit.train.run import train as run

    find_base(recipe)  # millions of rows are read for nothing where it is missing
    with _cache(out) as cache, Bars("steps") as bars:
        train, dev = sources.read(recipe, cache)
        try:
            result = run(
                recipe,
                train,
                dev,
                out,
                resume=resume,
                device=device,
                progress=bars("training"),
                note=bars.note,
            )
        except TrainingStopped as stopped:
            raise KeyboardInterrupt(str(stopped)) from None
    say(*_report(result))


@contextmanager
def _cache(out: Path) -> Iterator[Path]:
    """A folder beside `out` for the examples; it stays only for a run that can be resumed."""
    folder = out.resolve()
    cache = folder.with_name(f".{folder.name}.examples")
    finished = False
    try:
        yield cache
        finished = True
    finally:
        if finished or not (folder / "training").is_dir():
            rmtree(cache, ignore_errors=True)


def _report(result: TrainResult) -> list[str]:
    best = f", the best of them {result.best_step:,}" if result.best_step else ""
    early = f" of {result.total_steps:,}: it gained no more" if result.stopped_early else ""
    lines = [f"{result.out}: trained in {result.n_steps:,} steps{early}{best}."]
    if result.metrics:
        spelled = ", ".join(f"{key} {value:.4f}" for key, value in result.metrics.items())
        lines.append(f"On the development data: {spelled}.")
    return [*lines, f"Its card, with all of this: {result.out / 'README.md'}"]
