"""Stages and queries -> milliseconds of each search, warm and one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from searchkit.index.index import Index
from searchkit.protocols import Progress
from searchkit.search.searcher import Searcher
from searchkit.tune.bench.quality import SHOWN
from searchkit.tune.bench.stages import BenchStage

_N_WARM = 3
_WARM_WORDS = 12


def warm_up(
    searcher: Searcher, stages: Sequence[BenchStage], asked: Sequence[str]
) -> dict[str, float]:
    """Load every model and compile every kernel by texts that nobody asks later.

    The seconds that a stage's last text took, for a forecast.
    """
    texts, took = _warming(searcher.index, set(asked)), {}
    for one in stages:
        for text in texts:
            start = perf_counter()
            one.searcher(searcher).search(text, SHOWN, stage=one.stage)
            took[one.name] = perf_counter() - start
    return took


def time_searches(
    searcher: Searcher,
    stages: Sequence[BenchStage],
    texts: Sequence[str],
    *,
    progress: Progress = lambda done, total: None,
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of one search for 10 hits: stage -> (n_texts,) float64, in their order.

    From the text to the hits with their documents, as a user waits for them. Every stage is asked
    every text once, and which comes first changes from text to text; nothing keeps results.
    """
    times = {one.name: np.empty(len(texts)) for one in stages}
    for n, text in enumerate(texts):
        turn = n % len(stages)
        for one in (*stages[turn:], *stages[:turn]):
            answer = one.searcher(searcher).answer(text, SHOWN, stage=one.stage)
            times[one.name][n] = answer.times_ms["total"]
        progress(n + 1, len(texts))
    return times


def _warming(index: Index, asked: set[str]) -> list[str]:
    """Beginnings of documents, which no query is."""
    step = max(1, len(index) // (4 * _N_WARM))
    found = []
    for doc in islice(index, 0, None, step):
        words = f"{doc.title} {doc.text}".split()[:_WARM_WORDS]
        if words and (text := " ".join(words)) not in asked:
            found.append(text)
    return found[:_N_WARM] or ["a text that warms"]
