import json
import math

import numpy as np
import pytest
from conftest import ranking
from hypothesis import assume, given
from hypothesis import strategies as st

from searchkit.errors import ConfigError
from searchkit.fuse import Fusion, convex, min_max, rrf, theoretical_min
from searchkit.types import Ranking

# few rows and few distinct scores, so that overlaps and ties are common
lists = st.dictionaries(
    st.integers(0, 12), st.sampled_from([-1.0, -0.1, 0.0, 0.3, 0.7, 1.0, 30.0]), max_size=10
).map(ranking)
weights = st.sampled_from([0.1, 0.3, 1 / 3, 0.5, 1.0, 7.0])
weighted = st.lists(st.tuples(lists, weights), max_size=6)
NORMALISERS = [min_max, theoretical_min(-1.0)]


def fuse(pairs, k, normalise=None):
    found, given_weights = [r for r, _ in pairs], [w for _, w in pairs]
    if normalise is None:
        return rrf(found, k, weights=given_weights)
    return convex(found, k, weights=given_weights, normalisers=[normalise] * len(pairs))


def slow_top(scores, k):
    rounded = {row: float(np.float32(score)) for row, score in scores.items()}
    return sorted(rounded.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


def test_rrf_of_three_documents_by_hand():
    fused = rrf([ranking({7: 9.0, 3: 8.0}), ranking({3: 0.5, 5: 0.4})], 10)
    assert list(fused) == [
        (3, np.float32(1 / 61 + 1 / 62)),
        (7, np.float32(1 / 61)),
        (5, np.float32(1 / 62)),
    ]


def test_convex_of_three_documents_by_hand():
    found = [ranking({1: 10.0, 2: 6.0, 3: 2.0}), ranking({3: 0.75, 1: 0.25})]
    fused = convex(found, 10, weights=[0.25, 0.75], normalisers=[min_max] * 2)
    assert list(fused) == [(3, 0.75), (1, 0.25), (2, 0.125)]
    fused = convex(
        found, 10, weights=[0.5, 0.5], normalisers=[theoretical_min(0.0), theoretical_min(-1.0)]
    )
    assert list(fused) == slow_top({1: 0.5 + 0.5 * 1.25 / 1.75, 2: 0.3, 3: 0.6}, 10)


@given(weighted, st.integers(1, 15))
def test_rrf_is_the_sum_of_reciprocal_ranks(pairs, k):
    sums = {}
    for found, weight in pairs:
        for rank, row in enumerate(found.rows.tolist(), 1):
            sums.setdefault(row, []).append(weight * (1 / (60 + rank)))
    exact = {row: math.fsum(parts) for row, parts in sums.items()}
    fused = fuse(pairs, k)
    assert len(fused) == min(k, len(exact))
    assert [score for _, score in fused] == pytest.approx(
        [score for _, score in slow_top(exact, k)], rel=1e-6
    )
    assert {row: exact[row] for row in fused.rows.tolist()} == pytest.approx(dict(fused), rel=1e-6)


@given(weighted, st.integers(1, 15), st.sampled_from(NORMALISERS))
def test_convex_is_the_weighted_sum_of_normalised_scores(pairs, k, normalise):
    sums = {}
    for found, weight in pairs:
        parts = normalise(found.scores.astype(np.float64)).tolist()
        for row, part in zip(found.rows.tolist(), parts, strict=True):
            sums.setdefault(row, []).append(weight * part)
    exact = {row: math.fsum(parts) for row, parts in sums.items()}
    fused = fuse(pairs, k, normalise)
    assert len(fused) == min(k, len(exact))
    assert {row: exact[row] for row in fused.rows.tolist()} == pytest.approx(
        dict(fused), rel=1e-6, abs=1e-9
    )


@given(weighted, st.integers(1, 15), st.sampled_from([None, *NORMALISERS]), st.randoms())
def test_the_order_of_the_rankings_changes_no_bit(pairs, k, normalise, random):
    shuffled = random.sample(pairs, len(pairs))
    assert fuse(shuffled, k, normalise) == fuse(pairs, k, normalise)


@given(weighted, lists, st.sampled_from([None, *NORMALISERS]))
def test_a_ranking_of_weight_zero_is_left_out(pairs, extra, normalise):
    assert fuse([*pairs, (extra, 0.0)], 20, normalise) == fuse(pairs, 20, normalise)


@given(lists, st.sampled_from([None, *NORMALISERS]))
def test_a_ranking_alone_keeps_its_order(found, normalise):
    assume(len(set(found.scores.tolist())) == len(found))
    assert fuse([(found, 1.0)], 20, normalise).rows.tolist() == found.rows.tolist()


@given(
    st.lists(st.floats(-1, 2.0**99, width=32, allow_subnormal=False), max_size=20),
    st.sampled_from(NORMALISERS),
)
def test_normalised_scores_lie_in_zero_to_one_and_keep_their_order(scores, normalise):
    scores = np.sort(np.array(scores, dtype=np.float64))
    gains = normalise(scores)
    assert gains.shape == scores.shape
    assert ((gains >= 0) & (gains <= 1)).all()
    assert (np.diff(gains) >= 0).all()


def test_equal_scores_become_one_under_min_max():
    assert min_max(np.array([3.0, 3.0])).tolist() == [1.0, 1.0]
    assert min_max(np.array([-2.0])).tolist() == [1.0]


def test_scores_at_or_below_the_theoretical_minimum_become_zero():
    assert theoretical_min(-1.0)(np.array([1.0, -1.0, -1.0000001])).tolist() == [1, 0, 0]
    assert theoretical_min(0.0)(np.array([0.0, 0.0])).tolist() == [0, 0]


@pytest.mark.parametrize("empty", [[], [Ranking.empty()], [Ranking.empty()] * 3])
def test_nothing_fuses_to_nothing(empty):
    ones = [1.0] * len(empty)
    assert rrf(empty, 5) == Ranking.empty()
    assert convex(empty, 5, weights=ones, normalisers=[min_max] * len(empty)) == Ranking.empty()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"weights": [1.0]}, "2 rankings but 1 weights"),
        ({"weights": [1.0, -1.0]}, "between 0 and 1000000"),
        ({"weights": [1.0, math.nan]}, "between 0 and 1000000"),
        ({"weights": [1.0, math.inf]}, "between 0 and 1000000"),
        ({"k0": -1.0}, "k0"),
        ({"k0": math.nan}, "k0"),
        ({"k": 0}, "k must be at least 1"),
    ],
)
def test_rrf_refuses_what_has_no_meaning(settings, why):
    settings = {"k": 5, **settings}
    with pytest.raises(ValueError, match=why):
        rrf([ranking({1: 1.0})] * 2, settings.pop("k"), **settings)


