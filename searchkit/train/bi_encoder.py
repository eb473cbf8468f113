"""A recipe and a bi-encoder -> its trainer's classes and its loss."""

from __future__ import annotations

from typing import Any

from searchkit.train.recipe import Recipe


def loss_of(recipe: Recipe, model: Any) -> Any:  # noqa: ANN401 - torch modules
    """The recipe's loss over the vectors of a row's texts.

    * multiple-negatives: each positive against all documents of the batch, softmax over `scale`
      times the cosine. Source: Henderson and others, 2017, arXiv:1705.00652.
    * margin-mse: squared difference of the margins of model (dot product) and teacher. Source:
      Hofstaetter and others, 2020, arXiv:2010.02666.
    """
    from sentence_transformers.sentence_transformer import losses

    classes = {
        "multiple-negatives": losses.MultipleNegativesRankingLoss,
        "margin-mse": losses.MarginMSELoss,
    }
    return classes[recipe.loss](model, **recipe.loss_args)


def classes() -> tuple[Any, Any]:
    """Trainer and arguments."""
    from sentence_transformers import SentenceTransformerTrainingArguments

    from searchkit.train.trainer import BiEncoderTrainer

    return BiEncoderTrainer, SentenceTransformerTrainingArguments
