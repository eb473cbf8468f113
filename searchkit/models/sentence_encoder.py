"""Texts -> unit-length vectors, by a loaded sentence-transformers model or an export of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from searchkit.errors import ModelError
from searchkit.models.device import cpu_threads
from searchkit.models.names import render
from searchkit.models.onnx_model import OnnxModel
from searchkit.models.reader import Reader
from searchkit.models.shatter import shattered
from searchkit.types import Doc, Vectors

if TYPE_CHECKING:
    from searchkit.models.packed_model import PackedModel

# Padded tokens in a batch. Abstracts a second of one core with minilm: 14.6 at 2,048 tokens, 14.8
# at 4,096, 13.6 at 8,192, 13.4 at 16,384.
BATCH_TOKENS = {"cpu": 4_096, "cuda": 32_768}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What shapes a vector besides the files of the model."""

    template: str
    query_prompt: str
    doc_prompt: str
    max_tokens: int
    pooling: str
    backend: str = "torch"
    precision: str = "float32"


@dataclass(frozen=True, slots=True, eq=False)
class SentenceEncoder:
    """A sentence-transformers model with everything settled that shapes a vector.

    Queries may be encoded by an ONNX export, whose vectors are torch's to 1e-5, or it is not used.
    """

    load: Callable[[], Any]  # sentence_transformers.SentenceTransformer, loaded once
    reader: Reader
    recipe: Recipe
    name: str
    dim: int
    fingerprint: str
    device: Literal["cpu", "cuda"]
    languages: tuple[str, ...]  # ISO 639-1, that the model is made for; empty: it does not say
    onnx: OnnxModel | None = None
    int8: Callable[[], PackedModel] | None = None  # what encodes documents, made once

    @property
    def model(self) -> Any:  # noqa: ANN401
        return self.load()

    @property
    def max_tokens(self) -> int:
        return self.recipe.max_tokens

    def passage(self, doc: Doc) -> str:
        return render(self.recipe.template, doc, self.reader.sep_token or "")

    def n_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text as a document, prompt and special tokens included."""
        return self._lengths(_readable(texts), self.recipe.doc_prompt)

    def shattered(self, texts: Sequence[str]) -> float:
        """Share of the pieces of words that are unknown or one letter; 0 where there are none."""
        return shattered(self.reader.pieces(_readable(texts)), self.reader.unk_token)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """One row per text.

        On a CPU each is encoded alone, on one thread: neither batch-mates nor cores touch its bits.
        """
        texts, prompt = _readable(texts), self.recipe.query_prompt
        if self.onnx is not None:
            rows = [self.reader.ids(prompt + text, self.max_tokens) for text in texts]
            return unit([self.onnx.outputs([row]) for row in rows], self)
        encode = with_prompt(self.model.encode_query, prompt)
        if self.device == "cpu":
            with _one_thread():
                return unit([encode([text]) for text in texts], self)
        return self._encode_by_length(encode, texts, prompt)

    def encode_docs(self, texts: Sequence[str]) -> Vectors:
        """One row per text; equal texts share one. Batches hold texts of like length.

        The last bits of a row depend on the whole list, so the caller fixes the lists.
        """
        texts, prompt = _readable(texts), self.recipe.doc_prompt
        if self.int8 is not None:
            return self._encode_in_int8(texts, prompt)
        return self._encode_by_length(
            with_prompt(self.model.encode_document, prompt), texts, prompt
        )

    def _encode_in_int8(self, texts: list[str], prompt: str) -> Vectors:
        from searchkit.models.int8 import outputs

        packed = self.int8() if self.int8 else None
        if packed is None or not texts:
            return unit([], self)
        unique = list(dict.fromkeys(texts))
        rows = [self.reader.ids(prompt + text, self.max_tokens) for text in unique]
        with _one_thread():
            found = unit([outputs(packed, rows, n_threads=cpu_threads())], self)
        place = {text: row for row, text in enumerate(unique)}
        return found[[place[text] for text in texts]]

    def _encode_by_length(self, encode: _Encode, texts: list[str], prompt: str) -> Vectors:
        unique = list(dict.fromkeys(texts))
        lengths = np.minimum(self._lengths(unique, prompt), self.max_tokens).astype(np.int64)
        order = np.argsort(-lengths, kind="stable")
        batches = _batches(lengths[order], BATCH_TOKENS[self.device])
        rows = unit([encode([unique[i] for i in order[batch]]) for batch in batches], self)
        place = {unique[i]: row for row, i in enumerate(order)}
        return rows[[place[text] for text in texts]]

    def _lengths(self, texts: list[str], prompt: str) -> list[int]:
        return self.reader.lengths([prompt + text for text in texts])


_Encode = Callable[[list[str]], Vectors]


def with_prompt(encode: Callable[..., Any], prompt: str) -> _Encode:
    """The verb of sentence-transformers for exactly one batch."""

    def encode_batch(texts: list[str]) -> Vectors:
        rows: Vectors = encode(texts, prompt=prompt, batch_size=len(texts), show_progress_bar=False)
        return rows

    return encode_batch


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread inside, on as many as before afterwards.

    A query is too short to gain much from several, and they wait for each other at every layer:
    while another process holds one of two cores, a query of 22 tokens takes 500 ms, not 17.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(lengths: np.ndarray[Any, Any], budget: int) -> Iterator[slice]:
    """Runs of texts, longest first, that fit the budget when padded; one text always fits."""
    start = 0
    while start < len(lengths):
        stop = start + max(1, budget // int(lengths[start]))
        yield slice(start, stop)
        start = stop


def unit(batches: Sequence[Vectors], encoder: SentenceEncoder) -> Vectors:
    """The batches as one array, each row of unit length; ModelError where that cannot be."""
    if not batches:
        return np.empty((0, encoder.dim), np.float32)
    rows = np.concatenate(batches).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise ModelError(
            f"{encoder.name} gives vectors that are zero or not finite: its weights are damaged. "
            "Fetch or train it again."
        )
    unit: Vectors = (rows / lengths).astype(np.float32)
    return unit


def _readable(texts: Sequence[str]) -> list[str]:
    """Lone surrogates, from file names and broken terminals, become `?`: tokenizers refuse them."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
