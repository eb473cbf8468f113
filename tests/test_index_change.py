from dataclasses import replace

import numpy as np
import pytest
from histories import History, check, dense

from searchkit.errors import ConfigError
from searchkit.index import generation as generations
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index, delete_rows
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.index import Index
from searchkit.index.sorter import SYNC, UPDATE, Rule, same
from searchkit.index.vectors import VectorConfig
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.dense import DenseRetriever, dense_parts
from searchkit.types import Doc


@pytest.mark.parametrize("seed", range(30))
def test_any_history_ranks_like_a_fresh_build(tmp_path, seed):
    run_history(tmp_path, seed, n_steps=1 + seed % 12)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_long_histories_rank_like_a_fresh_build(tmp_path, seed):
    run_history(tmp_path, seed, n_steps=1 + seed % 40)


def run_history(tmp_path, seed, *, n_steps):
    passages = ["document", "sentence", "window"][seed % 3]
    history = History(tmp_path / "index", seed, n_docs=5 + seed % 40, passages=passages)
    for _ in range(n_steps):
        history.step()
    check(history.path, history.docs, history.config, tmp_path / "fresh")


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "index", 7)


def test_a_dry_run_counts_and_changes_nothing(history):
    before = generations.read(history.path)
    docs = [*list(history.docs.values())[:10], history.doc(), history.doc()]
    told = history.feed(docs, SYNC, dry_run=True)
    assert told.generation is None
    assert told.summary.counts() == {"added": 2, "replaced": 0, "deleted": 20}
    assert generations.read(history.path) == before
    assert history.feed(docs, SYNC).summary.counts() == told.summary.counts()


def test_a_change_of_nothing_is_no_commit(history):
    before = generations.read(history.path)
    changed = history.feed(list(history.docs.values()), SYNC)
    assert changed.generation is None
    assert changed.summary.unchanged.n == 30
    assert generations.read(history.path) == before


def test_a_reader_keeps_its_generation(history):
    with Index.open(history.path) as held:
        ids = held.all_ids()
        history.delete()
        assert held.all_ids() == ids == [doc.id for doc in held]
    with Index.open(history.path) as fresh:
        assert fresh.all_ids() == list(history.docs) != ids


@pytest.mark.parametrize(
    ("docs", "rule", "why"),
    [
        (["d1"], Rule(), "holds a document 'd1' already. Use `searchkit update`"),
        (["d99"], UPDATE, "holds no document 'd99' to update. Add it with `searchkit add`"),
    ],
)
def test_a_document_that_the_rule_refuses_leaves_all_as_it_was(history, docs, rule, why):
    before = generations.read(history.path)
    with pytest.raises(ConfigError, match=why):
        history.feed([history.doc(), *map(history.doc, docs)][rule == UPDATE :], rule)
    assert generations.read(history.path) == before
    assert not (history.path / "drafts").exists()


def test_documents_can_be_passed_over(history):
    docs = [history.doc("d1"), history.doc("new")]
    assert history.feed(docs, Rule(existing="skip")).summary.skipped.ids == ["d1"]
    later = [history.doc("d2"), history.doc("newer")]
    rule = Rule(existing="replace", missing="skip")
    assert history.feed(later, rule).summary.skipped.ids == ["newer"]
    with Index.open(history.path) as index:
        assert index.all_ids()[-2:] == ["new", "d2"]


def test_no_change_leaves_an_index_without_documents(history):
    with pytest.raises(ConfigError, match="would leave no document"):
        delete_rows(history.path, lambda index: np.arange(index.n_rows))


def test_a_segment_of_the_deleted_alone_goes(history):
    history.add()
    assert len(generations.read(history.path).segments) == 2
    delete_rows(history.path, lambda index: np.arange(30))
    live = generations.read(history.path)
    assert len(live.segments) == 1
    assert live.n_rows == live.n_docs


def test_what_came_and_went_is_counted(history):
    history.feed([history.doc()], Rule())
    changed = delete_rows(history.path, lambda index: np.array([3, 5]))
    assert changed.generation.ledger["changes"] == {"commits": 2, "added": 1, "deleted": 2}


def test_the_encoder_is_asked_for_only_where_a_document_is_written(tmp_path):
    build_index(
        tmp_path / "index",
        [Doc("a", "", "one"), Doc("b", "", "two")],
        History.config.fget(type("Plain", (), {"passages": "document"})()),
    )
    asked = []
    config = ChangeConfig(rule=SYNC, dense=lambda live: asked.append(live) or dense())
    change_index(tmp_path / "index", [Doc("a", "", "one")], config)
    assert not asked
    change_index(tmp_path / "index", [Doc("c", "", "three")], config)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("fed", "stored"),
    [
        ({"n": 3}, {"n": 3.0}),
        ({"n": 3}, {"n": "3"}),
        ({"n": ["a"]}, {"n": '["a"]'}),
        ({"n": None}, {}),
    ],
)
def test_metadata_is_as_before_however_its_column_spells_it(fed, stored):
    assert same(Doc("a", "t", "x", fed), Doc("a", "t", "x", stored))


@pytest.mark.parametrize(
    ("fed", "stored"),
    [({"n": 3}, {"n": 4}), ({"n": 3}, {}), ({}, {"n": 3}), ({"n": True}, {"n": 1})],
)
def test_metadata_that_differs_is_a_change(fed, stored):
    assert not same(Doc("a", "t", "x", fed), Doc("a", "t", "x", stored))


def test_a_graph_finds_no_deleted_document_and_nearly_all_others(tmp_path):
    encoder = HashEncoder(dim=16, max_tokens=16)
    docs = [Doc(f"d{n}", "", f"w{n} w{n % 97} w{n % 89}") for n in range(2000)]
    choice = DenseChoice(encoder, VectorConfig())
    build_index(tmp_path / "index", docs, BuildConfig(dense=[choice], ann=AnnConfig(kind="hnsw")))
    rows = np.arange(0, 2000, 4)
    delete_rows(tmp_path / "index", lambda index: rows)
    queries = [f"w{n} w{n % 97}" for n in range(40)]
    with Index.open(tmp_path / "index") as index:
        parts = dense_parts(index, encoder.name)
        assert parts[0].ann is not None
        found = DenseRetriever(encoder, parts).retrieve(queries, 10)
        exact = DenseRetriever(encoder, [replace(parts[0], ann=None)]).retrieve(queries, 10)
    for near, true in zip(found, exact, strict=True):
        assert not np.isin(near.rows, rows).any()
        assert len(near) == len(true) == 10
    n_same = sum(len(set(a.rows) & set(b.rows)) for a, b in zip(found, exact, strict=True))
    assert n_same >= 0.95 * 400
