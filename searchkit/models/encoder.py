"""A name -> a loaded bi-encoder: texts to unit-length vectors, through sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from searchkit.errors import ModelError
from searchkit.models.card import card_languages
from searchkit.models.device import Device, pick_device
from searchkit.models.fingerprint import fingerprint
from searchkit.models.folder import locate
from searchkit.models.load import (
    doc_prompt,
    limit_tokens,
    load_model,
    pooling_of,
)
from searchkit.models.names import render, resolve
from searchkit.models.shatter import shattered
from searchkit.types import Doc, Vectors

# Padded tokens in a batch; of 2,048 to 32,768 the fewest CPU seconds a document with minilm.
BATCH_TOKENS = {"cpu": 16_384, "cuda": 32_768}


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """What a user may change about an encoder; None keeps what the model brings."""

    device: Device = "auto"
    query_prompt: str | None = None
    doc_prompt: str | None = None
    max_tokens: int | None = None
    template: str | None = None
    trust_remote_code: bool = False
    revision: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON that `from_dict` reads back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EncoderOptions:
        return cls(**values)


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
    """A sentence-transformers model with everything settled that shapes a vector."""

    model: Any  # sentence_transformers.SentenceTransformer
    recipe: Recipe
    name: str
    dim: int
    fingerprint: str
    device: Literal["cpu", "cuda"]
    languages: tuple[str, ...]  # ISO 639-1, that the model is made for; empty: it does not say

    @property
    def max_tokens(self) -> int:
        return self.recipe.max_tokens

    def passage(self, doc: Doc) -> str:
        return render(self.recipe.template, doc, self.model.tokenizer.sep_token or "")

    def n_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text as a document, prompt and special tokens included."""
        return self._lengths(_readable(texts), self.recipe.doc_prompt)

    def shattered(self, texts: Sequence[str]) -> float:
        """Share of the pieces of words that are unknown or one letter; 0 where there are none."""
        tokenizer = self.model.tokenizer
        pieces = (
            piece
            for ids in tokenizer(_readable(texts), add_special_tokens=False, verbose=False)[
                "input_ids"
            ]
            for piece in tokenizer.convert_ids_to_tokens(ids)
        )
        return shattered(pieces, tokenizer.unk_token)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """One row per text.

        On a CPU each is encoded alone, on one thread: neither batch-mates nor cores touch its bits.
        """
        texts, prompt = _readable(texts), self.recipe.query_prompt
        encode = _with_prompt(self.model.encode_query, prompt)
        if self.device == "cpu":
            with _one_thread():
                return _unit([encode([text]) for text in texts], self)
        return self._encode_by_length(encode, texts, prompt)

    def encode_docs(self, texts: Sequence[str]) -> Vectors:
        """One row per text; equal texts share one. Batches hold texts of like length.

        The last bits of a row depend on the whole list, so the caller fixes the lists.
        """
        texts, prompt = _readable(texts), self.recipe.doc_prompt
        return self._encode_by_length(
            _with_prompt(self.model.encode_document, prompt), texts, prompt
        )

    def _encode_by_length(self, encode: _Encode, texts: list[str], prompt: str) -> Vectors:
        unique = list(dict.fromkeys(texts))
        lengths = np.minimum(self._lengths(unique, prompt), self.max_tokens).astype(np.int64)
        order = np.argsort(-lengths, kind="stable")
        batches = _batches(lengths[order], BATCH_TOKENS[self.device])
        rows = _unit([encode([unique[i] for i in order[batch]]) for batch in batches], self)
        place = {unique[i]: row for row, i in enumerate(order)}
        return rows[[place[text] for text in texts]]

    def _lengths(self, texts: list[str], prompt: str) -> list[int]:
        if not texts:
            return []
        ids = self.model.tokenizer(
            [prompt + text for text in texts],
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        return [len(row) for row in ids]


def open_encoder(name: str, *, options: EncoderOptions | None = None) -> SentenceEncoder:
    """The encoder behind an alias, a folder or a hub name. Costs seconds: imports and weights.

    ModelError where it cannot be had, loaded or run.
    """
    options = options or EncoderOptions()
    spec = resolve(name, "bi-encoder")
    folder = locate(spec, revision=options.revision)
    device = pick_device(options.device)
    model = load_model(folder, spec, device=device, trust_remote_code=options.trust_remote_code)
    recipe = Recipe(
        template=_given(options.template, spec.template),
        query_prompt=_given(options.query_prompt, model.prompts.get("query") or ""),
        doc_prompt=_given(options.doc_prompt, doc_prompt(model)),
        max_tokens=limit_tokens(model, spec, options.max_tokens),
        pooling=pooling_of(model),
    )
    probe = _with_prompt(model.encode_query, recipe.query_prompt)(["probe"])
    encoder = SentenceEncoder(
        model,
        recipe,
        name=spec.name,
        dim=probe.shape[1],
        fingerprint=fingerprint(folder, asdict(recipe)),
        device=device,
        languages=spec.languages or card_languages(folder),
    )
    _unit([probe], encoder)  # weights that give no vector are refused before hours of work
    return encoder


_Encode = Callable[[list[str]], Vectors]


def _with_prompt(encode: Callable[..., Any], prompt: str) -> _Encode:
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


def _unit(batches: Sequence[Vectors], encoder: SentenceEncoder) -> Vectors:
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


def _given(wanted: str | None, own: str) -> str:
    return own if wanted is None else wanted
