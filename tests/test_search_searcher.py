import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import ConfigError, QueryError
from searchkit.fuse import Fusion
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.index import Index
from searchkit.index.vectors import VectorConfig, open_vectors
from searchkit.models.fakes import HashEncoder, OverlapScorer
from searchkit.rerank import RerankOptions
from searchkit.retrieve.bm25 import BM25Retriever, lexical_parts
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.sample import corpus_path, queries_path
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline, factory
from searchkit.search.searcher import Searcher
from searchkit.search.stages import Stages
from searchkit.types import Doc

ENCODER = HashEncoder()
QUERIES = [json.loads(line)["text"] for line in queries_path().read_text("utf-8").splitlines()]


def sample_docs():
    for line in corpus_path().read_text("utf-8").splitlines():
        row = json.loads(line)
        yield Doc(row["_id"], row["title"], row["text"], {"year": row["year"]})


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "sample"
    dense = [DenseChoice(ENCODER, VectorConfig())]
    build_index(folder, sample_docs(), BuildConfig(dense=dense, segment_docs=64))
    with Index.open(folder) as opened:
        yield opened


def searcher_of(index, *, pipeline=None, scorer=None):
    lexical = lexical_parts(index)
    parts = [
        DensePart(s.base, s.segment.n_docs, open_vectors(index.folder(part)))
        for s, part in index.part("vectors")
    ]
    pipeline = pipeline or factory(["hash"])
    retrievers = {
        "bm25": Lazy.of(
            BM25Retriever(lexical, analyzer=index.analyzer, params=pipeline.bm25, engine="numpy")
        ),
        "hash": Lazy.of(DenseRetriever(ENCODER, parts)),
    }
    lazy = None if scorer is None else Lazy.of(scorer)
    return Searcher(index, Stages(pipeline, retrievers, lazy, index))


@pytest.fixture(scope="module")
def searcher(index):
    return searcher_of(index)


@pytest.fixture(scope="module")
def reranking(index):
    pipeline = Pipeline(encoders=("hash",), rerank=RerankOptions(depth=20))
    return searcher_of(index, pipeline=pipeline, scorer=OverlapScorer())


def ids(hits):
    return [hit.doc.id for hit in hits]


@pytest.mark.parametrize("stage", ["bm25", "dense", "hash", "fused"])
def test_fewer_hits_are_the_head_of_more(searcher, stage):
    for query in QUERIES[:10]:
        many = ids(searcher.search(query, 50, stage=stage))
        assert ids(searcher.search(query, 5, stage=stage)) == many[:5]


@pytest.mark.parametrize("stage", ["bm25", "dense", "fused"])
def test_a_batch_ranks_as_one_query_at_a_time(searcher, stage):
    batch = searcher.rank(QUERIES, 20, stage=stage)
    for query, ranked in zip(QUERIES, batch, strict=True):
        hits = searcher.search(query, 20, stage=stage)
        assert ranked == [(hit.doc.id, hit.score) for hit in hits]


def test_segments_do_not_change_a_ranking(searcher, tmp_path):
    dense = [DenseChoice(ENCODER, VectorConfig())]
    build_index(tmp_path / "one", sample_docs(), BuildConfig(dense=dense))
    with Index.open(tmp_path / "one") as whole:
        assert len(whole.segments) == 1
        assert searcher_of(whole).rank(QUERIES, 30) == searcher.rank(QUERIES, 30)


def test_a_hit_tells_its_way(searcher):
    hit = searcher.search("NGC 4258 H_0", 1, explain=True)[0]
    assert list(hit.trace.stages) == ["bm25", "hash", "fused"]
    assert hit.trace.stages["fused"].rank == hit.rank == 1
    assert hit.trace.stages["fused"].score == hit.score
    assert {match.term for match in hit.trace.matches} == {"ngc", "4258", "h0"}
    total = sum(match.score for match in hit.trace.matches)
    assert total == pytest.approx(hit.trace.stages["bm25"].score, rel=1e-6)


