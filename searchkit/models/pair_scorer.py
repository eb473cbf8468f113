"""Query and passages -> relevance scores, by a loaded cross-encoder or what stands in for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ModelError
from searchkit.models.fingerprint import fingerprint, tokenizer_fingerprint
from searchkit.models.focus import focus
from searchkit.models.names import render
from searchkit.models.packed import Row
from searchkit.models.packed_bert import Precision
from searchkit.models.pair_tokens import (
    PairFrame,
    batches,
    first_tokens,
    padded,
    whole_tokens,
)
from searchkit.models.reader import Reader
from searchkit.models.serving import Window
from searchkit.protocols import Reading, Tokens
from searchkit.types import Doc, Scores

# Padded tokens in a batch. On one CPU core, seconds of it for 100 abstracts of 320 tokens with a
# model of MiniLM-L6's size: 10.3 at 2,048 tokens, 10.7 at 4,096, 12.3 at 8,192, 13.3 at 16,384.
BATCH_TOKENS = {"cpu": 2_048, "cuda": 131_072}
Pair: TypeAlias = tuple[list[int], list[int]]  # token ids and token types


class Runner(Protocol):
    """What scores in place of a loaded model."""

    def outputs(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Token rows -> (n_rows, n_outputs), in their order."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossEncoderScorer:
    """A sequence classifier with one label; its raw logits, in float32, are the scores.

    Scores by ONNX Runtime are torch's to 1e-5, or it is not used: they share a fingerprint.
    """

    model: Any = field(repr=False)  # transformers.PreTrainedModel; None where a runner scores
    tokenizer: Reader = field(repr=False)
    pad_id: int
    has_types: bool  # whether it reads token types
    frame: PairFrame
    name: str
    folder: Path
    max_tokens: int
    template: str
    window: Window
    device: Literal["cpu", "cuda"]
    languages: tuple[str, ...]  # ISO 639-1; empty where nobody says
    precision: Precision = "float32"
    packed: Runner | None = field(default=None, repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that shapes a score. Reads the weights once."""
        settings = {
            "template": self.template,
            "max_tokens": self.max_tokens,
            "window": self.window,
            "backend": "torch" if self.precision == "float32" else "torch-packed",
            "precision": self.precision,
        }
        return fingerprint(self.folder, settings)

    @cached_property
    def reading(self) -> Reading | None:
        """Under which its tokens of a document are stored; None where they depend on the query."""
        if self.window == "focus":
            return None
        room = self.frame.room_beside(0, self.max_tokens)
        return Reading(tokenizer_fingerprint(self.tokenizer), self.template, room)

    @property
    def core(self) -> Any:  # noqa: ANN401 - tokenizers.Tokenizer; its wrapper is a fifth slower
        return self.tokenizer.backend_tokenizer

    def passage(self, query: str, doc: Doc) -> str:
        if self.window == "focus":
            doc = Doc(doc.id, doc.title, focus(query, "", doc.text))
        return render(self.template, doc, self.tokenizer.sep_token or "")

    def n_tokens(self, query: str, passages: Sequence[str]) -> list[int]:
        (asked, *read) = whole_tokens(self.core, [query, *passages])
        return [len(asked) + len(tokens) + self.frame.n_special for tokens in read]

    def score(self, query: str, passages: Sequence[str]) -> Scores:
        """The logit of each pair: (n,) float32. ModelError where one is no number.

        A pair beyond the limit is cut: the query to half of it, or to what the passage leaves.
        """
        return self.score_stored(query, passages)

    def score_stored(self, query: str, passages: Sequence[str | Tokens]) -> Scores:
        """As `score`; a passage is its text, or its tokens from `stored_tokens`."""
        return self.score_pairs(self.pairs(query, passages))

    def stored_tokens(self, docs: Sequence[Doc]) -> list[Tokens]:
        """The tokens of each document, from its start to the limit of the reading.

        ValueError where that depends on the query.
        """
        if self.reading is None:
            raise ValueError(f"what {self.name} reads of a document depends on the query")
        limit = self.reading.limit
        read = first_tokens(self.core, [self.passage("", doc) for doc in docs], limit)
        return [tokens[:limit] for tokens in read]

    def score_pairs(self, pairs: Sequence[Pair]) -> Scores:
        """The logits of pairs of any queries, in batches of like length: (n,) float32."""
        if self.packed is not None and pairs:
            return self.logits(pairs)
        lengths = np.array([len(ids) for ids, _ in pairs], np.int64)
        scores = np.empty(len(pairs), np.float32)
        for batch in batches(lengths, BATCH_TOKENS[self.device]):
            scores[batch] = self.logits([pairs[i] for i in batch])
        return scores

    def pairs(self, query: str, passages: Sequence[str | Tokens]) -> list[Pair]:
        """The token rows of each pair, cut to the limit."""
        [asked] = whole_tokens(self.core, [query])
        room = self.frame.room_beside(len(asked), self.max_tokens)
        texts = [one for one in passages if isinstance(one, str)]
        found = iter(first_tokens(self.core, texts, room))
        read = [next(found) if isinstance(one, str) else one for one in passages]
        return [self.frame.join(asked, tokens, self.max_tokens) for tokens in read]

    def logits(self, pairs: Sequence[Pair]) -> Scores:
        """The scores of one batch, as it is: (n,) float32."""
        logits = self._padded(pairs) if self.packed is None else self.packed.outputs(pairs)[:, 0]
        if not np.isfinite(logits).all():
            raise ModelError(
                f"{self.name} gives scores that are no numbers. Its weights are damaged, or were "
                "saved in too low a precision; fetch or train it again."
            )
        return logits

    def _padded(self, pairs: Sequence[Pair]) -> Scores:
        import torch

        ids = padded([ids for ids, _ in pairs], self.pad_id)
        lengths = np.array([len(ids) for ids, _ in pairs])
        inputs = {
            "input_ids": ids,
            "attention_mask": (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64),
        }
        if self.has_types:
            inputs["token_type_ids"] = padded([types for _, types in pairs], 0)
        with torch.inference_mode():
            tensors = {
                name: torch.from_numpy(table).to(self.device) for name, table in inputs.items()
            }
            logits: Scores = self.model(**tensors).logits[:, 0].cpu().numpy()
        return logits
