"""The factory pipeline where a reranker is shipped."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from cli_sample import invoke, refused
from house_model import SERVING, save_house
from tiny_models import save_bert

from searchkit.cli.doctor import examine
from searchkit.cli.hits import what_ran
from searchkit.cli.opening import searching
from searchkit.cli.tuning import Changes
from searchkit.errors import ModelError
from searchkit.fuse import min_max
from searchkit.models import names
from searchkit.models.serving import Serving, write_serving
from searchkit.rerank import RerankOptions
from searchkit.search.api import IndexOptions, OpenOptions, build, open_searcher
from searchkit.search.pipeline import Pipeline

ROWS = [
    ("a", "Rotation curves", "Stars orbit faster than light suggests. Dark matter holds them."),
    ("b", "Vitamin trials", "Bones and a daily dose. Fractures became rare within four years."),
    ("c", "Glass", "A metal that does not order. It flows without a shear."),
    ("d", "Batteries", "Lithium moves between two metals. The dose of current decides."),
]
QUERY = "does a daily dose of vitamins make fractures rare"
OPTIONS = RerankOptions(depth=3, interpolation=0.6, scale="raw")


def write_corpus(path, rows=ROWS):
    lines = [json.dumps({"id": i, "title": title, "text": text}) for i, title, text in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return save_house(tmp_path_factory.mktemp("shipped") / "house")


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    """One with vectors of minilm, one with BM25 alone."""
    folder = tmp_path_factory.mktemp("indexes")
    corpus = write_corpus(folder / "corpus.jsonl")
    build(corpus, out=folder / "fused")
    build(corpus, out=folder / "bm25", encoders=[])
    return folder


@pytest.fixture
def house(shipped, tmp_path, monkeypatch):
    """The packaged rerankers of this test, to be changed at will."""
    folder = shutil.copytree(shipped, tmp_path / "house")
    monkeypatch.setattr(names, "HOUSE", folder)
    return folder / "house-small"


@pytest.fixture
def empty_house(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "HOUSE", tmp_path / "nothing")


def test_without_weights_nothing_reranks(indexes, empty_house):
    with open_searcher(indexes / "fused") as searcher:
        assert searcher.pipeline.reranker is None
        assert searcher.pipeline.why == "the factory pipeline: BM25 and vectors, fused."


def test_the_packaged_reranker_reranks_what_was_fused(indexes, house):
    with open_searcher(indexes / "fused") as searcher:
        pipeline, stages = searcher.pipeline, searcher.stages
        assert (pipeline.reranker, pipeline.rerank) == ("house-small", OPTIONS)
        assert not stages.scorer.is_made  # before anybody asks
        answer = searcher.answer(QUERY, 4)
        assert answer.stage == "reranked"
        said = what_ran(answer, stages)
        assert said.startswith("The factory pipeline: BM25 and vectors, fused, then the packaged")
        assert "its raw scores mixed with 0.6 of the first stage" in said
        fused = searcher.stages.run([QUERY], stage="fused", k=4).rankings["fused"][0].head(3)
        scorer = stages.scorer.get()
        docs = [searcher.index[row] for row in fused.rows.tolist()]
        own = scorer.score(QUERY, [scorer.passage(QUERY, doc) for doc in docs])
        mixed = 0.6 * min_max(fused.scores.astype(np.float64)) + 0.4 * own
        expected = {doc.id: score for doc, score in zip(docs, mixed.tolist(), strict=True)}
        assert {h.doc.id: h.score for h in answer.hits} == pytest.approx(expected, abs=1e-5)


def test_none_leaves_it_out_and_says_so(indexes, house):
    with open_searcher(indexes / "fused", options=OpenOptions(reranker=None)) as searcher:
        answer = searcher.answer(QUERY)
        assert answer.stage == "fused"
        assert "without its reranker, as asked." in what_ran(answer, searcher.stages)


def test_a_stage_before_it_is_said_to_be_what_was_asked(indexes, house):
    with open_searcher(indexes / "fused") as searcher:
        answer = searcher.answer(QUERY, stage="fused")
        assert "Up to stage fused, as asked." in what_ran(answer, searcher.stages)
        assert not searcher.stages.scorer.is_made


def test_another_reranker_is_served_as_its_own_folder_says(indexes, house, tmp_path):
    other = shutil.copytree(house, tmp_path / "other")
    write_serving(other, Serving(depth=2))
    with open_searcher(indexes / "fused", options=OpenOptions(reranker=str(other))) as searcher:
        assert searcher.pipeline.rerank == RerankOptions(depth=2)
        assert f"reranked by {other} instead, as asked." in searcher.pipeline.why
    own = Pipeline(rerank=RerankOptions(depth=4))
    options = OpenOptions(reranker=str(other), pipeline=own)
    with open_searcher(indexes / "fused", options=options) as searcher:
        assert searcher.pipeline.rerank.depth == 4  # somebody has set it
    with pytest.raises(ModelError, match="is no alias, folder or hub name"):
        open_searcher(indexes / "fused", options=OpenOptions(reranker="house-smal"))


def test_flags_change_its_settings_one_by_one(indexes, house):
    with searching(indexes / "fused", OpenOptions(), Changes(interpolation=0.9)) as searcher:
        assert searcher.pipeline.rerank == replace(OPTIONS, interpolation=0.9)
        assert searcher.pipeline.reranker == "house-small"


def test_a_pipeline_that_was_chosen_stays_as_it_is(indexes, house):
    with open_searcher(indexes / "fused", options=OpenOptions(pipeline=Pipeline())) as searcher:
        assert searcher.pipeline == Pipeline()


def test_bm25_alone_is_reranked_where_the_settings_say_so(indexes, house):
    with open_searcher(indexes / "bm25") as searcher:
        assert searcher.pipeline.reranker is None
    write_serving(house, replace(SERVING, after=("fused", "bm25")))
    with open_searcher(indexes / "bm25") as searcher:
        assert searcher.pipeline.reranker == "house-small"
        assert searcher.pipeline.why.startswith("BM25 and the packaged reranker, because the")
        assert searcher.answer(QUERY).stage == "reranked"
    write_serving(house, replace(SERVING, after=()))
    with open_searcher(indexes / "fused") as searcher:
        assert searcher.pipeline.reranker is None


def test_a_corpus_in_another_language_is_not_reranked(house, tmp_path):
    write_serving(house, replace(SERVING, after=("fused", "bm25")))
    corpus = write_corpus(tmp_path / "c.jsonl")
    arabic = IndexOptions(analyzer="arabic")
    build(corpus, out=tmp_path / "arabic", encoders=[], options=arabic)
    with open_searcher(tmp_path / "arabic") as searcher:
        assert searcher.pipeline.reranker is None
        assert "no reranker, because house-small reads en and the corpus" in searcher.pipeline.why
    script = [
        ("a", "", "Все счастливые семьи похожи друг на друга"),
        ("b", "", "在一个遥远的星系里"),
    ]
    build(write_corpus(tmp_path / "d.jsonl", script), out=tmp_path / "broken", encoders=[])
    with open_searcher(tmp_path / "broken") as searcher:
        assert searcher.pipeline.reranker is None
        assert "house-small knows" in searcher.pipeline.why


def test_an_encoder_of_another_vocabulary_does_not_answer_for_it(house, tmp_path):
    encoder = save_bert(tmp_path / "tiny")
    build(write_corpus(tmp_path / "c.jsonl"), out=tmp_path / "x", encoders=[str(encoder)])
    with open_searcher(tmp_path / "x") as searcher:
        record = searcher.index.generation.encoders[0]
        assert record["shattered"] > 0.4  # the tiny vocabulary spells most words
        assert searcher.pipeline.encoders == ()
    write_serving(house, replace(SERVING, after=("fused", "bm25")))
    with open_searcher(tmp_path / "x") as searcher:
        assert searcher.pipeline.reranker == "house-small"


def test_the_command_line_reranks_and_explains(indexes, house):
    found = invoke("search", indexes / "fused", QUERY, "--explain")
    assert found.exit_code == 0, found.stderr
    assert "reranked" in found.stdout
    assert "The first 3 reranked by house-small" in found.stderr
    assert "the sentences first that share most with the query, 64 tokens" in found.stderr
    assert invoke("search", indexes / "fused", QUERY, "--rerank-scale", "min-max").exit_code == 0
    none = ["--reranker", "none", "--rerank-depth", 5]
    assert "no reranker takes part" in refused("search", indexes / "fused", QUERY, *none)
    sentence = json.loads(invoke("info", indexes / "fused", "--json").stdout)["pipeline"]
    assert sentence["sentence"].endswith("the first 3 reranked by house-small.")


def test_doctor_looks_at_the_packaged_reranker(house):
    [sound] = [finding for finding in examine() if finding.subject == "default reranker"]
    assert sound.is_sound
    assert "house-small" in sound.found
    facts = json.loads((house / "delta.json").read_text())
    (house / "delta.json").write_text(json.dumps(facts | {"base_sha256": "0"}))
    [broken] = [finding for finding in examine() if finding.subject == "default reranker"]
    assert not broken.is_sound
    assert broken.cure


def test_doctor_says_that_none_is_shipped(empty_house):
    [finding] = [finding for finding in examine() if finding.subject == "default reranker"]
    assert (finding.is_sound, finding.found) == (True, "none is packaged.")
