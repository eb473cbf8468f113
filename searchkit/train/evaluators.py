"""Development examples -> what sentence-transformers measures on them while a model trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from searchkit.errors import ConfigError
from searchkit.train.recipe import Recipe

if TYPE_CHECKING:
    from searchkit.train.examples import Examples

Judged: TypeAlias = tuple[str, str, float]  # query, document, label

RELEVANT = 0.5  # labels from here on count as relevant where a measure knows only yes and no
_FIRST = {  # the measure that decides where a recipe names none: evaluator, family
    ("classification", "cross-encoder"): "average_precision",
    ("classification", "bi-encoder"): "cosine_ap",
    ("similarity", "cross-encoder"): "spearman",
    ("similarity", "bi-encoder"): "spearman_cosine",
    ("reranking", "cross-encoder"): "ndcg@10",
    ("reranking", "bi-encoder"): "ndcg@10",
    ("retrieval", "bi-encoder"): "cosine_ndcg@10",
}


def best_metric(recipe: Recipe) -> str:
    """The trainer's name of the measure by which one checkpoint is better than another."""
    if recipe.best_metric in ("loss", "eval_loss"):
        return "eval_loss"
    metric = recipe.best_metric or _FIRST[recipe.evaluator, recipe.family]
    return f"eval_{recipe.evaluator_name}_{metric}" if recipe.evaluator_name else f"eval_{metric}"


def evaluator_of(recipe: Recipe, dev: Examples) -> Any:  # noqa: ANN401 - their class
    """The recipe's evaluator over these examples; ConfigError where they do not suit it."""
    if (recipe.evaluator, recipe.family) not in _FIRST:
        raise ConfigError(
            f"recipe {recipe.name}: a {recipe.family} cannot be evaluated by {recipe.evaluator}. "
            "Set evaluator to classification, similarity or reranking."
        )
    build = {
        "classification": _classification,
        "similarity": _similarity,
        "reranking": _reranking,
        "retrieval": _retrieval,
    }[recipe.evaluator]
    common = {
        "name": recipe.evaluator_name,
        "batch_size": recipe.eval_batch_size or recipe.batch_size,
        "show_progress_bar": False,
        "write_csv": False,  # the log holds all of it
    }
    return build(recipe, dev, common)


def judged(examples: Examples) -> Iterator[Judged]:
    """Query, document and label of each example; the negative of a triplet has label 0."""
    for row in examples.data:
        if "label" in row:
            yield row["query"], row["document"], float(row["label"])
        elif "positive" in row:
            yield row["query"], row["positive"], 1.0
            yield row["query"], row["negative"], 0.0
        else:
            yield row["sentence_0"], row["sentence_1"], 1.0


def _classification(recipe: Recipe, dev: Examples, common: dict[str, Any]) -> Any:  # noqa: ANN401
    from sentence_transformers.cross_encoder import evaluation as pairs
    from sentence_transformers.sentence_transformer import evaluation as vectors

    rows = list(judged(dev))
    labels = [int(label >= RELEVANT) for _, _, label in rows]
    if len(set(labels)) < 2:
        raise _unsuited(recipe, dev, "relevant and irrelevant pairs")
    if recipe.family == "cross-encoder":
        return pairs.CrossEncoderClassificationEvaluator(_texts(rows), labels, **common)
    return vectors.BinaryClassificationEvaluator(labels=labels, **_columns(rows), **common)


def _similarity(recipe: Recipe, dev: Examples, common: dict[str, Any]) -> Any:  # noqa: ANN401
    from sentence_transformers.cross_encoder import evaluation as pairs
    from sentence_transformers.sentence_transformer import evaluation as vectors

    rows = list(judged(dev))
    labels = [label for _, _, label in rows]
    if len(set(labels)) < 2:
        raise _unsuited(recipe, dev, "pairs with different labels")
    if recipe.family == "cross-encoder":
        return pairs.CrossEncoderCorrelationEvaluator(_texts(rows), labels, **common)
    return vectors.EmbeddingSimilarityEvaluator(scores=labels, **_columns(rows), **common)


def _texts(rows: Sequence[Judged]) -> list[list[str]]:
    return [[query, document] for query, document, _ in rows]


def _columns(rows: Sequence[Judged]) -> dict[str, Any]:
    return {
        "sentences1": [query for query, _, _ in rows],
        "sentences2": [document for _, document, _ in rows],
        "similarity_fn_names": ["cosine"],
    }


def _reranking(recipe: Recipe, dev: Examples, common: dict[str, Any]) -> Any:  # noqa: ANN401
    from sentence_transformers.cross_encoder import evaluation as pairs
    from sentence_transformers.sentence_transformer import evaluation as vectors

    found: dict[str, dict[str, list[str]]] = {}
    for query, document, label in judged(dev):
        lists = found.setdefault(query, {"positive": [], "negative": []})
        side = lists["positive" if label >= RELEVANT else "negative"]
        if document not in side:
            side.append(document)
    samples: list[dict[str, str | list[str]]] = [
        {"query": query, **lists}
        for query, lists in found.items()
        if lists["positive"] and lists["negative"]
    ]
    if not samples:
        raise _unsuited(recipe, dev, "queries with relevant and irrelevant documents")
    if recipe.family == "cross-encoder":
        return pairs.CrossEncoderRerankingEvaluator(samples, at_k=10, **common)
    return vectors.RerankingEvaluator(samples, at_k=10, **common)


def _retrieval(recipe: Recipe, dev: Examples, common: dict[str, Any]) -> Any:  # noqa: ANN401
    from sentence_transformers.sentence_transformer import evaluation as vectors

    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    relevant: dict[str, set[str]] = {}
    for query, document, label in judged(dev):
        id_ = documents.setdefault(document, f"d{len(documents)}")
        asked = queries.setdefault(query, f"q{len(queries)}")
        if label >= RELEVANT:
            relevant.setdefault(asked, set()).add(id_)
    if not relevant:
        raise _unsuited(recipe, dev, "relevant documents")
    return vectors.InformationRetrievalEvaluator(
        {id_: text for text, id_ in queries.items()},
        {id_: text for text, id_ in documents.items()},
        relevant,
        **common,
    )


def _unsuited(recipe: Recipe, dev: Examples, needs: str) -> ConfigError:
    return ConfigError(
        f"{dev.source}: there are no {needs}, which the evaluator {recipe.evaluator} needs. "
        "Choose other development data, or another evaluator."
    )
