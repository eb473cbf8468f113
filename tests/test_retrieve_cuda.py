"""What the scan on a device rests on, as far as a processor can show it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.index.vectors import VectorPart
from searchkit.retrieve.cuda import TorchScan, halves, summits
from searchkit.retrieve.exact import exact_scores, margin
from searchkit.types import Ranking


def unit(n, dim, seed):
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40))
def test_two_halves_hold_a_query(values):
    query = torch.tensor([values])
    upper, rest = halves(query).double().unbind()
    gap = (upper + rest / 2048 - query[0].double()).abs()
    assert bool((gap <= 2.0**-22 * query[0].double().abs() + 2.0**-36).all())


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 900), st.integers(0, 9))
def test_scores_of_two_halves_stay_within_the_margin(dim, seed):
    queries, vectors = unit(2, dim, seed), unit(20, dim, seed + 50).astype(np.float16)
    both = halves(torch.tensor(queries)).float() @ torch.tensor(vectors).float().T
    fast = (both[:2] + both[2:] / 2048).numpy()
    for query, found in zip(queries, fast, strict=True):
        assert np.abs(found - exact_scores(vectors, query, np.arange(20))).max() <= margin(query)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 9), st.integers(0, 9))
def test_summits_are_scores_and_miss_no_best(n, k, seed):
    scores = torch.tensor(np.random.default_rng(seed).integers(0, 500, (3, n)), dtype=torch.float32)
    found = summits(scores, k)
    for some, whole in zip(found.tolist(), scores.tolist(), strict=True):
        assert max(some) == max(whole)
        assert sorted(some)[-k:] <= sorted(whole)[-k:]


@pytest.mark.parametrize("block", [700, 1 << 20])
def test_a_scan_long_enough_for_summits_misses_none_of_the_best(block):
    vectors = unit(5000, 16, 1).astype(np.float16)
    queries = unit(5, 16, 2)
    part = VectorPart(vectors, None, np.zeros(5000, np.uint32))
    for query, ids in zip(
        queries, TorchScan(part, device="cpu", block=block).propose(queries, 3), strict=True
    ):
        best = Ranking.top(np.arange(5000), exact_scores(vectors, query, np.arange(5000)), 3)
        assert set(best.rows) <= set(ids)
        assert len(ids) < 64
