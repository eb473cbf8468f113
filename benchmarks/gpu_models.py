"""Random models of real classes and sizes with a made-up vocabulary, and texts for them: no file
is fetched and none of a collection is read.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

from searchkit.models.quiet import quiet

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of a BERT; the inner layer is four times as wide."""

    layers: int
    width: int
    heads: int

    def flops(self, n_tokens: int) -> float:
        """Operations of the layers for one sequence: multiplications and additions."""
        weights = 2 * 12 * self.width**2
        seen = 4 * n_tokens * self.width
        return float(self.layers * n_tokens * (weights + seen))


TINYBERT = Size(layers=2, width=128, heads=2)  # cross-encoder/ms-marco-TinyBERT-L2-v2
MINILM = Size(layers=6, width=384, heads=12)  # cross-encoder/ms-marco-MiniLM-L6-v2
BERT_BASE = Size(layers=12, width=768, heads=12)  # allenai/specter2_base
SMALL = Size(layers=1, width=32, heads=2)


class Words:
    """A vocabulary of made-up words, drawn as often as Zipf's law says."""

    def __init__(self, n: int = 30_000, seed: int = 0) -> None:
        syllables = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
        every = (
            "".join(parts) for size in (2, 3) for parts in itertools.product(syllables, repeat=size)
        )
        self.words = list(itertools.islice(every, n))
        self._random = np.random.default_rng(seed)
        shares = 1 / np.arange(1, n + 1)
        self._shares = shares / shares.sum()

    def texts(self, n: int, n_words: tuple[int, int]) -> list[str]:
        """Texts of a number of words between the two, each a token at least."""
        sizes = self._random.integers(n_words[0], n_words[1] + 1, n)
        drawn = iter(self._random.choice(self.words, sizes.sum(), p=self._shares).tolist())
        return [" ".join(itertools.islice(drawn, int(size))) for size in sizes]

    def tokenizer(self, max_tokens: int) -> Any:  # noqa: ANN401
        letters = "abcdefghijklmnopqrstuvwxyz"
        pieces = [*SPECIAL, *letters, *("##" + letter for letter in letters), *self.words]
        core = Tokenizer(
            models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]")
        )
        core.normalizer = normalizers.BertNormalizer()
        core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        return BertTokenizerFast(tokenizer_object=core, model_max_length=max_tokens)


def save_cross_encoder(folder: Path, size: Size, words: Words, *, max_tokens: int) -> Path:
    with quiet():
        model = BertForSequenceClassification(_config(size, words, num_labels=1))
        model.classifier.weight.data.normal_(0, 0.5)  # so that scores differ
        model.save_pretrained(folder)
        words.tokenizer(max_tokens).save_pretrained(folder)
    return folder


def save_encoder(folder: Path, size: Size, words: Words, *, max_tokens: int, pooling: str) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    raw = folder.with_name(folder.name + "-raw")
    with quiet():
        BertModel(_config(size, words)).save_pretrained(raw)
        words.tokenizer(max_tokens).save_pretrained(raw)
        modules = [Transformer(str(raw), max_seq_length=max_tokens), Pooling(size.width, pooling)]
        model = SentenceTransformer(modules=modules, device="cpu")
        model.save_pretrained(str(folder), create_model_card=False)
    return folder


def _config(size: Size, words: Words, **settings: Any) -> BertConfig:  # noqa: ANN401
    torch.manual_seed(0)
    return BertConfig(
        vocab_size=len(SPECIAL) + 52 + len(words.words),
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.width,
        max_position_embeddings=512,
        initializer_range=0.8 / size.width**0.5,  # so that texts differ, at any width
        **settings,
    )
