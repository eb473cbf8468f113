"""A name -> a loaded cross-encoder: query and passages to relevance scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from searchkit.errors import ModelError
from searchkit.models.card import card_languages
from searchkit.models.device import Device, pick_device
from searchkit.models.fingerprint import fingerprint, tokenizer_fingerprint
from searchkit.models.focus import focus
from searchkit.models.folder import locate
from searchkit.models.half import check_parity, check_precision, pack_scorer
from searchkit.models.load_cross_encoder import limit_tokens, load_cross_encoder
from searchkit.models.names import render, resolve
from searchkit.models.packed_bert import Precision
from searchkit.models.packed_model import PackedModel
from searchkit.models.pair_tokens import (
    PairFrame,
    batches,
    first_tokens,
    padded,
    whole_tokens,
)
from searchkit.models.serving import Window
from searchkit.protocols import Reading, Tokens
from searchkit.types import Doc, Scores

# Padded tokens in a batch. On one CPU core, seconds of it for 100 abstracts of 320 tokens with a
# model of MiniLM-L6's size: 10.3 at 2,048 tokens, 10.7 at 4,096, 12.3 at 8,192, 13.3 at 16,384.
BATCH_TOKENS = {"cpu": 2_048, "cuda": 131_072}
Pair: TypeAlias = tuple[list[int], list[int]]  # token ids and token types

_TOLERANCE = 1e-5  # of a score of 1; larger scores may differ in proportion
_PROBE_QUERY = "how far away are the galaxies"
_PROBE_WORDS = "stars in a dense cluster move fast and 42 drift".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEncoderOptions:
    """What a user may change about a cross-encoder; None keeps what the model brings."""

    device: Device = "auto"
    max_tokens: int | None = None
    template: str | None = None
    window: Window | None = None
    precision: Precision = "float32"  # bfloat16 and float16: on CUDA, without padding
    trust_remote_code: bool = False
    revision: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossEncoderScorer:
    """A sequence classifier with one label; its raw logits, in float32, are the scores."""

    model: Any = field(repr=False)  # transformers.PreTrainedModel
    tokenizer: Any = field(repr=False)  # transformers.PreTrainedTokenizerFast
    frame: PairFrame
    name: str
    folder: Path
    max_tokens: int
    template: str
    window: Window
    device: Literal["cpu", "cuda"]
    languages: tuple[str, ...]  # ISO 639-1; empty where nobody says
    precision: Precision = "float32"
    packed: PackedModel | None = field(default=None, repr=False)  # what scores in its place

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that shapes a score. Reads the weights once."""
        settings = {
            "template": self.template,
            "max_tokens": self.max_tokens,
            "window": self.window,
            "backend": "torch" if self.packed is None else "torch-packed",
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

        ids = padded([ids for ids, _ in pairs], self.tokenizer.pad_token_id)
        lengths = np.array([len(ids) for ids, _ in pairs])
        inputs = {
            "input_ids": ids,
            "attention_mask": (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64),
        }
        if "token_type_ids" in self.tokenizer.model_input_names:
            inputs["token_type_ids"] = padded([types for _, types in pairs], 0)
        with torch.inference_mode():
            tensors = {
                name: torch.from_numpy(table).to(self.device) for name, table in inputs.items()
            }
            logits: Scores = self.model(**tensors).logits[:, 0].cpu().numpy()
        return logits


def open_cross_encoder(
    name: str, *, options: CrossEncoderOptions | None = None
) -> CrossEncoderScorer:
    """The cross-encoder behind an alias, a folder or a hub name. Costs seconds.

    ConfigError where the precision cannot be served here; ModelError, in a sentence, where it
    cannot be had or loaded, has another head than one label, or scores a pair differently among
    other pairs.
    """
    options = options or CrossEncoderOptions()
    spec = resolve(name, "cross-encoder")
    template = options.template or spec.template
    render(template, Doc("", "title", "text"))  # a wrong template is refused before the long work
    folder = locate(spec, revision=options.revision)
    device = pick_device(options.device)
    check_precision(options.precision, device)
    model, tokenizer = load_cross_encoder(
        folder, spec.name, device=device, trust_remote_code=options.trust_remote_code
    )
    scorer = CrossEncoderScorer(
        model=model,
        tokenizer=tokenizer,
        frame=PairFrame.of(tokenizer, spec.name),
        name=spec.name,
        folder=folder,
        max_tokens=limit_tokens(spec, model, tokenizer, wanted=options.max_tokens),
        template=template,
        window=options.window or spec.window,
        device=device,
        languages=spec.languages or card_languages(folder),
    )
    if options.precision != "float32":
        scorer = in_precision(scorer, options.precision)
    check_independence(scorer)
    return scorer


def in_precision(scorer: CrossEncoderScorer, precision: Precision) -> CrossEncoderScorer:
    """The scorer in a precision, packed. ModelError where its scores are not float32's, about."""
    packed = pack_scorer(scorer.model, precision, longest=scorer.max_tokens)
    half, pairs = replace(scorer, precision=precision, packed=packed), _probes(scorer)
    found, exact = half.logits(pairs), scorer.logits(pairs)
    check_parity(scorer.name, precision, found=found, exact=exact)
    return half


def check_independence(scorer: CrossEncoderScorer) -> None:
    """ModelError unless pairs of unlike length score alike alone, together and in another order."""
    pairs = _probes(scorer)
    together = scorer.logits(pairs)
    alone = np.concatenate([scorer.logits([pair]) for pair in pairs])
    turned = scorer.logits(pairs[::-1])[::-1]
    gap = np.maximum(np.abs(alone - together), np.abs(turned - together))
    if not (gap <= _TOLERANCE * np.maximum(1, np.abs(together))).all():
        raise ModelError(
            f"{scorer.name} scores a pair differently among other pairs (by {gap.max():.1g}), "
            "so its rankings would depend on the batch. Choose another model or export."
        )


def _probes(scorer: CrossEncoderScorer) -> list[Pair]:
    return scorer.pairs(_PROBE_QUERY, [" ".join(_PROBE_WORDS[:n]) for n in range(1, 9)])
