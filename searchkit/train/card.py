"""A finished run -> the model's card: sentence-transformers' own, and what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.models.card import card_languages
from searchkit.models.fingerprint import file_sha256
from searchkit.models.names import ModelSpec, aliases
from searchkit.train.log import Log
from searchkit.train.plan import Plan
from searchkit.train.recipe import Recipe

if TYPE_CHECKING:
    from searchkit.train.examples import Examples
    from searchkit.train.run import TrainResult

_WORDS = 8  # of a sample: enough to see what the data is like, too few to stand for it
_BEFORE = "## Training Details\n"  # of the parent's template; what we add stands before it
_USAGE_END = "<!--\n### Direct Usage (Transformers)"
_SHOWN = (  # measures in the table of the log, besides the deciding one
    "accuracy", "f1", "average_precision", "cosine_ap", "spearman", "spearman_cosine",
    "map", "ndcg@10", "cosine_ndcg@10", "cosine_recall@10",
)  # fmt: skip


def card(
    trainer: Any,  # noqa: ANN401 - its library's class
    recipe: Recipe,
    planned: Plan,
    result: TrainResult,
    *,
    train: Examples,
    dev: Examples | None,
    log: Log,
) -> str:
    """The card as Markdown with its YAML head.

    Parameters, data, hyper-parameters, versions and citations come from sentence-transformers;
    log and metrics from the run's log, so that they are whole after a resume. Samples are cut to
    a few words, and nothing names a folder of this machine.
    """
    from sentence_transformers.base.model_card import generate_model_card

    kept = trainer.model.model_card_data
    base = _Base.of(recipe, trainer.model)
    _describe(trainer, base)
    if base.hub is None:
        kept.model_name = f"A {recipe.family} by the recipe {recipe.name}"
    _name_data(kept.train_datasets, train)
    if dev is not None:
        _name_data(kept.eval_datasets, dev)
    _cut_samples(kept, recipe)
    kept.training_logs = _table(log, trainer.args.metric_for_best_model)
    if result.best_step is not None:
        kept.set_best_model_step(result.best_step)
    if trainer.evaluator is not None:
        measured = {key: v for key, v in result.metrics.items() if key not in _NO_METRICS}
        kept.eval_results_dict = {trainer.evaluator: measured}
    text = str(generate_model_card(trainer.model))
    for anchor in (_BEFORE, _USAGE_END):
        if anchor not in text:
            raise RuntimeError(f"the card's template has no {anchor!r} any more")
    text = text.replace(_USAGE_END, _usage(recipe) + _USAGE_END, 1)
    sections = [
        _limits(recipe, planned),
        _cost(planned),
        _provenance(recipe, base, planned, result, train=train, dev=dev),
    ]
    return text.replace(_BEFORE, "\n".join([*sections, _BEFORE]), 1)


_NO_METRICS = ("loss", "runtime", "samples_per_second", "steps_per_second")


class _Base:
    """What is known about the model that training began with."""

    def __init__(self, name: str, folder: Path, spec: ModelSpec | None) -> None:
        self.name = name
        self.folder = folder
        self.hub = spec.hub if spec else (name if name.count("/") == 1 else None)
        self.languages = (spec.languages if spec else ()) or card_languages(folder)

    @classmethod
    def of(cls, recipe: Recipe, model: Any) -> _Base:  # noqa: ANN401
        folder = Path(model.transformers_model.config._name_or_path)
        spec = next((one for one in aliases() if recipe.base in (one.alias, one.hub)), None)
        local = Path(recipe.base).expanduser().is_dir()
        return cls(folder.name if local else recipe.base, folder, None if local else spec)

    @property
    def revision(self) -> str | None:
        """The commit of a hub model: its folder in the cache is named by it."""
        name = self.folder.name
        return name if len(name) == 40 and set(name) <= set("0123456789abcdef") else None

    @property
    def sha256(self) -> str | None:
        """Of the weights, where they are one file."""
        path = self.folder / "model.safetensors"
        return file_sha256(path) if path.is_file() else None


def _describe(trainer: Any, base: _Base) -> None:  # noqa: ANN401
    from sentence_transformers.base.model_card import BaseModelCardCallback

    kept = trainer.model.model_card_data
    kept.local_files_only = True
    kept.base_model, kept.base_model_revision = base.hub, base.revision
    if base.languages:
        kept.language = list(base.languages)
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, BaseModelCardCallback):  # a run that only ended never began
            callback.on_train_begin(trainer.args, trainer.state, trainer.control, trainer.model)
    kept._training_start_time = None  # of this process alone, which may have resumed


def _name_data(datasets: list[dict[str, Any]], examples: Examples) -> None:
    for dataset in datasets:
        dataset["name"] = ", ".join(_names(examples))


def _names(examples: Examples) -> list[str]:
    """The files, without their folders."""
    return [Path(name).name for name in examples.source.split(", ")]


def _cut_samples(kept: Any, recipe: Recipe) -> None:  # noqa: ANN401
    for dataset in (*kept.train_datasets, *kept.eval_datasets):
        dataset["examples"] = {
            column: [_cut(value) if recipe.samples else _hidden(value, column) for value in values]
            for column, values in dataset["examples"].items()
        }
        dataset["examples_table"], _ = kept._render_examples_table(dataset)
    rows = kept.train_datasets[0]["examples"]
    columns = [column for column in rows if column != "label"]
    pairs = [
        [query, _first(other)] for query, other in zip(*(rows[c] for c in columns[:2]), strict=True)
    ]
    if recipe.family == "cross-encoder":
        kept.usage_examples = pairs
    else:
        kept.usage_examples = [pairs[0][0], *(document for _, document in pairs)][:3]


def _first(value: Any) -> str:  # noqa: ANN401 - a text, or a list of them
    return str(value[0] if isinstance(value, list) else value)


def _cut(value: Any) -> Any:  # noqa: ANN401 - a text, a number, or a list of them
    if isinstance(value, list):
        return [_cut(one) for one in value[:3]]
    if not isinstance(value, str):
        return value
    words = value.split()
    return " ".join(words[:_WORDS]) + (" ..." if len(words) > _WORDS else "")


def _hidden(value: Any, column: str) -> Any:  # noqa: ANN401 - a text, a number, or a list of them
    if isinstance(value, list):
        return [_hidden(one, column) for one in value[:3]]
    return f"({column})" if isinstance(value, str) else value


def _table(log: Log, deciding: str | None) -> list[dict[str, float]]:
    rows = []
    for record in log.table():
        row = {"Epoch": record["epoch"], "Step": int(record["step"])}
        if "loss" in record:
            row["Training Loss"] = record["loss"]
        if "eval_loss" in record:
            row["Validation Loss"] = record["eval_loss"]
        for key, value in record.items():
            name = key.removeprefix("eval_")
            shown = key == deciding or any(
                name == one or name.endswith(f"_{one}") for one in _SHOWN
            )
            if key.startswith("eval_") and key != "eval_loss" and shown:
                row[name] = value
        rows.append(row)
    return rows


def _usage(recipe: Recipe) -> str:
    if recipe.family == "cross-encoder":
        command = 'searchkit search INDEX "a query" --reranker path/to/this/folder'
    else:
        command = "searchkit index corpus.jsonl --encoder path/to/this/folder --out INDEX"
    return f"### Usage with searchkit\n\n```bash\n{command}\n```\n\n"


def _limits(recipe: Recipe, planned: Plan) -> str:
    what = "pair of query and document" if recipe.family == "cross-encoder" else "text"
    lines = [
        "## Limits\n",
        f"- It reads {planned.max_tokens} tokens of a {what}; what comes after them is not seen.",
        "- It was measured on the development data named here only. On another collection, "
        "measure it before it is switched on: a fine-tuned model may rank worse there than none.",
    ]
    if recipe.family == "cross-encoder":
        lines.append("- It reads every pair anew, so it reorders candidates; it cannot search.")
    return "\n".join(lines) + "\n"


def _cost(planned: Plan) -> str:
    lines = ["## Cost\n", f"- Parameters: {planned.n_parameters:,}"]
    if planned.n_trainable != planned.n_parameters:
        lines.append(f"- Trained parameters: {planned.n_trainable:,}")
    if planned.flops_per_100 is not None:
        lines.append(
            f"- FLOPs per 100 candidates of {planned.max_tokens} tokens: "
            f"{planned.flops_per_100:,} ({planned.flops_per_100 / 1e9:.3g} GFLOP)"
        )
    return "\n".join(lines) + "\n"


def _provenance(
    recipe: Recipe,
    base: _Base,
    planned: Plan,
    result: TrainResult,
    *,
    train: Examples,
    dev: Examples | None,
) -> str:
    sha = f", weights sha256 `{base.sha256[:16]}`" if base.sha256 else ""
    revision = f", revision `{base.revision}`" if base.revision else ""
    lines = [
        "## Provenance\n",
        f"- Recipe: `{recipe.name}`. {recipe.about}",
        f"- Base: `{base.name}`{revision}{sha}",
        f"- Loss: `{planned.loss}`",
        f"- Steps: {planned.steps_per_epoch:,} an epoch; {result.n_steps:,} of "
        f"{planned.total_steps:,} were run, {planned.warmup_steps:,} to warm up",
        f"- Precision: {result.precision}",
        f"- Training data: {_data(train)}",
    ]
    if dev is not None:
        lines.append(f"- Development data: {_data(dev)}")
    return "\n".join(lines) + "\n"


def _data(examples: Examples) -> str:
    names = ", ".join(f"`{name}`" for name in _names(examples))
    positive = ""
    if examples.n_positive is not None:
        positive = f", {examples.n_positive / examples.n_rows:.1%} with a label above 0"
    return f"{names}, {examples.n_rows:,} rows{positive}, sha256 `{examples.sha256[:16]}`"