def test_a_reranked_hit_has_the_order_of_the_scorer(reranking):
    answer = reranking.answer("graph neural networks", 10)
    assert answer.stage == "reranked"
    assert list(answer.times_ms) == ["bm25", "hash", "fused", "reranked", "total"]
    expected = OverlapScorer().score(
        "graph neural networks", [OverlapScorer().passage("", hit.doc) for hit in answer.hits]
    )
    assert [hit.score for hit in answer.hits] == expected.tolist()
    assert answer.n_candidates["reranked"] == 20
    assert not any("Not reranked" in note for note in answer.notes)


def test_without_a_reranker_the_answer_says_so(searcher):
    assert any("Not reranked" in note for note in searcher.answer("galaxies").notes)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(QUERIES), st.integers(1998, 2025))
def test_a_filter_removes_documents_and_changes_no_first_stage_score(searcher, query, year):
    for stage in ("bm25", "hash"):
        whole = searcher.search(query, 200, stage=stage)
        kept = searcher.search(query, 200, stage=stage, where=f"year >= {year}")
        expected = [(h.doc.id, h.score) for h in whole if h.doc.meta["year"] >= year]
        assert [(h.doc.id, h.score) for h in kept] == expected


def test_like_leaves_the_paper_itself_out(searcher):
    paper = searcher.index[0]
    found = ids(searcher.like(paper, 146).hits)
    assert paper.id not in found
    assert len(found) == 145
    stranger = Doc("not in the index", paper.title, paper.text)
    assert ids(searcher.like(stranger, 1).hits) == [paper.id]


def test_why_not_of_a_paper_that_is_shown(searcher):
    top = searcher.search(QUERIES[0], 1)[0].doc.id
    why = searcher.why_not(QUERIES[0], top)
    assert (why.is_shown, why.lost_at) == (True, None)
    assert "is shown: rank 1" in why.verdict


def test_why_not_names_the_rank_that_would_show_it(searcher):
    hits = searcher.search(QUERIES[0], 50)
    why = searcher.why_not(QUERIES[0], hits[30].doc.id, k=10)
    assert why.lost_at == "fused"
    assert "-k 31 would show it" in why.verdict
    assert searcher.why_not(QUERIES[0], hits[30].doc.id, k=31).is_shown


def test_why_not_names_the_filter(searcher):
    top = searcher.search(QUERIES[0], 1)[0].doc
    why = searcher.why_not(QUERIES[0], top.id, where=f"year != {top.meta['year']}")
    assert why.lost_at == "filter"
    assert "excluded by the filter" in why.verdict


def test_why_not_names_a_depth_that_is_too_small(index):
    pipeline = Pipeline(encoders=("hash",), depth=3)
    shallow = searcher_of(index, pipeline=pipeline)
    ranks = {stage: ids(shallow.search(QUERIES[0], 146, stage=stage)) for stage in ("bm25", "hash")}
    lost = next(i for i in ranks["hash"][40:] if i not in ranks["bm25"][:3])
    why = shallow.why_not(QUERIES[0], lost)
    best = min(found.index(lost) + 1 for found in ranks.values() if lost in found)
    assert why.lost_at in ("bm25", "hash")
    assert f"A depth of {best} would bring it back" in why.verdict


def test_why_not_names_the_rerank_depth(reranking):
    fused = ids(reranking.search(QUERIES[0], 60, stage="fused"))
    why = reranking.why_not(QUERIES[0], fused[39])
    assert why.lost_at == "fused"
    assert "A rerank depth of 40 would let the reranker see it" in why.verdict


def lexical_searcher(index, *, scorer=None, **settings):
    lexical = lexical_parts(index)
    bm25 = Lazy.of(BM25Retriever(lexical, analyzer=index.analyzer))
    lazy = None if scorer is None else Lazy.of(scorer)
    return Searcher(index, Stages(Pipeline(**settings), {"bm25": bm25}, lazy, index))


