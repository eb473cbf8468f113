from dataclasses import replace

import pytest

from searchkit.cli.tuning import Changes, parse_pairs, set_one
from searchkit.errors import ConfigError
from searchkit.search.pipeline import factory

FUSED, LEXICAL = factory(["minilm"]), factory([])


def test_pairs_become_settings_of_bm25():
    found = Changes(bm25="k1=0.9, b=0.4,variant=okapi,title_weight=2").apply(LEXICAL, [])
    assert (found.bm25.k1, found.bm25.b, found.bm25.variant) == (0.9, 0.4, "okapi")
    assert found.bm25.title_weight == 2


def test_no_change_is_false_and_a_zero_is_a_change():
    assert not Changes()
    assert Changes(interpolation=0.0)


def test_fusion_keeps_the_weights_that_are_not_named():
    found = Changes(fusion="kind=rrf,k0=20,minilm=0.9").apply(FUSED, ["minilm"])
    assert (found.fusion.kind, found.fusion.k0) == ("rrf", 20)
    assert found.fusion.weights == {"bm25": 0.5, "minilm": 0.9}


def test_weights_bring_an_encoder_into_a_pipeline_that_left_it_out():
    found = Changes(fusion="bm25=0.3,minilm=0.7").apply(LEXICAL, ["minilm"])
    assert found.encoders == ("minilm",)
    assert found.fusion.weights == {"bm25": 0.3, "minilm": 0.7}


def test_depths_and_interpolation_reach_their_stages():
    changes = Changes(depth=50, rerank_depth=7, interpolation=0.25, rerank_scale="raw")
    found = changes.apply(FUSED, ["minilm"])
    assert (found.depth, found.rerank.depth, found.rerank.interpolation) == (50, 7, 0.25)
    assert found.rerank.scale == "raw"


def test_a_changed_pipeline_says_that_it_is_changed_once():
    found = set_one(set_one(LEXICAL, "k1=0.9", []), "b=0.4", [])
    assert found.why.count("your own settings") == 1
    assert (found.bm25.k1, found.bm25.b) == (0.9, 0.4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (Changes(bm25="k2=1"), "did you mean 'k1'"),
        (Changes(bm25="k1"), "not written like k1=0.9"),
        (Changes(bm25="k1=fast"), "must be a number"),
        (Changes(bm25="k1=-1"), "k1 must be 0 to 1000"),
        (Changes(bm25="k1=nan"), "k1 must be 0 to 1000"),
        (Changes(fusion="specter2=0.5"), "there is no setting 'specter2'"),
        (Changes(fusion="kind=sum"), "did you mean"),
        (Changes(depth=0), "depth must be"),
        (Changes(rerank_depth=0), "rerank depth must be"),
        (Changes(interpolation=1.5), "interpolation must be"),
        (Changes(rerank_scale="rank"), "no rerank scale 'rank'"),
    ],
)
def test_what_cannot_be_is_a_sentence(changes, why):
    with pytest.raises(ConfigError, match=f"(?i){why}"):
        changes.apply(FUSED, ["minilm"])


def test_a_retriever_without_a_weight_is_named():
    with pytest.raises(ConfigError, match="bm25 has no weight"):
        Changes(fusion="minilm=0.7").apply(LEXICAL, ["minilm"])


@pytest.mark.parametrize("pair", ["depth=1e3", "depth=2.5", "rerank_depth=many"])
def test_counts_are_whole_numbers(pair):
    with pytest.raises(ConfigError, match="whole number"):
        set_one(FUSED, pair, ["minilm"])


def test_pairs_may_be_spaced_and_end_with_a_comma():
    assert parse_pairs(" k1 = 0.9 ,b=0.4, ", "--bm25") == [("k1", "0.9"), ("b", "0.4")]


def test_a_setting_is_written_once():
    with pytest.raises(ConfigError, match="k1 is written twice"):
        parse_pairs("k1=1, k1=2", "--bm25")


@pytest.mark.parametrize(
    ("pipeline", "pair", "encoders", "why"),
    [
        (LEXICAL, "kind=rrf", [], "no vectors to be fused"),
        (LEXICAL, "bm25=0.5", [], "no vectors to be fused"),
        (FUSED, "rerank_depth=5", ["minilm"], "no reranker is loaded"),
        (replace(FUSED, reranker="tinybert"), "rerank_scale=raw", ["minilm"], "nothing is mixed"),
        (FUSED, "k0=5", ["minilm"], "the fusion is convex"),
        (FUSED, "kind=rrf,normaliser=min-max", ["minilm"], "the fusion is rrf"),
        (LEXICAL, "delta=1", [], "the variant is lucene"),
    ],
)
def test_a_setting_that_nothing_reads_is_refused(pipeline, pair, encoders, why):
    with pytest.raises(ConfigError, match=why):
        set_one(pipeline, pair, encoders)


def test_a_setting_that_something_reads_is_taken():
    assert set_one(FUSED, "k0=5,kind=rrf", ["minilm"]).fusion.k0 == 5
    assert set_one(LEXICAL, "variant=plus,delta=0.2", []).bm25.delta == 0.2
