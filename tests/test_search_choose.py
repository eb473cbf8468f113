import pytest

from searchkit.errors import ConfigError
from searchkit.fuse import Fusion
from searchkit.rerank import RerankOptions
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.search.choose import unfit
from searchkit.search.pipeline import Pipeline, factory

RECORD = {"name": "minilm", "languages": ["en"], "shattered": 0.02}


def test_an_encoder_runs_by_default_on_what_it_can_read():
    assert unfit(RECORD, "english") == ""
    assert unfit(RECORD, "plain") == ""
    assert unfit({**RECORD, "languages": []}, "arabic") == ""


def test_an_encoder_of_another_language_does_not_run_by_default():
    assert unfit(RECORD, "arabic") == "minilm reads en and the corpus is analysed as arabic"


def test_an_encoder_that_sees_only_letters_does_not_run_by_default():
    assert "knows 30% of the pieces" in unfit({**RECORD, "shattered": 0.7}, "plain")


def test_the_factory_pipeline_fuses_what_there_is():
    one = factory(["minilm"])
    assert one.fusion.weights == {"bm25": 0.5, "minilm": 0.5}
    two = factory(["minilm", "specter2"])
    assert two.fusion.weights == {"bm25": 0.5, "minilm": 0.25, "specter2": 0.25}
    none = factory([], left_out="minilm reads en")
    assert (none.encoders, none.why) == ((), "BM25 alone, because minilm reads en.")


def test_a_pipeline_survives_json():
    pipeline = Pipeline(
        bm25=BM25Params(variant="plus", k1=0.9, title_weight=2.0),
        encoders=("minilm",),
        depth=200,
        fusion=Fusion(kind="rrf", weights={"bm25": 1.0, "minilm": 2.0}),
        reranker="tinybert",
        rerank=RerankOptions(depth=50, interpolation=0.3, scale="raw"),
        why="because",
    )
    assert Pipeline.from_dict(pipeline.to_dict()) == pipeline


def test_a_pipeline_of_before_there_was_a_scale_is_read():
    stored = {"reranker": "tinybert", "rerank": {"depth": 50, "interpolation": 0.3}}
    assert Pipeline.from_dict(stored).rerank.scale == "min-max"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"dept": 5}, "there is no 'dept'. Did you mean 'depth'"),
        ({"depth": 0}, "depth must be 1 to"),
        ({"bm25": {"k2": 1}}, "there is no 'k2'. Did you mean 'k1'"),
        ({"rerank": {"deep": 1}}, "there is no 'deep'. Did you mean 'depth'"),
        ({"fusion": {"knd": "rrf"}}, "there is no setting 'knd'"),
    ],
)
def test_a_setting_that_does_not_exist_names_the_nearest(settings, why):
    with pytest.raises(ConfigError, match=why.replace("?", r"\?")):
        Pipeline.from_dict(settings)
