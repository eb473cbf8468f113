"""Recipe, model and examples -> the trainer of sentence-transformers that runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import EarlyStoppingCallback, PrinterCallback

from searchkit.errors import ConfigError
from searchkit.train import bi_encoder, cross_encoder
from searchkit.train.evaluators import evaluator_of
from searchkit.train.lists import as_lists
from searchkit.train.recipe import Recipe
from searchkit.train.watch import Watch

if TYPE_CHECKING:
    import datasets

    from searchkit.train.examples import Examples


@dataclass(frozen=True, slots=True)
class Feed:
    """What a trainer is given to read."""

    train: datasets.Dataset
    dev: datasets.Dataset | None  # for the loss on it; None where that is not worth its time
    evaluator: Any  # of sentence-transformers, or None


def feed_of(recipe: Recipe, train: Examples, dev: Examples | None, folder: Path) -> Feed:
    """The examples as the recipe's loss takes them; lists are written into the folder.

    The loss on the development data is taken where it decides or nothing else is measured, and
    for losses of one pass a pair: in-batch negatives cost a pass each and depend on the batch.
    """

    def data(examples: Examples) -> datasets.Dataset:
        if recipe.loss != "listwise":
            if "first" in examples.data.column_names:
                raise ConfigError(
                    f"only the loss listwise adds first-stage scores, not {recipe.loss}. "
                    "Leave the column first unmapped."
                )
            return examples.data
        return as_lists(examples, folder / f"lists-{examples.sha256[:16]}.arrow")

    evaluator = evaluator_of(recipe, dev) if dev is not None and recipe.evaluator else None
    decides = recipe.best_metric in ("loss", "eval_loss")
    worth = decides or evaluator is None or recipe.loss != "multiple-negatives"
    return Feed(data(train), data(dev) if dev is not None and worth else None, evaluator)


def assemble(
    recipe: Recipe,
    model: Any,  # noqa: ANN401 - a SentenceTransformer or a CrossEncoder
    feed: Feed,
    *,
    args: Mapping[str, Any],
    watch: Watch,
) -> Any:  # noqa: ANN401 - one of our two trainers
    """The trainer, which asks no hub and prints nothing."""
    family = bi_encoder if recipe.family == "bi-encoder" else cross_encoder
    trainer_class, arguments_class = family.classes()
    model.model_card_data.local_files_only = True  # or it asks a hub about the base
    model.model_card_data.widget = [{}]  # or it draws examples, with a bar; the card has its own
    settings = arguments_class(**args)
    settings._n_gpu = min(settings.n_gpu, 1)  # the plan counts the steps of one device
    stops = [EarlyStoppingCallback(recipe.patience)] if recipe.patience else []
    trainer = trainer_class(
        model=model,
        args=settings,
        train_dataset=feed.train,
        eval_dataset=feed.dev,
        loss=family.loss_of(recipe, model),
        evaluator=feed.evaluator,
        callbacks=[watch, *stops],
    )
    trainer.remove_callback(PrinterCallback)  # stdout is for results
    return trainer
