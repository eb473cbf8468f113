"""Another analyzer, another kind of ANN: as if the index had been built so, and no more is made."""

from dataclasses import replace

import pytest
from cli_sample import build_sample, invoke, refused
from index_states import bury, committed, every_byte, lasting
from tiny_models import WORDS

import searchkit
from searchkit.errors import ConfigError
from searchkit.index.ann_change import change_ann
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import read
from searchkit.index.reanalyse import reanalyse
from searchkit.index.vectors import VectorConfig
from searchkit.models.fakes import HashEncoder
from searchkit.search.pipeline import Pipeline
from searchkit.types import Doc

TERMS = [*WORDS.split(), "running", "runs", "die", "Häuser"]
DOCS = [
    Doc(f"d{n}", f"{TERMS[n % 7]} {TERMS[-n % 11]}", " ".join(TERMS[n % 9 : n % 9 + n % 27]))
    for n in range(60)
]
QUERIES = ["running stars", "die galaxy", "neural graph model", "bone"]


def build(folder, docs=DOCS, *, dense=(), segment_docs=25, **config):
    dense = [DenseChoice(HashEncoder(dim), VectorConfig()) for dim in dense]
    build_index(folder, docs, BuildConfig(dense=dense, segment_docs=segment_docs, **config))
    return folder


def test_another_analyzer_is_as_if_it_had_been_there_from_the_start(tmp_path):
    changed = build(tmp_path / "changed", dense=[32], ann=AnnConfig(kind="hnsw"))
    wanted = build(tmp_path / "wanted", dense=[32], ann=AnnConfig(kind="hnsw"), analyzer="german")
    before = every_byte(changed)
    reanalyse(changed, "german")
    assert every_byte(changed) == every_byte(wanted) != before
    assert lasting(read(changed)) == lasting(read(wanted))


def test_deleted_documents_stay_deleted_under_another_analyzer(tmp_path):
    index = build(tmp_path / "x")
    bury(index, segment=1, rows=[0, 3, 24])
    reanalyse(index, "plain")
    gone = {"d25", "d28", "d49"}
    fresh = build(tmp_path / "y", [doc for doc in DOCS if doc.id not in gone], analyzer="plain")
    with (
        searchkit.open(index, reranker=None) as found,
        searchkit.open(fresh, reranker=None) as wanted,
    ):
        assert found.rank(QUERIES, 60) == wanted.rank(QUERIES, 60)


def test_the_same_analyzer_commits_nothing_and_an_unknown_one_is_refused(tmp_path):
    index = build(tmp_path / "x")
    assert reanalyse(index, "english").number == 1
    with pytest.raises(ConfigError, match="Did you mean 'german'"):
        reanalyse(index, "germann")
    assert read(index).number == 1


def test_a_pipeline_that_was_measured_with_other_terms_goes(tmp_path):
    index = build_sample(tmp_path / "x")
    committed(index, pipeline=Pipeline(why="promoted.").to_dict())
    said = invoke("reanalyse", index, "plain").stderr
    assert "146 documents analysed as plain" in said
    assert "so it is gone" in said
    assert read(index).pipeline is None
    assert "Nothing was committed" in invoke("reanalyse", index, "plain").stderr
    assert "english" in refused("reanalyse", index, "englisch")


@pytest.mark.parametrize(("old", "new"), [("flat", "hnsw"), ("hnsw", "flat"), ("hnsw", "auto")])
def test_another_kind_of_ann_is_as_if_it_had_been_there_from_the_start(tmp_path, old, new):
    changed = build(tmp_path / "changed", dense=[32], ann=AnnConfig(kind=old))
    wanted = build(tmp_path / "wanted", dense=[32], ann=AnnConfig(kind=new))
    committed(changed, pipeline=Pipeline(why="promoted.").to_dict())
    change_ann(changed, AnnConfig(kind=new))
    assert every_byte(changed) == every_byte(wanted)
    assert read(changed).segments == read(wanted).segments
    assert read(changed).pipeline is not None
    number = read(changed).number
    assert change_ann(changed, AnnConfig(kind=new)).number == number


def test_a_graph_that_is_there_is_not_built_again(tmp_path):
    index = build(tmp_path / "x", dense=[32], ann=AnnConfig(kind="hnsw"))
    live = read(index)
    first = live.segments[0]
    bare = replace(first, parts=tuple(part for part in first.parts if part.kind != "ann"))
    committed(index, segments=(bare, *live.segments[1:]))
    phases = []

    def watch(phase):
        phases.append(phase)
        return lambda done, total: None

    fresh = change_ann(index, AnnConfig(kind="hnsw"), watch=watch)
    assert phases == ["hnsw over hash"]
    assert fresh.segments == live.segments


def test_the_command_says_how_vectors_are_searched_now(tmp_path):
    index = build(tmp_path / "x", dense=[32])
    assert "searched by hnsw (0 of 3 parts are scanned)" in invoke("ann", index, "hnsw").stderr
    assert "searched so already" in invoke("ann", index, "hnsw").stderr
    assert (
        "searched by an exact scan (auto asks for 1,200,000" in invoke("ann", index, "auto").stderr
    )
    said = invoke("ann", index, "ivfpq").stderr
    assert "exact scan (ivfpq asks for 1,024 vectors in a segment, the most here are " in said
    number = read(index).number
    said = invoke("ann", index, "ivfpq").stderr
    assert "searched so already, by an exact scan (ivfpq asks for 1,024" in said
    assert "Nothing was committed." in said
    assert read(index).number == number
    assert "searched by an exact scan, in " in invoke("ann", index, "flat").stderr
    bare = build(tmp_path / "bare")
    assert "has no vectors" in refused("ann", bare, "hnsw")
    assert invoke("ann", index, "annoy").exit_code == 2


def test_a_recall_is_wished_for_kept_for_segments_to_come_and_told(tmp_path):
    index = build(tmp_path / "x", dense=[32])
    invoke("ann", index, "hnsw", "--ann-recall", ".9")
    assert [record["ann_recall"] for record in read(index).encoders] == [0.9]
    assert {part.config.get("recall") for part in anns(index)} == {0.9}
    said = invoke("info", index).stdout
    assert "hnsw over hash, 32 links a node, recall not measured" in said
    number = read(index).number
    assert invoke("ann", index, "hnsw", "--ann-recall", ".9").exit_code == 0
    assert read(index).number == number
    invoke("ann", index, "hnsw")
    assert "ann_recall" not in read(index).encoders[0]


def anns(index):
    return [part for one in read(index).segments for part in one.parts if part.kind == "ann"]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["flat", "--ann-recall", ".9"], "--ann-recall has no effect: flat is exact"),
        (["hnsw", "--ann-memory", "1"], "--ann-memory has no effect: only auto chooses"),
        (["hnsw", "--ann-recall", "1"], "from 0.5 to 0.999, not 1"),
        (["auto", "--ann-memory", "-1"], "cannot take -1 GB"),
    ],
)
def test_flags_of_an_ann_that_change_nothing_are_refused(tmp_path, flags, why):
    index = build(tmp_path / "x", dense=[32])
    assert why in refused("ann", index, *flags)
