"""Rows -> batches without a text twice, which can begin in the middle of an epoch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

Rows: TypeAlias = npt.NDArray[np.bool_]  # (n_rows,), which of them


class NoDuplicates(NoDuplicatesBatchSampler):
    """sentence-transformers' sampler; it fills each batch from the rows that are left, in order.

    So the rows that are left are all its state, and an epoch can be entered at any batch without
    a reading of the rows before it: a matter of minutes in millions of triplets.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the parent's own
        super().__init__(*args, **kwargs)
        self._begin: tuple[Rows, int] | None = None
        self._before: Rows = np.zeros(len(self.dataset), np.bool_)
        self._n_before = 0  # batches of this epoch that were drawn in an earlier run
        self._drawn: list[npt.NDArray[np.int32]] = []  # batches of this epoch, after those

    def begin_after(self, packed: npt.NDArray[np.uint8], n_batches: int) -> None:
        """Let the next epoch begin after so many batches, which held these rows (as bits)."""
        rows = np.unpackbits(packed, count=len(self.dataset)).astype(np.bool_)
        self._begin = rows, n_batches

    def passed_by(self, n_batches: int) -> Rows:
        """The rows in the first batches of the epoch. The sampler itself may have run ahead."""
        passed = self._before.copy()
        for batch in self._drawn[: max(0, n_batches - self._n_before)]:
            passed[batch] = True
        return passed

    def __iter__(self) -> Iterator[list[int]]:
        self._before, self._n_before = self._begin or (np.zeros_like(self._before), 0)
        self._drawn, begin, self._begin = [], self._begin, None
        for _ in range(self._n_before):
            yield []  # whoever skips to the place in the epoch drops these unread
        for batch in self._rest() if begin else super().__iter__():
            self._drawn.append(np.array(batch, np.int32))
            yield batch

    def _rest(self) -> Iterator[list[int]]:
        """The batches that the parent would give after those before."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.dataset), generator=generator, dtype=torch.int32)
        left = deque(row for row in order.tolist() if not self._before[row])
        while left:
            yield self._fill(left)

    def _fill(self, left: deque[int]) -> list[int]:
        """The first rows that share no text, taken from those that are left."""
        batch: list[int] = []
        waiting: list[int] = []
        seen: set[str] = set()
        while left and len(batch) < self.batch_size:
            row = left.popleft()
            texts = {str(text) for text in self.dataset[row].values()}
            if texts.isdisjoint(seen):
                batch.append(row)
                seen |= texts
            else:
                waiting.append(row)
        left.extendleft(reversed(waiting))
        return batch
