"""The power fails after any operation of a commit: the old generation opens, or the new one."""

import random
import sys
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from power_cut import Killed, Recorder, states

from searchkit.index import generation as generations
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index, delete_rows
from searchkit.index.collect import CommitOptions
from searchkit.index.compact import compact
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.extend import add_encoder, drop_encoder
from searchkit.index.index import Index
from searchkit.index.reanalyse import reanalyse
from searchkit.index.snapshots import list_snapshots
from searchkit.index.sorter import ADD, SYNC, UPDATE
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.index.vectors import VectorConfig
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc


def docs(name, n=5):
    return [Doc(f"{name}{m}", f"title {m}", f"{name} text {m}", {"year": m}) for m in range(n)]


def build(index, name, *, keep=None):
    config = BuildConfig(replace=True, segment_docs=3, commit=CommitOptions(keep=keep))
    return build_index(index, docs(name), config)


def change(index, changed, rule=ADD):
    return change_index(index, changed, ChangeConfig(rule=rule))


def delete(index):
    return delete_rows(index, lambda opened: np.array([1, 4]))


def promote(index):
    with unchanged(index, generations.read(index).number) as live:
        switch_pipeline(index, live, {"stage": "bm25"})


def encode(index):
    return add_encoder(index, DenseChoice(HashEncoder(8), VectorConfig(), {}))


def old(index):
    return build(index, "old")


# name -> what happened before, and the commit
COMMITS = {
    "build": (lambda index: None, lambda index: build(index, "new")),
    "replace": (old, lambda index: build(index, "new")),
    "keep": (old, lambda index: build(index, "new", keep=2)),
    "let go": (
        lambda index: [build(index, name, keep=3) for name in ("older", "old")],
        lambda index: build(index, "new", keep=0),
    ),
    "add": (old, lambda index: change(index, docs("new"))),
    "update": (old, lambda index: change(index, [Doc("old1", "", "changed")], UPDATE)),
    "sync": (old, lambda index: change(index, [*docs("old", 3), *docs("new", 2)], SYNC)),
    "delete": (old, delete),
    "delete more": (
        lambda index: [old(index), delete_rows(index, lambda opened: np.array([0]))],
        delete,
    ),
    "compact": (lambda index: [old(index), delete(index)], lambda index: compact(index, all=True)),
    "encoder add": (old, encode),
    "encoder drop": (
        lambda index: [old(index), encode(index)],
        lambda index: drop_encoder(index, HashEncoder(8).name),
    ),
    "reanalyse": (
        lambda index: [old(index), delete(index)],
        lambda index: reanalyse(index, "plain"),
    ),
    "promote": (old, promote),
}


def seen(index):
    """The generation that a reader opens, all that it can find; None where there is none."""
    if not generations.exists(index):
        return None
    with Index.open(index) as found:
        assert len(list(found)) == found.generation.n_docs
        assert sum(postings.n_docs for _, postings in found.postings) == found.n_rows
        snapshots = list_snapshots(index, found.generation)
        assert len(snapshots) == 1 + len(found.generation.snapshots)
        for snapshot in snapshots:
            with Index.open(index, number=snapshot.number) as other:
                assert len(list(other)) == snapshot.n_docs
        return found.generation


def cut_everywhere(name, tmp_path, monkeypatch, *, most=None, seed=0):
    """Open the index in every state after every operation of a commit, or in some of them."""
    before, commit = COMMITS[name]
    (tmp_path / "w").mkdir()
    before(tmp_path / "w" / "i")
    then = seen(tmp_path / "w" / "i")
    with Recorder(tmp_path / "w").recording(monkeypatch) as recorder:
        commit(tmp_path / "w" / "i")
    now, counts = seen(tmp_path / "w" / "i"), Counter(operations=len(recorder.moments))
    assert then != now
    scratch = tmp_path / "states"
    for moment, folder in states(recorder.moments, seed=seed, scratch=scratch, most=most):
        found = seen(folder / "i")
        assert found in (then, now), moment.after
        counts["new" if found == now else "old"] += 1
    counts["after"] = still_there(recorder.moments[-1], now, tmp_path, seed=seed, most=most)
    return counts


def still_there(moment, new, tmp_path, *, seed=0, most=None):
    """The commit was reported: nothing may take it back. Number of states that were looked at."""
    n_states = 0
    for _, folder in states([moment], seed=seed, scratch=tmp_path / "end", most=most):
        assert seen(folder / "i") == new
        n_states += 1
    return n_states


@pytest.mark.parametrize("name", COMMITS)
def test_power_loss_leaves_the_old_generation_or_the_new_one(name, tmp_path, monkeypatch):
    counts = cut_everywhere(name, tmp_path, monkeypatch, most=15, seed=5)
    assert counts["old"] + counts["new"] + counts["after"] > 3


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMITS)
def test_power_loss_after_every_operation(name, tmp_path, monkeypatch):
    counts = cut_everywhere(name, tmp_path, monkeypatch)
    sys.stdout.write(f"\npower loss in {name}: {counts}, each opens at the old or new generation\n")


def test_what_a_killed_writer_left_unsafe_is_made_safe_by_the_next(tmp_path, monkeypatch):
    counts = kill_then_cut(tmp_path, monkeypatch, share=0.03, seed=3)
    assert counts["killed"] > 0


@pytest.mark.soak
def test_power_loss_after_a_kill_at_every_operation(tmp_path, monkeypatch):
    counts = kill_then_cut(tmp_path, monkeypatch)
    sys.stdout.write(f"\na kill, the same command, a power loss: {counts}, 0 commits lost\n")


def kill_then_cut(tmp_path, monkeypatch, *, share=1.0, seed=0):
    """A writer dies after n operations, the same command succeeds, the power fails after that."""
    chance, counts, n = random.Random(seed), Counter(), 0
    while True:
        n += 1
        if chance.random() >= share:
            continue
        root = tmp_path / str(n)
        root.mkdir()
        build(root / "i", "old")
        recorder = Recorder(root)
        with recorder.recording(monkeypatch):
            recorder.left = n
            with suppress(Killed):
                build(root / "i", "new")
                return counts
            recorder.left = None
            build(root / "i", "new")
        counts["states"] += still_there(recorder.moments[-1], seen(root / "i"), root, most=30)
        counts["killed"] += 1