def test_why_not_says_which_terms_are_missing(index):
    why = lexical_searcher(index).why_not("zebra photocatalyst", index.id(0))
    assert why.lost_at == "retrieval"
    assert (why.matched, why.missing) == ((), ("zebra", "photocatalyst"))
    assert "It holds none of the query's terms." in why.verdict


def test_why_not_counts_the_terms_that_are_lacking(index):
    searcher = lexical_searcher(index)
    ranked = ids(searcher.search("galaxies zebra", 50))
    why = searcher.why_not("galaxies zebra", ranked[4], k=1)
    assert why.lost_at == "bm25"
    assert why.verdict == (
        f"{ranked[4]} has rank 5 after bm25, and 1 is shown. -k 5 would show it. "
        "It lacks 1 of the query's 2 terms."
    )
    assert why.findings[0].limit == 1


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "The query is empty, so that BM25 has nothing to look for."),
        ("?!", "The query holds no letter and no digit, so"),
        ("of the", "The query holds stop words alone, so"),
    ],
)
def test_why_not_of_a_query_without_terms_says_so(index, searcher, query, why):
    nobody = lexical_searcher(index).why_not(query, index.id(0))
    assert nobody.lost_at == "retrieval"
    assert f"no retriever finds {index.id(0)}. " in nobody.verdict
    last = ids(searcher.search(query, 146))[-1]
    for found in (nobody, searcher.why_not(query, last, k=1)):
        assert why in found.verdict
        assert "holds none" not in found.verdict


def test_why_not_under_a_filter_does_not_promise_a_rank(index):
    why = lexical_searcher(index).why_not("zebra", index.id(0), where="year < 0")
    assert (why.lost_at, why.findings[0].rank) == ("filter", None)
    assert "Without it, no retriever would find it either." in why.verdict


def test_why_not_of_one_retriever_names_the_setting_that_cut_it_off(index):
    ranked = ids(lexical_searcher(index).search("galaxies star", 50))
    for options, cure in (
        ({"rerank": RerankOptions(depth=3)}, "A rerank depth of 6 would bring it back"),
        ({"depth": 3}, "A depth of 6 would bring it back"),
    ):
        searcher = lexical_searcher(index, scorer=OverlapScorer(), **options)
        why = searcher.why_not("galaxies star", ranked[5])
        assert why.lost_at == "bm25"
        assert "3 are passed on" in why.verdict
        assert cure in why.verdict


def test_why_not_names_a_weight_of_nothing(index):
    fusion = Fusion(kind="convex", weights={"bm25": 1.0, "hash": 0.0})
    searcher = searcher_of(index, pipeline=Pipeline(encoders=("hash",), fusion=fusion))
    lost = next(i for i in index.ids(np.arange(146)) if i not in ids(searcher.search("dark", 146)))
    why = searcher.why_not("dark", lost)
    assert why.lost_at == "fused"
    assert "the weight of hash is 0" in why.verdict


@pytest.mark.parametrize(
    ("query", "where", "why"),
    [
        ("galaxies", "year < 0", "the filter leaves none of the 146 documents"),
        ("", None, "the query is empty"),
        ("?!", None, "the query holds no letter and no digit"),
        ("of the", None, "the query holds stop words alone"),
        ("zebras", None, "the index does not hold the term zebra"),
        ("zebras quaggas", None, "the index does not hold the terms zebra, quagga"),
        ("a1 b2 c3 d4 e5 f6", None, "the terms a1, b2, c3, d4, e5, ..."),
        ("galaxies", "id = 'bio-003'", "leaves 1 document, and no term of the query stands there"),
        ("galaxies", None, ""),
    ],
)
def test_nothing_found_has_a_reason(index, query, where, why):
    answer = lexical_searcher(index).answer(query, where=where)
    assert bool(answer.hits) == (not why)
    assert why in answer.why_none
    assert bool(answer.why_none) == bool(why)


