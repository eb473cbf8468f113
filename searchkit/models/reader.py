"""A tokenizer -> the token ids, lengths and pieces of texts, with or without its library's model.

The core alone (`tokenizers`) reads a file in milliseconds; transformers takes a second to import.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from searchkit.errors import ModelError
from searchkit.models.pair_tokens import whole_tokens


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """The core of a fast tokenizer, and the two of its special tokens that are asked for."""

    backend_tokenizer: Any  # tokenizers.Tokenizer; the name that transformers has for it
    sep_token: str | None
    unk_token: str | None

    @classmethod
    def of(cls, tokenizer: Any) -> Reader:  # noqa: ANN401 - transformers.PreTrainedTokenizerFast
        """ModelError where transformers has no fast tokenizer of the model."""
        if not tokenizer.is_fast:
            raise ModelError(
                f"{tokenizer.name_or_path} has no tokenizer.json. Save it with its fast tokenizer."
            )
        return cls(tokenizer.backend_tokenizer, tokenizer.sep_token, tokenizer.unk_token)

    @classmethod
    def read(cls, core: str, sep_token: str | None, unk_token: str | None) -> Reader:
        """From the JSON that `text` gave."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_str(core), sep_token, unk_token)

    @property
    def text(self) -> str:
        """The core as JSON, without the cutting and padding that belong to a call."""
        self.backend_tokenizer.no_truncation()
        self.backend_tokenizer.no_padding()
        return str(self.backend_tokenizer.to_str())

    def ids(self, text: str, limit: int) -> tuple[list[int], list[int]]:
        """Token ids and types of one text with its special tokens, cut to `limit`."""
        core = self.backend_tokenizer
        core.no_padding()
        core.enable_truncation(limit)
        found = core.encode(text)
        core.no_truncation()
        return found.ids, found.type_ids

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones included, uncut."""
        core = self.backend_tokenizer
        core.no_truncation()
        core.no_padding()
        return [len(found.ids) for found in core.encode_batch_fast(list(texts))]

    def pieces(self, texts: Sequence[str]) -> Iterator[str]:
        """The pieces of all texts, as the vocabulary spells them."""
        core = self.backend_tokenizer
        for ids in whole_tokens(core, texts):
            yield from (core.id_to_token(one) or "" for one in ids)
