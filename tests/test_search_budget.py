"""A search that has to end in time: what counts, what is said, and what never gets worse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_search_searcher import QUERIES, index, searcher_of  # noqa: F401 - a fixture

from searchkit.errors import ConfigError
from searchkit.models.fakes import OverlapScorer
from searchkit.rerank import RerankOptions
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Cascade, Pipeline
from searchkit.tune.candidates import refuse_cascade

MIXED = RerankOptions(depth=20, interpolation=0.5, scale="raw")


@pytest.fixture(scope="module")
def searcher(index):  # noqa: F811 - the fixture
    pipeline = Pipeline(encoders=("hash",), rerank=MIXED)
    return searcher_of(index, pipeline=pipeline, scorer=OverlapScorer())


def ids(hits):
    return [hit.doc.id for hit in hits]


@given(st.sampled_from(QUERIES), st.integers(1, 30))
def test_a_budget_of_nothing_is_the_first_stage(searcher, query, k):
    answer = searcher.answer(query, k, budget_ms=0)
    assert ids(answer.hits) == ids(searcher.search(query, min(k, 20), stage="fused"))
    assert all(hit.trace.unread == ("reranked",) for hit in answer.hits)
    assert "The first stage alone took" in answer.budget_words
    assert answer.read["reranked"].n_read == 0


@given(st.sampled_from(QUERIES))
def test_a_budget_that_is_enough_changes_nothing(searcher, query):
    answer = searcher.answer(query, 10, budget_ms=1e9)
    assert answer.hits == searcher.search(query, 10)
    assert not any(hit.trace.unread for hit in answer.hits)
    assert "reranked 20 of 20 within 1e+09 ms" in answer.budget_words.replace(",", "")


def test_loading_does_not_count_and_is_told(index):  # noqa: F811
    cold = searcher_of(index, pipeline=Pipeline(encoders=("hash",), rerank=MIXED))
    cold.stages = type(cold.stages)(
        cold.stages.pipeline, cold.stages.retrievers, Lazy(OverlapScorer), index
    )
    assert "Loading models took" in cold.answer(QUERIES[0], budget_ms=1e9).budget_words
    assert "Loading" not in cold.answer(QUERIES[0], budget_ms=1e9).budget_words
    assert cold.answer(QUERIES[0]).budget_words == ""


@pytest.mark.parametrize(
    ("stage", "ms", "why"),
    [
        ("fused", 5, "a budget has no effect: it is for reranking, and stage fused"),
        (None, -1, "a budget must be 0 milliseconds or more, not -1"),
        (None, float("nan"), "not nan"),
    ],
)
def test_a_budget_without_effect_or_sense_is_refused(searcher, stage, ms, why):
    with pytest.raises(ConfigError, match=why):
        searcher.search(QUERIES[0], stage=stage, budget_ms=ms)


@given(st.sampled_from(QUERIES), st.integers(1, 30))
def test_a_bound_gives_the_head_of_the_full_order_whatever_k_is_shown(searcher, query, k):
    bound = RerankOptions(depth=20, interpolation=0.8, scale="raw", bound=0.4)
    pipeline = Pipeline(encoders=("hash",), rerank=bound)
    early = searcher_of(searcher.index, pipeline=pipeline, scorer=OverlapScorer())
    full = early.rank([query], 20)[0]
    assert early.rank([query], k)[0] == full[:k]
    assert ids(early.search(query, k)) == [doc for doc, _ in full[:k]]


def test_a_cascade_reads_the_best_again_and_keeps_the_rest_behind(searcher):
    cascade = Cascade(reranker="length", rerank=RerankOptions(depth=5))
    pipeline = Pipeline(encoders=("hash",), rerank=MIXED, reranker="overlap", cascade=cascade)
    both = searcher_of(searcher.index, pipeline=pipeline, scorer=OverlapScorer())
    both.stages = type(both.stages)(
        pipeline, both.stages.retrievers, both.stages.scorer, both.index, Lazy.of(OverlapScorer())
    )
    once = searcher.answer(QUERIES[0], 15)
    answer = both.answer(QUERIES[0], 15)
    assert answer.stage == "cascaded"
    assert list(answer.times_ms)[-2:] == ["cascaded", "total"]
    assert set(ids(answer.hits)[:5]) == set(ids(once.hits)[:5])
    assert ids(answer.hits)[5:] == ids(once.hits)[5:]
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    texts = [OverlapScorer().passage(QUERIES[0], hit.doc) for hit in answer.hits[:5]]
    assert OverlapScorer().score(QUERIES[0], texts).tolist() == scores[:5]
    assert both.answer(QUERIES[0], 15, budget_ms=0).read["cascaded"].n_read == 0


def test_a_cascade_is_a_value_of_the_pipeline():
    cascade = Cascade(reranker="large", rerank=RerankOptions(depth=5))
    pipeline = Pipeline(reranker="small", rerank=RerankOptions(bound=3.0), cascade=cascade)
    assert Pipeline.from_dict(pipeline.to_dict()) == pipeline
    assert "cascade" not in Pipeline().to_dict()
    with pytest.raises(ConfigError, match="needs a reranker before"):
        Pipeline(cascade=cascade)
    with pytest.raises(ConfigError, match=r"a cascade \(small, then large\) cannot be tuned"):
        refuse_cascade(pipeline)
    refuse_cascade(Pipeline())
