import numpy as np
import pytest
from conftest import ranking
from hypothesis import given
from hypothesis import strategies as st

from searchkit.types import Ranking

# few distinct values, so that ties are common
scored = st.dictionaries(st.integers(0, 50), st.sampled_from([-1.0, 0.0, 0.5, 2.0]), max_size=40)


@given(scored, st.integers(1, 60))
def test_top_is_the_head_of_the_full_sort(scores, k):
    full = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    assert list(ranking(scores, k)) == full[:k]


@pytest.mark.parametrize(
    ("rows", "scores", "why"),
    [
        ([1, 2, 1], [3.0, 2.0, 1.0], "a row occurs twice"),
        ([1, 2], [1.0, np.nan], "finite"),
        ([1, 2], [1.0, 2.0], "not in rank order"),
        ([2, 1], [1.0, 1.0], "not in rank order"),
        ([1, 2], [1.0], "must match"),
    ],
)
def test_ranking_refuses(rows, scores, why):
    with pytest.raises(ValueError, match=why):
        Ranking(np.array(rows), np.array(scores, dtype=np.float32))


def test_ranking_refuses_other_types():
    with pytest.raises(ValueError, match="need int64 and float32"):
        Ranking(np.array([1]), np.array([1.0]))


def test_rankings_compare_by_value():
    assert ranking({1: 2.0}) == ranking({1: 2.0})
    assert ranking({1: 2.0}) != ranking({1: 3.0})
    assert ranking({1: 2.0}) != [(1, 2.0)]


@given(scored)
def test_rank_of_counts_from_one(scores):
    one = ranking(scores)
    assert [one.rank_of(int(row)) for row in one.rows] == list(range(1, len(one) + 1))
    assert one.rank_of(99) is None


def test_a_ranking_without_rows_keeps_the_order_of_the_rest():
    one = Ranking.top(np.arange(5), np.array([1, 3, 2, 3, 0], np.float32), 5)
    assert one.without(np.array([3, 0, 9])).rows.tolist() == [1, 2, 4]
    assert one.without(1).scores.tolist() == [3, 2, 1, 0]


@given(st.lists(st.lists(st.integers(0, 5), max_size=9), max_size=5))
def test_top_each_ranks_every_query_as_top_does(queries):
    scores = np.full((len(queries), 9), 99, np.float32)
    for i, values in enumerate(queries):
        scores[i, : len(values)] = values
    rows = np.tile(np.arange(9)[::-1], (len(queries), 1))
    sizes = np.array([len(values) for values in queries], np.int64)
    each = Ranking.top_each(rows, scores, sizes)
    assert each == [Ranking.top(rows[i, :n], scores[i, :n], 9) for i, n in enumerate(sizes)]
