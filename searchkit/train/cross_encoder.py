"""A recipe and a cross-encoder -> its trainer's classes and its loss."""

from __future__ import annotations

from typing import Any

from searchkit.train.recipe import Recipe

_PAIRS = 32  # that the listwise loss scores at once


def loss_of(recipe: Recipe, model: Any) -> Any:  # noqa: ANN401 - torch modules
    """The recipe's loss over (query, document) pairs.

    * multiple-negatives: each positive against `num_negatives` documents of other rows and its
      own negative, softmax over `scale` times the activated score. Source: Henderson and others,
      2017, arXiv:1705.00652.
    * bce: binary cross-entropy with logits; `pos_weight` times for what is relevant.
    * margin-mse: squared difference of the margins of model and teacher. Source: Hofstaetter and
      others, 2020, arXiv:2010.02666.
    * listwise: cross-entropy of the softmax over a query's documents with that of its labels
      (ListNet), over the first stage's scores where the data hold them: see `Listwise`.
    """
    import torch
    from sentence_transformers.cross_encoder import losses

    from searchkit.train.listwise import Listwise

    given = dict(recipe.loss_args)
    activations = {"identity": torch.nn.Identity, "sigmoid": torch.nn.Sigmoid}
    if "activation" in given:
        given["activation_fn"] = activations[given.pop("activation")]()
    if "pos_weight" in given:
        given["pos_weight"] = torch.tensor(float(given["pos_weight"]))
    classes = {
        "multiple-negatives": losses.MultipleNegativesRankingLoss,
        "bce": losses.BinaryCrossEntropyLoss,
        "margin-mse": losses.MarginMSELoss,
        "listwise": Listwise,
    }
    if recipe.loss == "listwise":  # the parent's parts, a pair for each query, starve a processor
        given["mini_batch_size"] = _PAIRS
    return classes[recipe.loss](model, **given)


def classes() -> tuple[Any, Any]:
    """Trainer and arguments."""
    from sentence_transformers import CrossEncoderTrainingArguments

    from searchkit.train.trainer import CrossEncoderTrainer

    return CrossEncoderTrainer, CrossEncoderTrainingArguments
