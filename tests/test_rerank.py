import numpy as np
import pytest
from conftest import ranking
from hypothesis import given
from hypothesis import strategies as st

from searchkit.errors import ConfigError
from searchkit.fuse import min_max
from searchkit.models.fakes import OverlapScorer
from searchkit.rerank import RerankOptions, rerank, rerank_scored
from searchkit.types import Doc, Ranking

WORDS = "dark matter halo galaxy spin red".split()
DOCS = [Doc(str(i), WORDS[i % 6], " ".join(WORDS[i % 5 : i % 5 + i % 3])) for i in range(20)]
SCORER = OverlapScorer()

first_stage = st.dictionaries(
    st.integers(0, 19), st.sampled_from([0.1, 0.5, 2.0, 2.5, 9.0]), max_size=15
).map(ranking)
queries = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
depths = st.integers(1, 20)


def overlap(query, row):
    return float(SCORER.score(query, [SCORER.passage(query, DOCS[row])])[0])


@given(queries, first_stage, depths)
def test_the_head_is_sorted_by_the_scorer_and_the_tail_is_gone(query, first, depth):
    [found] = rerank([query], [first], SCORER, DOCS, options=RerankOptions(depth=depth))
    scored = [(row, overlap(query, row)) for row in first.rows[:depth].tolist()]
    assert list(found) == sorted(scored, key=lambda pair: (-pair[1], pair[0]))


@given(queries, first_stage, depths, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_interpolation_mixes_both_stages_over_the_head(query, first, depth, weight):
    options = RerankOptions(depth=depth, interpolation=weight)
    [found] = rerank([query], [first], SCORER, DOCS, options=options)
    head = first.head(depth)
    raw = np.array([overlap(query, row) for row, _ in head])
    mixed = weight * min_max(head.scores.astype(np.float64)) + (1 - weight) * min_max(raw)
    expected = dict(zip(head.rows.tolist(), mixed.tolist(), strict=True))
    assert dict(found) == pytest.approx(expected, rel=1e-6)


@given(queries, first_stage, depths, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_raw_scores_enter_the_sum_as_they_are(query, first, depth, weight):
    options = RerankOptions(depth=depth, interpolation=weight, scale="raw")
    [found] = rerank([query], [first], SCORER, DOCS, options=options)
    head = first.head(depth)
    firsts = min_max(head.scores.astype(np.float64))
    expected = {
        row: weight * firsts[n] + (1 - weight) * overlap(query, row)
        for n, row in enumerate(head.rows.tolist())
    }
    assert dict(found) == pytest.approx(expected, rel=1e-6)


def test_small_differences_stay_small_on_the_raw_scale():
    class Hinting:
        passage = SCORER.passage

        def score(self, query, passages):
            return np.linspace(-0.02, 0.02, len(passages), dtype=np.float32)

    first = ranking({1: 9.0, 3: 5.0, 4: 2.0})
    orders = {
        scale: rerank(
            ["red"],
            [first],
            Hinting(),
            DOCS,
            options=RerankOptions(interpolation=0.4, scale=scale),
        )[0].rows.tolist()
        for scale in ("min-max", "raw")
    }
    assert orders == {"min-max": [4, 3, 1], "raw": [1, 3, 4]}


@given(queries, first_stage, depths, st.none() | st.floats(0, 1))
def test_raw_scores_stand_beside_their_documents(query, first, depth, weight):
    options = RerankOptions(depth=depth, interpolation=weight)
    [found] = rerank_scored([query], [first], SCORER, DOCS, options=options)
    assert found.raw.tolist() == [overlap(query, row) for row, _ in found.ranking]
    assert found.ranking == rerank([query], [first], SCORER, DOCS, options=options)[0]


@given(st.lists(st.tuples(queries, first_stage), max_size=4))
def test_a_query_is_reranked_alike_alone_and_among_others(pairs):
    asked, firsts = [q for q, _ in pairs], [r for _, r in pairs]
    alone = [rerank([query], [first], SCORER, DOCS)[0] for query, first in pairs]
    assert rerank(asked, firsts, SCORER, DOCS) == alone


def test_the_weight_one_keeps_the_first_order_and_none_drops_it():
    first = ranking({1: 9.0, 3: 5.0, 4: 2.0})
    [kept] = rerank(["red"], [first], SCORER, DOCS, options=RerankOptions(interpolation=1.0))
    assert kept.rows.tolist() == [1, 3, 4]
    [alone] = rerank(["spin"], [first], SCORER, DOCS)
    assert alone.rows.tolist() == [4, 1, 3]


def test_nothing_found_is_nothing_reranked():
    assert rerank(["red"], [Ranking.empty()], SCORER, DOCS) == [Ranking.empty()]
    assert rerank([], [], SCORER, DOCS) == []


def test_progress_counts_the_queries():
    seen = []
    rerank(
        ["red", "spin"],
        [Ranking.empty(), ranking({1: 1.0})],
        SCORER,
        DOCS,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 2), (2, 2)]


def test_queries_and_rankings_must_be_as_many():
    with pytest.raises(ValueError, match="1 queries but 2 rankings"):
        rerank(["red"], [Ranking.empty()] * 2, SCORER, DOCS)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"depth": 0}, "depth must be 1 to 10000, not 0"),
        ({"depth": 10_001}, "depth must be 1 to 10000"),
        ({"interpolation": 1.5}, "weight from 0 to 1, not 1.5"),
        ({"interpolation": float("nan")}, "weight from 0 to 1"),
        ({"bound": 0.0}, "bound must be a number above 0, not 0.0"),
        ({"bound": float("inf")}, "a number above 0"),
        ({"scale": "row"}, "there is no rerank scale 'row'. Did you mean 'raw'"),
    ],
)
def test_wrong_options_are_one_sentence(settings, why):
    with pytest.raises(ConfigError, match=why):
        RerankOptions(**settings)