def test_convex_refuses_another_number_of_normalisers():
    with pytest.raises(ValueError, match="1 rankings but 2 normalisers"):
        convex([ranking({1: 1.0})], 5, weights=[1.0], normalisers=[min_max] * 2)


FOUND = {"bm25": ranking({1: 12.0, 2: 9.0, 4: 3.0}), "minilm": ranking({2: 0.8, 3: 0.4, 1: 0.2})}


def test_a_fusion_without_weights_counts_retrievers_alike():
    assert Fusion().fuse(FOUND, 3) == rrf(list(FOUND.values()), 3)
    assert Fusion(kind="convex").fuse(FOUND, 3) == convex(
        list(FOUND.values()), 3, weights=[0.5, 0.5], normalisers=[min_max] * 2
    )


def test_a_fusion_finds_weights_and_minima_by_name():
    fusion = Fusion(
        kind="convex", weights={"minilm": 0.8, "bm25": 0.2}, normaliser="theoretical-min"
    )
    assert fusion.fuse(FOUND, 4) == convex(
        list(FOUND.values()),
        4,
        weights=[0.2, 0.8],
        normalisers=[theoretical_min(0.0), theoretical_min(-1.0)],
    )
    assert Fusion(weights={"minilm": 2, "bm25": 1}, k0=10).fuse(FOUND, 4) == rrf(
        list(FOUND.values()), 4, k0=10.0, weights=[1, 2]
    )


@pytest.mark.parametrize(
    "fusion", [Fusion(), Fusion(kind="convex", weights={"bm25": 0.3, "minilm": 0.7}, k0=20.0)]
)
def test_a_fusion_comes_back_from_json(fusion):
    assert Fusion.from_dict(json.loads(json.dumps(fusion.to_dict()))) == fusion


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"knid": "rrf"}, "no setting 'knid'. Did you mean 'kind'"),
        ({"kind": "rff"}, "no kind 'rff', did you mean 'rrf'"),
        ({"kind": None}, "no kind None"),
        ({"normaliser": "minmax"}, "did you mean 'min-max'"),
        ({"k0": "sixty"}, "k0 must be a number"),
        ({"k0": True}, "k0 must be a number"),
        ({"weights": {"bm25": -1}}, "weight of 'bm25'"),
        ({"weights": {"bm25": math.inf}}, "weight of 'bm25'"),
        ({"weights": {"bm25": 0.0}}, "above 0"),
        ({"weights": [1, 2]}, "numbers by retriever"),
        ({"kind": "max", "k0": -3}, "no kind 'max'.*; k0 must"),
    ],
)
def test_a_wrong_fusion_is_one_sentence(settings, why):
    with pytest.raises(ConfigError, match=why):
        Fusion.from_dict(settings)


@pytest.mark.parametrize(
    ("given_weights", "why"),
    [
        ({"bm25": 1.0}, "'minilm' has no weight"),
        ({"bm25": 1.0, "minilm": 1.0, "specter2": 1.0}, "'specter2' has a weight but"),
    ],
)
def test_weights_must_name_every_retriever(given_weights, why):
    with pytest.raises(ConfigError, match=why):
        Fusion(weights=given_weights).fuse(FOUND, 3)
