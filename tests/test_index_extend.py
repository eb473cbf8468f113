"""An encoder that comes later ranks like one that was there from the start."""

import shutil
from dataclasses import replace

import pytest
from cli_sample import invoke, refused
from index_states import every_byte, lasting
from tiny_models import WORDS, save_encoder

import searchkit
from searchkit.errors import ConfigError, FormatError
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.extend import add_encoder, drop_encoder
from searchkit.index.generation import commit, read
from searchkit.index.lock import writing
from searchkit.index.vectors import VectorConfig
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.fakes import HashEncoder
from searchkit.search.pipeline import Pipeline
from searchkit.types import Doc

TERMS = WORDS.split()
DOCS = [
    Doc(f"d{n}", f"{TERMS[n % 7]} {TERMS[n % 11]}", " ".join(TERMS[n % 9 : n % 9 + n % 13]))
    for n in range(60)
]
QUERIES = ["star galaxy light", "bone vitamin", "neural graph model"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [save_encoder(folder / name, seed=n) for n, name in enumerate(("one", "two"))]


def choice(model, **config):
    options = EncoderOptions()
    encoder = open_encoder(str(model), options=options)
    return DenseChoice(encoder, VectorConfig(**config), options.to_dict())


def build(folder, choices, *, ann="auto"):
    build_index(folder, DOCS, BuildConfig(dense=choices, segment_docs=25, ann=AnnConfig(kind=ann)))
    return folder


@pytest.mark.parametrize("ann", ["auto", "hnsw"])
def test_an_added_encoder_is_as_if_it_had_been_there_from_the_start(models, tmp_path, ann):
    one, two = (choice(model) for model in models)
    grown, whole = build(tmp_path / "grown", [one], ann=ann), tmp_path / "whole"
    build(whole, [one, two], ann=ann)
    add_encoder(grown, two, ann=AnnConfig(kind=ann))
    assert every_byte(grown) == every_byte(whole)
    assert lasting(read(grown)) == lasting(read(whole))
    with searchkit.open(grown) as found, searchkit.open(whole) as wanted:
        assert found.encoders == (str(models[0]), str(models[1]))
        for stage in (str(models[1]), "dense", "fused"):
            assert found.rank(QUERIES, k=20, stage=stage) == wanted.rank(QUERIES, 20, stage=stage)


def test_a_dropped_encoder_leaves_the_index_as_it_was(models, tmp_path):
    one, two = (choice(model) for model in models)
    index = build(tmp_path / "x", [one])
    before, said = every_byte(index), lasting(read(index))
    add_encoder(index, two)
    assert every_byte(index) != before
    drop_encoder(index, str(models[1]))
    assert every_byte(index) == before
    assert lasting(read(index)) == said


def test_vectors_may_be_stored_in_other_ways_than_the_first_ones(models, tmp_path):
    one, two = choice(models[0]), choice(models[1], passages="sentence", dtype="float32")
    index = build(tmp_path / "x", [one])
    add_encoder(index, two)
    record = read(index).encoders[1]
    assert (record["passages"], record["dtype"]) == ("sentence", "float32")
    with searchkit.open(index) as searcher:
        assert searcher.search("star galaxy", stage=str(models[1]))


def test_a_lexical_index_learns_to_search_by_meaning(models, tmp_path):
    index = build(tmp_path / "x", [])
    add_encoder(index, choice(models[0]))
    with searchkit.open(index) as searcher:
        assert searcher.pipeline.encoders == (str(models[0]),)
        assert searcher.search("star galaxy", stage="fused")


def test_a_killed_addition_leaves_the_index_and_goes_on(tmp_path):
    class Stop(Exception): ...

    docs = [Doc(f"d{n}", f"title {n}", "the text") for n in range(2100)]
    build_index(tmp_path / "x", docs, BuildConfig(segment_docs=1500))
    before = read(tmp_path / "x")

    def watch(phase):
        def progress(done, total):
            if "segment 2" in phase:
                raise Stop

        return progress

    added = DenseChoice(HashEncoder(), VectorConfig())
    with pytest.raises(Stop):
        add_encoder(tmp_path / "x", added, watch=watch)
    assert read(tmp_path / "x") == before
    assert list((tmp_path / "x" / "shards").glob("*.npy"))
    fresh = add_encoder(tmp_path / "x", added)
    stats = [segment.part("vectors").stats for segment in fresh.segments]
    assert stats[0]["n_encoded"] == 0  # both grids of it were kept
    assert not (tmp_path / "x" / "shards").exists()


def test_a_pipeline_comes_with_its_encoder_in_one_commit(models, tmp_path):
    index = build(tmp_path / "x", [])
    promoted = Pipeline(encoders=(str(models[0]),), depth=50, why="chosen by hand.").to_dict()
    fresh = add_encoder(index, choice(models[0]), pipeline=promoted)
    assert (fresh.number, fresh.pipeline) == (2, promoted)


def test_an_encoder_is_added_once_and_dropped_once(models, tmp_path):
    index = build(tmp_path / "x", [choice(models[0])])
    with pytest.raises(ConfigError, match="searchkit encoder drop"):
        add_encoder(index, choice(models[0]))
    drop_encoder(index, str(models[0]))
    with pytest.raises(ConfigError, match="It has none"):
        drop_encoder(index, str(models[0]))
    with pytest.raises(FormatError, match="there is no index here"):
        drop_encoder(tmp_path / "nowhere", "minilm")
    assert not (tmp_path / "nowhere").exists()


def test_the_command_adds_and_drops(models, tmp_path):
    index, folder = build(tmp_path / "x", []), tmp_path / "model"
    shutil.copytree(models[0], folder)
    added = invoke("encoder", "add", index, folder)
    assert added.exit_code == 0, added.stderr
    assert f"60 documents with vectors of {folder}" in added.stderr
    assert f"{folder} already. Drop them" in refused("encoder", "add", index, folder)
    (folder / "model.safetensors").unlink()  # no model is loaded to be refused
    assert f"{folder} already. Drop them" in refused("encoder", "add", index, folder)
    with writing(index):
        said = refused("encoder", "add", index, tmp_path / "none")
        assert "is being written by" in said
        assert "Wait for it with --wait, or stop it." in said
        assert "is being written by" in refused("tokens", "add", index, tmp_path / "none")
    shutil.rmtree(folder)  # what is gone from the disk can still be dropped
    dropped = invoke("encoder", "drop", index, folder)
    assert dropped.exit_code == 0, dropped.stderr
    assert "BM25 ranks alone" in dropped.stderr
    assert "has no vectors of specter2" in refused("encoder", "drop", index, "specter2")
    assert "drop only removes" in refused("encoder", "drop", index, "minilm", "--ann", "flat")
    assert "no index here" in refused("encoder", "add", tmp_path / "nowhere", models[0])


def test_dropping_what_the_promoted_pipeline_needs_says_what_runs_now(models, tmp_path):
    one, two = (choice(model) for model in models)
    index = build(tmp_path / "x", [one, two])
    promoted = Pipeline(encoders=(str(models[1]),), why="chosen by hand.").to_dict()
    live = read(index)
    commit(index, replace(live, number=2, pipeline=promoted))
    assert invoke("encoder", "drop", index, models[0]).stderr.count("\n") == 1
    assert read(index).pipeline == promoted
    said = invoke("encoder", "drop", index, models[1]).stderr
    assert "the index runs the factory pipeline again" in said
    assert read(index).pipeline is None
