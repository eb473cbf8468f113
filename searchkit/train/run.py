"""A recipe and examples -> a trained model folder with its card, log, plot and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.errors import ConfigError, SearchkitError
from searchkit.index.disk import move, remove, replace, storage_errors, sync_tree
from searchkit.models.device import Device, pick_device
from searchkit.models.quiet import quiet
from searchkit.protocols import Progress
from searchkit.train.arguments import arguments, precision_of
from searchkit.train.checkpoints import checkpoints, step_of
from searchkit.train.log import Log, Note, plot
from searchkit.train.plan import Plan, plan
from searchkit.train.recipe import Recipe
from searchkit.train.settings import same_run, write_settings

if TYPE_CHECKING:
    from searchkit.train.examples import Examples


class TrainingStopped(SearchkitError):
    """Ctrl-C ended the run, after a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What came of a run; `metrics` are those of the saved model on the development data."""

    out: Path  # plain sentence-transformers loads it
    n_steps: int
    total_steps: int  # that were planned
    best_step: int | None  # of the model that was saved, where the best is kept
    stopped_early: bool
    loss: float  # mean over the last logged steps
    metrics: Mapping[str, float] = field(default_factory=dict)
    precision: str = "fp32"


@dataclass(frozen=True, slots=True)
class _Place:
    """The folders and files of a run."""

    out: Path

    @property
    def home(self) -> Path:
        return self.out / "training"

    @property
    def checkpoints(self) -> Path:
        return self.home / "checkpoints"

    @property
    def result(self) -> Path:
        return self.home / "result.json"


def train(
    recipe: Recipe,
    train: Examples,
    dev: Examples | None,
    out: Path,
    *,
    resume: bool = False,
    device: Device = "auto",
    progress: Progress = lambda done, total: None,
    note: Note = lambda words: None,
) -> TrainResult:
    """Train the recipe on the examples and leave a model folder.

    `out` is a plain sentence-transformers folder with its card; `out/training` holds recipe.toml,
    log.jsonl, loss.png and the checkpoints. `resume` goes on from the newest checkpoint, to the
    same weights as a run that nothing stopped (on a CPU to 1e-6); a finished run is returned as
    it is. Progress counts steps; `note` hears of losses and measures.

    ConfigError where `out` is taken, a resumed run is another one, or the recipe evaluates and
    there is nothing to evaluate on. TrainingStopped after Ctrl-C, with a checkpoint saved.
    StorageError where the disk is full: the checkpoint before is whole.
    """
    place = _Place(out)
    _refuse(recipe, train, dev, place, resume=resume)
    if resume and place.result.is_file():
        same_run(place.home, recipe, train, dev)
        return _finished(place)
    with storage_errors(out):
        place.checkpoints.mkdir(parents=True, exist_ok=True)
    if resume:
        same_run(place.home, recipe, train, dev)
    else:
        write_settings(place.home, recipe, train, dev)
    with quiet():
        return _Run(recipe, train, dev, place, pick_device(device)).result(progress, note)


@dataclass(slots=True)
class _Run:
    recipe: Recipe
    train: Examples
    dev: Examples | None
    place: _Place
    device: str

    def result(self, progress: Progress, note: Note) -> TrainResult:
        from transformers import set_seed

        from searchkit.train.assembly import assemble, feed_of
        from searchkit.train.base import open_base
        from searchkit.train.trainer import stopped_early
        from searchkit.train.watch import Watch, stops_on_interrupt

        set_seed(self.recipe.seed)
        log = Log(self.place.home / "log.jsonl")
        feed = feed_of(self.recipe, self.train, self.dev, self.place.home)
        model = open_base(self.recipe, device=self.device)
        planned = plan(self.recipe, len(feed.train), model)
        args = arguments(
            self.recipe,
            planned,
            self.place.checkpoints,
            device=self.device,
            evaluates=self.dev is not None,
        )
        watch = Watch(log, progress, note)
        trainer = assemble(self.recipe, model, feed, args=args, watch=watch)
        kept = checkpoints(self.place.checkpoints)
        log.cut(step_of(kept[-1]) if kept else -1)
        if kept and (
            step_of(kept[-1]) >= planned.total_steps
            or stopped_early(kept[-1], self.recipe.patience)
        ):
            trainer.load_end(str(kept[-1]))  # killed after its last step
        else:
            with stops_on_interrupt(watch):
                trainer.train(resume_from_checkpoint=str(kept[-1]) if kept else None)
            if watch.interrupted and trainer.state.global_step < planned.total_steps:
                raise self._stopped(trainer.state.global_step, planned)
        return self._leave(trainer, planned, log)

    def _stopped(self, step: int, planned: Plan) -> TrainingStopped:
        return TrainingStopped(
            f"stopped after step {step:,} of {planned.total_steps:,}; a checkpoint is in "
            f"{self.place.checkpoints}. The same command with --resume goes on from there."
        )

    def _leave(self, trainer: Any, planned: Plan, log: Log) -> TrainResult:  # noqa: ANN401
        """Write model, card, plot and, as the last, the result that marks the run as finished."""
        from searchkit.train.card import card
        from searchkit.train.lora import merge_lora

        state, table = trainer.state, log.table()
        deciding = str(trainer.args.metric_for_best_model or "")
        best = state.best_global_step if self.recipe.keep_best else None
        result = TrainResult(
            out=self.place.out,
            n_steps=state.global_step,
            total_steps=planned.total_steps,
            best_step=best,
            stopped_early=state.global_step < planned.total_steps,
            loss=next((row["loss"] for row in reversed(table) if "loss" in row), float("nan")),
            metrics=_metrics(table, best),
            precision=precision_of(self.recipe, self.device),
        )
        if self.recipe.lora:
            merge_lora(trainer.model.transformers_model)
        trainer.model.model_card_data.widget = []
        text = card(trainer, self.recipe, planned, result, train=self.train, dev=self.dev, log=log)
        plot(table, self.place.home / "loss.png", metric=deciding)
        _place_model(trainer.model, text, self.place)
        for path in self.place.home.glob("lists-*.arrow"):
            path.unlink()
        remove(self.place.checkpoints / "eval")  # an empty folder that the trainer makes
        content = asdict(result) | {"out": "."}
        replace(self.place.result, json.dumps(content, indent=1).encode())
        return result


def _refuse(
    recipe: Recipe, train: Examples, dev: Examples | None, place: _Place, *, resume: bool
) -> None:
    if recipe.evaluator and dev is None:
        raise ConfigError(
            f"recipe {recipe.name} is evaluated by {recipe.evaluator}, and there is no "
            "development data. Give some, or --set evaluator='' --set keep_best=false "
            "--set patience=0."
        )
    for examples in (train, dev):
        if examples is not None:
            _refuse_columns(recipe, examples)
    if resume and not place.home.is_dir():
        raise ConfigError(f"{place.out}: there is no run to go on with. Leave --resume out.")
    if not resume and place.out.is_dir() and any(place.out.iterdir()):
        raise ConfigError(
            f"{place.out}: this folder is not empty. Go on with --resume, or choose another --out."
        )


def _refuse_columns(recipe: Recipe, examples: Examples) -> None:
    """ConfigError where the loss would read the columns as something that they are not."""
    columns = set(examples.data.column_names)
    if recipe.loss == "margin-mse" and not {"negative", "label"} <= columns:
        raise ConfigError(
            f"{examples.source}: margin-mse learns the margin between a positive and a negative, "
            "and there is none. Give triplets and map its column: --column label=NAME."
        )
    if recipe.loss == "multiple-negatives" and "label" in columns:
        raise ConfigError(
            f"{examples.source}: multiple-negatives takes every row as relevant, and these have "
            "labels. Give triplets or pairs, or choose another loss."
        )


def _metrics(table: list[dict[str, float]], best: int | None) -> dict[str, float]:
    """What was measured at the best step, or last."""
    rows = [row for row in table if best is None or row["step"] == best]
    measured = [
        {key.removeprefix("eval_"): v for key, v in row.items() if key.startswith("eval_")}
        for row in rows
    ]
    return next((found for found in reversed(measured) if found), {})


def _place_model(model: Any, card: str, place: _Place) -> None:  # noqa: ANN401
    """Write the folder aside and move its parts to their names."""
    draft = place.home / ".model"
    remove(draft)
    try:
        with storage_errors(place.out):
            model.save_pretrained(str(draft), create_model_card=False)
            (draft / "README.md").write_text(card, "utf-8")
            sync_tree(draft)
            for path in sorted(draft.iterdir()):
                if (place.out / path.name).is_dir():
                    remove(place.out / path.name)
                move(path, place.out / path.name)
    finally:
        remove(draft)


def _finished(place: _Place) -> TrainResult:
    kept = json.loads(place.result.read_text("utf-8"))
    return TrainResult(**kept | {"out": place.out})
