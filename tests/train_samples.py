"""Small examples and recipes for tests of training."""

import json
import random

from tiny_models import WORDS, save_bert, save_encoder

from searchkit.train.examples import read_examples
from searchkit.train.recipe import Recipe

TERMS = WORDS.split()


def sentence(draw, n=6):
    return " ".join(draw.choices(TERMS, k=n))


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def triplets(n, seed=0):
    """Positives repeat words of the query, negatives do not."""
    draw = random.Random(seed)
    rows = []
    for _ in range(n):
        query = sentence(draw)
        rows.append({"query": query, "pos": f"{query} {sentence(draw, 2)}", "neg": sentence(draw)})
    return rows


def labelled(n, seed=0):
    """Lists of one relevant and two irrelevant documents, flattened."""
    draw = random.Random(seed)
    rows = []
    for _ in range(n):
        query = sentence(draw)
        rows.append({"query": query, "document": f"{query} {sentence(draw, 2)}", "label": 1})
        rows += [{"query": query, "document": sentence(draw), "label": 0} for _ in range(2)]
    return rows


def pairs(n, seed=0):
    return [{"sentence_0": row["query"], "sentence_1": row["pos"]} for row in triplets(n, seed)]


def read(folder, rows, shape, *, name="train", columns=None):
    path = write_rows(folder / f"{name}.jsonl", rows)
    return read_examples([str(path)], shape, columns=columns or {}, cache=folder / "cache")


def base(folder, family):
    """A random tiny base of this family: a bi-encoder's folder, or a plain BERT."""
    save = save_encoder if family == "bi-encoder" else save_bert
    return str(save(folder / family))


def recipe(base, **settings):
    return Recipe(
        **{
            "name": "tiny",
            "about": "A tiny model for a test.",
            "family": "cross-encoder",
            "base": base,
            "shape": "labelled",
            "loss": "bce",
            "max_tokens": 32,
            "batch_size": 4,
            "epochs": 1,
            "learning_rate": 1e-3,
            "log_every": 1,
            **settings,
        }
    )