def test_hits_by_vectors_alone_are_said_to_be_so(searcher):
    said = "BM25 found nothing: the index does not hold the term zebra."
    assert searcher.answer("zebras").notes[0] == said
    for stage, query in (("fused", "galaxies"), ("hash", "zebras"), ("bm25", "zebras")):
        notes = searcher.answer(query, stage=stage).notes
        assert not any("BM25 found" in note for note in notes)


def test_only_the_paper_itself_is_a_reason(index):
    paper = index[0]
    answer = lexical_searcher(index).like(paper, where=f"id = '{paper.id}'")
    assert (answer.hits, answer.why_none) == ([], "only the paper itself does")


@pytest.mark.parametrize("stage", ["bm25", "hash", "fused"])
def test_ranks_of_papers_like_one_count_without_it(searcher, stage):
    answer = searcher.like(searcher.index[0], 5, stage=stage)
    assert [hit.trace.stages[stage].rank for hit in answer.hits] == [1, 2, 3, 4, 5]
    whole = searcher.like(Doc("stranger", searcher.index[0].title, searcher.index[0].text), 6)
    if stage == "fused":
        assert [hit.score for hit in answer.hits] == [hit.score for hit in whole.hits[1:]]


@pytest.mark.parametrize(
    "query", ["", " ", "the of and", "\ud800", "\0", "😀" * 50, "'\"(((", "x" * 9999]
)
def test_any_text_is_a_query(searcher, reranking, query):
    for one in (searcher, reranking):
        for stage in ("bm25", "dense", "fused"):
            assert len(one.search(query, 3, stage=stage)) <= 3


def test_a_long_query_is_answered(searcher):
    assert searcher.search("galaxies and dark matter " * 4000, 3)


@pytest.mark.parametrize(
    ("call", "error", "why"),
    [
        ({"k": 0}, ConfigError, "k must be at least 1"),
        ({"stage": "magic"}, ConfigError, "there is no stage 'magic'"),
        ({"stage": "reranked"}, ConfigError, "no reranker is loaded"),
        ({"where": "yeer > 3"}, QueryError, "year"),
    ],
)
def test_a_wrong_request_is_a_sentence(searcher, call, error, why):
    with pytest.raises(error, match=why):
        searcher.search("galaxies", **call)


def test_an_unknown_document_is_a_sentence(searcher):
    with pytest.raises(QueryError, match="there is no document 'nope'"):
        searcher.why_not("galaxies", "nope")


def test_a_promoted_pipeline_runs(index):
    fusion = Fusion(kind="rrf", weights={"bm25": 1.0, "hash": 1.0})
    rrf = searcher_of(index, pipeline=Pipeline(encoders=("hash",), fusion=fusion))
    hit = rrf.search(QUERIES[0], 1)[0]
    parts = [1 / (60 + hit.trace.stages[s].rank) for s in ("bm25", "hash")]
    assert hit.score == np.float32(sum(parts))


def test_a_lazy_value_is_made_once_and_an_error_is_not_kept():
    made = []

    def make():
        made.append(1)
        if len(made) == 1:
            raise ConfigError("not yet")
        return "value"

    lazy = Lazy(make)
    with pytest.raises(ConfigError):
        lazy.get()
    assert (lazy.get(), lazy.get(), len(made), lazy.is_made) == ("value", "value", 2, True)


def test_the_way_of_the_best_is_drawn(reranking):
    hits = reranking.search(QUERIES[0], 4)
    figure = reranking.draw(QUERIES[0], 4, grades={hits[1].doc.id: 2})
    [axes] = figure.axes
    assert [text.get_text() for text in axes.texts] == [hit.doc.title for hit in hits]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(hits[0].trace.stages)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["grade 2"]
