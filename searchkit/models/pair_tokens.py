"""Query and passage tokens -> the token rows of a cross-encoder, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ModelError
from searchkit.protocols import Tokens

Batch: TypeAlias = NDArray[np.int64]  # positions of the pairs of one batch

_QUERY, _PASSAGE = 0, 1


@dataclass(frozen=True, slots=True)
class PairFrame:
    """What a tokenizer writes around a pair: head, query, middle, passage, tail."""

    head: tuple[int, ...]
    middle: tuple[int, ...]
    tail: tuple[int, ...]
    types: tuple[int, int, int, int, int]  # token type of each of the five

    @classmethod
    def of(cls, tokenizer: Any, name: str) -> PairFrame:  # noqa: ANN401 - no types of theirs
        """The frame of a tokenizer, read off one pair. ModelError where it has none."""
        pair = tokenizer("galaxy", "telescope", return_token_type_ids=True)
        if not pair.is_fast:
            raise ModelError(f"{name} has no tokenizer.json. Save it with its fast tokenizer.")
        owners: list[int | None] = pair.sequence_ids(0)
        if _QUERY not in owners or _PASSAGE not in owners[owners.index(_QUERY) :]:
            raise ModelError(f"the tokenizer of {name} reads no pairs of texts, query first.")
        first = owners.index(_QUERY), owners.index(_PASSAGE)
        after = [len(owners) - owners[::-1].index(owner) for owner in (_QUERY, _PASSAGE)]
        ids, types = pair["input_ids"], pair["token_type_ids"]
        cuts = [0, first[0], after[0], first[1], after[1], len(ids)]
        parts = [slice(a, b) for a, b in pairwise(cuts)]
        kinds = [types[part][0] if types[part] else 0 for part in parts]
        head, _, middle, _, tail = (tuple(ids[part]) for part in parts)
        return cls(head, middle, tail, (kinds[0], kinds[1], kinds[2], kinds[3], kinds[4]))

    @property
    def n_special(self) -> int:
        return len(self.head) + len(self.middle) + len(self.tail)

    def n_kept(self, n_query: int, n_passage: int, limit: int) -> tuple[int, int]:
        """How many tokens of each side go into a pair of at most `limit` tokens.

        A query gets half of the room, or what the passage leaves; the passage the rest.
        """
        room = limit - self.n_special
        kept = min(n_query, max(room // 2, room - n_passage))
        return kept, min(n_passage, room - kept)

    def room_beside(self, n_query: int, limit: int) -> int:
        """Tokens of a passage that fit beside a query; more of them change no pair."""
        room = limit - self.n_special
        return room - min(n_query, room // 2)

    def join(self, query: Tokens, passage: Tokens, limit: int) -> tuple[list[int], list[int]]:
        """Token ids and token types of one pair, cut to the limit."""
        n_query, n_passage = self.n_kept(len(query), len(passage), limit)
        parts = (self.head, query[:n_query], self.middle, passage[:n_passage], self.tail)
        types = [[kind] * len(part) for kind, part in zip(self.types, parts, strict=True)]
        return list(chain(*parts)), list(chain(*types))


def whole_tokens(core: Any, texts: Sequence[str]) -> list[Tokens]:  # noqa: ANN401
    """Token ids of each text, without special tokens, by the core of a tokenizer."""
    core.no_truncation()
    core.no_padding()
    # Lone surrogates, which tokenizers refuse, become "?".
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    return [found.ids for found in core.encode_batch_fast(readable, add_special_tokens=False)]


def first_tokens(core: Any, texts: Sequence[str], n: int) -> list[Tokens]:  # noqa: ANN401
    """The head of `whole_tokens`: of a text with more than n tokens at least the first n.

    BERT's words end at spaces, and a word is a token at least, so that n words are enough: a
    third of the time where 64 tokens are read of an abstract.
    """
    if type(core.pre_tokenizer).__name__ != "BertPreTokenizer":
        return whole_tokens(core, texts)
    heads = [" ".join(text.split(" ", n)[:n]) for text in texts]
    found = whole_tokens(core, heads)
    # A piece between spaces may hold no word at all, such as a control character.
    short = [i for i, ids in enumerate(found) if len(ids) < n and heads[i] != texts[i]]
    if short:
        for i, ids in zip(short, whole_tokens(core, [texts[i] for i in short]), strict=True):
            found[i] = ids
    return found


def batches(lengths: NDArray[np.int64], max_tokens: int) -> Iterator[Batch]:
    """Positions by falling length, cut so that a padded batch stays within the tokens.

    A pair longer than that is a batch alone; equal lengths keep their order.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, max_tokens // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def padded(rows: Sequence[Sequence[int]], pad: int) -> NDArray[np.int64]:
    """(len(rows), longest) int64, short rows filled up at their end."""
    table = np.full((len(rows), max(map(len, rows))), pad, np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table
