"""Texts and a tokenizer -> the share of their words that it breaks to bits: noise to its model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from searchkit.models.pair_tokens import whole_tokens


def shattered(pieces: Iterable[str], unknown: str | None) -> float:
    """Share of the pieces of words that are unknown or one letter; 0 where there are none."""
    pieces = [piece.strip("#▁Ġ ") for piece in pieces]
    broken = [p == unknown or (len(p) == 1 and p.isalpha()) for p in pieces]
    words = [p == unknown or p.isalpha() for p in pieces]
    return sum(broken) / sum(words) if any(words) else 0.0


def shattered_by(folder: Path, texts: Sequence[str]) -> float:
    """The same by the tokenizer.json of a model's folder; no model is loaded."""
    from tokenizers import Tokenizer

    core = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pieces = (core.id_to_token(one) or "" for ids in whole_tokens(core, texts) for one in ids)
    return shattered(pieces, getattr(core.model, "unk_token", None))
