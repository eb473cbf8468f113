import shutil

import pytest
from tiny_models import save_encoder

import searchkit
from searchkit.errors import ModelError, ModelMismatch
from searchkit.search.api import IndexOptions

ROWS = [
    '{"_id": "a", "title": "Rotation curves", "text": "Stars orbit faster than light suggests."}',
    '{"_id": "b", "title": "Vitamin trials", "text": "Bones and a daily dose."}',
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def built(corpus, tmp_path):
    save_encoder(tmp_path / "model")
    out = tmp_path / "index"
    searchkit.build(corpus, out=out, encoders=[str(tmp_path / "model")])
    return out


def test_what_is_built_is_searched(built):
    with searchkit.open(built) as searcher:
        hits = searcher.search("why do stars orbit so fast", k=2, stage="fused")
        assert {hit.doc.id for hit in hits} == {"a", "b"}
        assert set(hits[0].trace.stages) <= {"bm25", *searcher.encoders, "fused"}
        assert searcher.rank(["daily dose of vitamins"], k=1, stage="bm25")[0][0][0] == "b"


def test_an_encoder_that_has_changed_is_refused(built, tmp_path):
    shutil.rmtree(tmp_path / "model")
    save_encoder(tmp_path / "model", seed=1)
    with searchkit.open(built) as searcher:
        with pytest.raises(ModelMismatch, match="was built with another"):
            searcher.search("stars", stage="fused")
        assert searcher.search("stars", stage="bm25")[0].doc.id == "a"


def test_an_encoder_that_is_gone_is_a_sentence(built, tmp_path):
    shutil.rmtree(tmp_path / "model")
    with searchkit.open(built) as searcher, pytest.raises(ModelError, match="model"):
        searcher.search("stars", stage="dense")


def test_a_lexical_index_holds_no_vectors_and_says_so(corpus, tmp_path):
    searchkit.build(corpus, out=tmp_path / "lexical", encoders=[])
    with searchkit.open(tmp_path / "lexical") as searcher:
        assert searcher.encoders == ()
        assert "no vectors" in searcher.pipeline.why
        assert [hit.doc.id for hit in searcher.search("daily bones")] == ["b"]


def test_an_encoder_of_another_language_is_stored_and_not_used(corpus, tmp_path):
    save_encoder(tmp_path / "model")
    options = IndexOptions(analyzer="arabic")
    out = tmp_path / "arabic"
    searchkit.build(corpus, out=out, encoders=[str(tmp_path / "model")], options=options)
    with searchkit.open(out) as searcher:
        assert searcher.encoders == (str(tmp_path / "model"),)
        shattered = searcher.index.generation.encoders[0]["shattered"]
        assert ("BM25 alone" in searcher.pipeline.why) == (shattered > 0.4)


def test_the_same_build_gives_the_same_vectors(corpus, built, tmp_path):
    again = tmp_path / "again"
    searchkit.build(corpus, out=again, encoders=[str(tmp_path / "model")])
    files = {p.relative_to(built): p.read_bytes() for p in built.glob("parts/**/*.npy")}
    assert files
    assert files == {p.relative_to(again): p.read_bytes() for p in again.glob("parts/**/*.npy")}
