"""Token rows of many lengths -> frames that hold them end to end, without padding between them.

A frame of a fixed shape always has as many tokens and as many sequences: dummy ones fill its end.
The same kernels then read every frame, whatever it holds, so that a row's result cannot depend on
its batch-mates even where rounding is coarse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Row: TypeAlias = tuple[Sequence[int], Sequence[int] | None]  # token ids, token types; None: all 0


class Shape(NamedTuple):
    """Of a frame: tokens in all, sequences (empty ones included), tokens of the longest."""

    tokens: int
    sequences: int
    longest: int

    @property
    def n_fillers(self) -> int:
        """Dummy sequences that an empty frame needs."""
        return -(-self.tokens // self.longest)


def shape_of(tokens: int, longest: int) -> Shape:
    """A frame of `tokens` for rows up to `longest`; rows of 64 tokens and more fill it.

    More sequences would cost time: attention starts blocks for those that are empty, too.
    """
    fillers = -(-tokens // longest)
    return Shape(tokens, tokens // 64 + fillers, longest)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Sequences end to end; those after the first `n_rows` only fill the frame."""

    ids: NDArray[np.int64]  # (n_tokens,)
    types: NDArray[np.int64]  # (n_tokens,)
    lengths: NDArray[np.int64]  # (n_sequences,)
    n_rows: int

    @property
    def starts(self) -> NDArray[np.int32]:
        """(n_sequences + 1,): where each begins, and the end of the last."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32)

    @property
    def positions(self) -> NDArray[np.int64]:
        """(n_tokens,): the place of each token in its sequence, from 0."""
        first = np.cumsum(self.lengths) - self.lengths
        return np.arange(len(self.ids)) - np.repeat(first, self.lengths)


def frame(rows: Sequence[Row], shape: Shape | None = None) -> Frame:
    """The rows in one frame, of this shape where one is given. ValueError where they do not fit."""
    lengths = np.array([len(ids) for ids, _ in rows], np.int64)
    n_tokens = int(lengths.sum())
    ids = _joined((ids for ids, _ in rows), n_tokens)
    types = np.zeros(n_tokens, np.int64)
    if any(own is not None for _, own in rows):
        types = _joined((own if own is not None else [0] * len(ids) for ids, own in rows), n_tokens)
    if shape is None:
        return Frame(ids, types, lengths, len(rows))
    rest = shape.tokens - n_tokens
    fillers = [min(shape.longest, rest - done) for done in range(0, rest, shape.longest)]
    empty = shape.sequences - len(rows) - len(fillers)
    if rest < 0 or empty < 0 or (len(lengths) and lengths.max() > shape.longest):
        raise ValueError(f"{len(rows)} rows of {n_tokens} tokens do not fit {shape}")
    pad = np.zeros(rest, np.int64)
    whole = np.concatenate([lengths, np.array([*fillers, *[0] * empty], np.int64)])
    return Frame(np.append(ids, pad), np.append(types, pad), whole, len(rows))


def fill(lengths: Sequence[int], shape: Shape) -> Iterator[NDArray[np.int64]]:
    """Which rows go into each frame, longest first; equal lengths keep their order.

    ValueError where a row is longer than the shape's longest.
    """
    sizes = np.array(lengths, np.int64)
    if len(sizes) and sizes.max() > min(shape.longest, shape.tokens):
        raise ValueError(f"a row of {sizes.max()} tokens does not fit {shape}")
    order = np.argsort(-sizes, kind="stable")
    ends, most, start = np.cumsum(sizes[order]), shape.sequences - shape.n_fillers, 0
    while start < len(order):
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + shape.tokens, "right"))
        stop = min(stop, start + most)
        yield order[start:stop]
        start = stop


def in_order(
    found: Sequence[NDArray[np.float32]], places: Sequence[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """What was found of the rows at each of the places, as one table in the order of the rows."""
    table = np.concatenate(found)
    ordered = np.empty_like(table)
    ordered[np.concatenate(places)] = table
    return ordered


def _joined(rows: Any, n: int) -> NDArray[np.int64]:  # noqa: ANN401 - an iterable of sequences
    return np.fromiter(chain.from_iterable(rows), np.int64, n)
