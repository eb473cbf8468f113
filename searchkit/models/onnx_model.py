"""An ONNX graph -> its outputs for token rows: no padding, no mask, on every thread.

A run holds rows of one length only, so nothing is padded and a row's output cannot depend on its
batch-mates. Runs are small: of 80 to 2,048 tokens those of about 320, whose intermediates stay in
the cache, took the fewest seconds a row on one core (`benchmarks/NOTES.md`). The threads take runs,
not parts of one, and never wait for each other inside a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchkit.models.packed import Row, in_order

RUN_TOKENS = 320


@dataclass(frozen=True, slots=True, eq=False)
class OnnxModel:
    """A session of ONNX Runtime on the processor."""

    session: Any  # onnxruntime.InferenceSession
    inputs: tuple[str, ...]  # its names: ids first, then token types where it reads them
    pool: ThreadPoolExecutor | None  # None: one thread

    def outputs(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(n_rows, n_outputs) float32, in the order of the rows."""
        places = list(_runs([len(ids) for ids, _ in rows]))
        some = [[rows[i] for i in place] for place in places]
        alone = self.pool is None or len(some) < 2
        found = list(map(self._run, some) if alone else self.pool.map(self._run, some))  # type: ignore[union-attr]
        if not found:
            return np.empty((0, 0), np.float32)
        return in_order(found, places)

    def _run(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        feed = {self.inputs[0]: np.array([ids for ids, _ in rows], np.int64)}
        for name in self.inputs[1:]:
            feed[name] = np.array([types or [0] * len(ids) for ids, types in rows], np.int64)
        found: NDArray[np.float32] = self.session.run(None, feed)[0]
        return found


def open_onnx(path: Path, *, n_threads: int) -> OnnxModel:
    """The graph of a file. OSError or the library's own errors where it is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a pattern is kept for each length, and lengths are many
    options.log_severity_level = 4  # errors come as exceptions
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = tuple(one.name for one in session.get_inputs())
    pool = ThreadPoolExecutor(n_threads, "onnx") if n_threads > 1 else None
    return OnnxModel(session, names, pool)


def _runs(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Positions of rows of one length, the longest first, as many as a run may hold."""
    sizes = np.array(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable")
    start = 0
    while start < len(order):
        length = int(sizes[order[start]])
        alike = int(np.searchsorted(-sizes[order], -length, "right"))
        stop = min(alike, start + max(1, RUN_TOKENS // max(length, 1)))
        yield order[start:stop]
        start = stop
