"""Many settings ranked at once give what a search with each of them gives, bit for bit."""

import numpy as np
from conftest import ranking
from hypothesis import given
from hypothesis import strategies as st

from searchkit.fuse import Fusion
from searchkit.rerank import RerankOptions, combine
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.stages import Stages
from searchkit.tune.lists import NO_ROW, alike, contenders, reranked

# few distinct scores, so that ties are common, also at the border of a list
scored = st.dictionaries(st.integers(0, 40), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 9.0]))
share = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0])
fusions = st.builds(
    lambda kind, k0, normaliser, weights: Fusion(
        kind=kind,
        k0=k0,
        normaliser=normaliser,
        weights=dict(zip(("bm25", "one", "two"), weights, strict=True)),
    ),
    st.sampled_from(["rrf", "convex"]),
    st.sampled_from([0.0, 20.0, 60.0]),
    st.sampled_from(["min-max", "theoretical-min"]),
    st.tuples(share, share, share).filter(any),
)
pipelines = st.builds(
    lambda fusion, depth: Pipeline(encoders=("one", "two"), fusion=fusion, depth=depth),
    fusions,
    st.sampled_from([3, 10, 100]),
)


class Found:
    def __init__(self, found):
        self.found = found

    def retrieve(self, queries, k, allowed=None):
        return [self.found.head(k)]


def searched(pipeline, rankings, k):
    """What a search ranks."""
    lazy = {name: Lazy.of(Found(found)) for name, found in rankings.items()}
    staged = Stages(pipeline, lazy, None, []).run(["query"], stage="fused", k=k)
    return staged.rankings["fused"][0].rows[:k].tolist()


def cut(rows):
    return [row for row in rows.tolist() if row != NO_ROW]


@given(st.tuples(scored, scored, scored), st.lists(pipelines, min_size=1), st.integers(1, 12))
def test_every_setting_ranks_as_a_search_with_it(found, tried, k):
    rankings = dict(zip(("bm25", "one", "two"), map(ranking, found), strict=True))
    lists = {}
    for group in alike(tried):
        lists |= dict(zip(group.columns.tolist(), group.lists(rankings, k), strict=True))
    assert sorted(lists) == list(range(len(tried)))
    for column, pipeline in enumerate(tried):
        assert cut(lists[column]) == searched(pipeline, rankings, k)


def test_bm25_alone_is_taken_as_it_is():
    tried = [Pipeline(bm25=BM25Params(k1=2.0)), Pipeline()]
    [group] = alike(tried)
    found = group.lists({"bm25": ranking({3: 2.0, 1: 5.0})}, 3)
    assert found.tolist() == [[1, 3, NO_ROW]] * 2


@given(scored, scored, st.integers(1, 5))
def test_what_is_dropped_can_reach_the_first_places_under_no_weights(one, two, k):
    rankings = {"bm25": ranking(one), "one": ranking(two)}
    for share in np.linspace(0.001, 0.999, 25).tolist():
        pipeline = Pipeline(
            encoders=("one",),
            fusion=Fusion(kind="convex", weights={"bm25": 1 - share, "one": share}),
        )
        [group] = alike([pipeline])
        assert cut(group.lists(rankings, k)[0]) == searched(pipeline, rankings, k)


def test_most_documents_are_dropped():
    gains = np.random.default_rng(0).random((2, 1000)) ** 4
    assert contenders(gains, 10).sum() < 100


weights = st.one_of(st.none(), st.sampled_from([0.0, 0.05, 0.5, 0.84, 1.0]))
ways = st.builds(
    lambda depth, weight, scale, bound: RerankOptions(
        depth=depth, interpolation=weight, scale=scale, bound=bound
    ),
    st.sampled_from([1, 5, 12, 30]),
    weights,
    st.sampled_from(["min-max", "raw"]),
    st.sampled_from([None, 0.5]),
)


@given(scored, st.lists(st.one_of(st.none(), ways), min_size=1, max_size=12), st.integers(1, 12))
def test_every_way_to_rerank_ranks_as_a_search_with_it(first, options, k):
    head = ranking(first)
    raw = np.random.default_rng(len(head)).integers(-4, 3, len(head)).astype(np.float32) / 3
    lists = reranked(head, raw, options, k)
    for found, one in zip(lists, options, strict=True):
        wanted = head if one is None else combine(head.head(one.depth), raw[: one.depth], one)[0]
        assert cut(found) == wanted.rows[:k].tolist()


@given(
    st.lists(st.tuples(scored, scored, scored), min_size=1, max_size=5),
    st.lists(pipelines, min_size=1),
    st.integers(1, 12),
)
def test_the_kernel_ranks_as_its_twin(found, tried, k):
    queries = [tuple(map(ranking, of_query)) for of_query in found]
    for group in alike(tried):
        n_own = 1 if "bm25" in group.names else 0
        held = {name: [one[n] for one in queries] for n, name in enumerate(("bm25", "one", "two"))}
        own, others = group.names[:n_own], group.names[n_own:]
        for first in range(len(queries)):
            one = group.flat(own, [held[name][first:] for name in own])
            two = group.flat(others, [held[name] for name in others])
            lists = np.full((len(queries) - first, len(group.columns), k), NO_ROW, np.int64)
            group.lists_of_all(one, two, first=first, n_docs=41, lists=lists)
            for rows, query in zip(lists, queries[first:], strict=True):
                rankings = dict(zip(("bm25", "one", "two"), query, strict=True))
                assert rows.tolist() == group.lists(rankings, k).tolist()
