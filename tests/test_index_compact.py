"""What is due, and that doing it changes no answer, whatever comes between."""

import logging
from itertools import pairwise

import numpy as np
import pytest
from histories import ENCODER, QUERIES, History, check, dense, named
from hypothesis import given
from hypothesis import strategies as st
from index_states import bury

from searchkit.index import compact as compaction
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import delete_rows
from searchkit.index.compact import FANOUT, after_commit, compact, due, due_all, steps
from searchkit.index.generation import Generation, Part, Segment, read
from searchkit.index.index import Index
from searchkit.index.lexical import SEGMENT_DOCS
from searchkit.index.lock import writing
from searchkit.retrieve.bm25 import BM25Retriever, lexical_parts
from searchkit.retrieve.dense import DenseRetriever, dense_parts
from searchkit.types import Doc


def silent(_):
    return lambda *_: None


def segment(n_docs, n_deleted=0, *, ann=False):
    kinds = [("tombstones", {"n_docs": n_deleted})] if n_deleted else []
    parts = [Part(kind, "h", {}, {}, stats) for kind, stats in kinds + [("ann", {})] * ann]
    return Segment("h", n_docs, {}, tuple(parts))


def generation(*segments):
    return Generation(
        1, tuple(one if isinstance(one, Segment) else segment(one) for one in segments)
    )


def living(one):
    return one.n_docs - one.n_deleted


def done(state, place):
    merged = segment(sum(map(living, state.segments[place])))
    return generation(*state.segments[: place.start], merged, *state.segments[place.stop :])


def settled(state, plan=due):
    """The state when nothing is due any more, and how many documents were copied for it."""
    copied = 0
    while places := plan(state):
        copied += sum(map(living, state.segments[places[-1]]))
        state = done(state, places[-1])
    return state, copied


sizes = st.integers(1, SEGMENT_DOCS) | st.integers(1, 500)
stored = st.lists(
    sizes.flatmap(lambda n: st.builds(segment, st.just(n), st.integers(0, n - 1))), max_size=30
)


@given(stored, st.sampled_from([due, due_all]))
def test_only_neighbours_that_fit_into_one_segment_merge(segments, plan):
    state = generation(*segments)
    places = plan(state)
    ends = [0, *(n for place in places for n in (place.start, place.stop)), len(segments)]
    assert ends == sorted(ends)
    for place in places:
        assert sum(map(living, segments[place])) <= SEGMENT_DOCS or place.stop - place.start == 1
        if place.stop - place.start > 1 and plan is due:
            tiers = [compaction._tier(living(one)) for one in segments[place]]
            assert compaction._tier(sum(map(living, segments[place]))) > max(tiers)


@given(stored, st.sampled_from([due, due_all]))
def test_what_was_merged_is_not_due_again(segments, plan):
    state, _ = settled(generation(*segments), plan)
    assert plan(state) == []
    assert sum(map(living, state.segments)) == sum(map(living, segments))


@given(st.lists(sizes, min_size=1, max_size=40))
def test_all_leaves_no_two_neighbours_that_would_fit_into_one(found):
    state, _ = settled(generation(*found), due_all)
    held = [living(one) for one in state.segments]
    assert all(a + b > SEGMENT_DOCS for a, b in pairwise(held))


@pytest.mark.parametrize(("size", "n_commits"), [(1, 600), (100, 2000), (5000, 100)])
def test_commits_leave_few_segments_and_copy_each_document_a_few_times(size, n_commits):
    state, copied, most = generation(), 0, 0
    for _ in range(n_commits):
        state, more = settled(generation(*state.segments, size))
        copied, most = copied + more, max(most, len(state.segments))
    n_docs = size * n_commits
    tiers = compaction._tier(min(n_docs, SEGMENT_DOCS)) - compaction._tier(size) + 1
    assert copied <= n_docs * tiers
    assert most <= (FANOUT - 1) * tiers + 2 * n_docs // SEGMENT_DOCS


def test_a_small_addition_copies_no_large_segment():
    assert due(generation(115_357, 100, 100)) == []
    assert due(generation(115_357, 100, 100, 100)) == [slice(1, 4)]


@pytest.mark.parametrize(
    ("segments", "places"),
    [
        ([segment(10_000, 5_000), 50_000], [slice(0, 1)]),
        ([segment(10_000, 1_000), 50_000], []),
        ([segment(200, 150), 50_000], []),  # nobody feels so few rows
        ([segment(130_000, 40_000, ann=True)], []),
        ([segment(130_000, 90_000, ann=True)], [slice(0, 1)]),
        ([segment(10, 10)], []),
    ],
)
def test_a_segment_is_written_again_when_it_is_worn(segments, places):
    assert due(generation(*segments)) == places


def small(path, *, n_docs=40, **config):
    docs = [
        Doc(f"d{n}", QUERIES[n % 4], f"wb w{n % 7} wc", {"year": 1990 + n}) for n in range(n_docs)
    ]
    config = {"analyzer": "plain", "dense": dense(), "segment_docs": 3} | config
    build_index(path, docs, BuildConfig(**config))
    return path


def ranked(path):
    with Index.open(path) as index:
        return ranked_by(index)


def ranked_by(index):
    found = [BM25Retriever(lexical_parts(index), analyzer=index.analyzer, engine="numpy")]
    if index.generation.encoders:
        found.append(DenseRetriever(ENCODER, dense_parts(index, ENCODER.name)))
    return [named(index, one.retrieve(QUERIES, 7)) for one in found], list(index)


@pytest.mark.parametrize("every", [False, True])
def test_no_answer_changes_and_each_merge_is_a_commit(tmp_path, every):
    index = small(tmp_path / "x")
    for n in (0, 5, 13):
        bury(index, segment=n, rows=[0])
    before, wanted = read(index), ranked(index)
    plan = due_all if every else due
    found = list(steps(index, watch=silent, plan=plan))
    assert [one.generation.number for one in found] == list(
        range(before.number + 1, before.number + 1 + len(found))
    )
    after = read(index)
    assert len(after.segments) < len(before.segments)
    assert (after.n_docs, after.next_seq) == (before.n_docs, before.next_seq)
    assert ranked(index) == wanted
    assert compact(index, all=every) is None


def test_all_makes_one_segment_as_a_build_of_the_export_would(tmp_path):
    history = History(tmp_path / "x", 3)
    for _ in range(6):
        history.step()
    compact(history.path, all=True)
    [one] = read(history.path).segments
    assert (one.n_docs, one.n_deleted) == (len(history.docs), 0)
    check(history.path, history.docs, history.config, tmp_path / "fresh")
    [built] = read(tmp_path / "fresh").segments
    for name in ("postings", "vectors"):
        part, fresh = one.part(name), built.part(name)
        assert (part.config, part.files) == (fresh.config, fresh.files)
    assert one.files["meta.arrow"] == built.files["meta.arrow"]


def test_a_reader_keeps_what_it_opened(tmp_path):
    index = small(tmp_path / "x")
    with Index.open(index) as held:
        wanted = ranked_by(held)
        compact(index, all=True)
        assert ranked_by(held) == wanted
    assert ranked(index) == wanted


def one_by_one(state):
    return [slice(0, 2)] if len(state.segments) > 1 else []


def test_another_writer_may_come_between_two_merges(tmp_path):
    index = small(tmp_path / "x", n_docs=30, dense=())
    found = steps(index, watch=silent, plan=one_by_one)
    next(found)
    with writing(index):
        pass
    delete_rows(index, lambda opened: np.array([opened.row(f"d{n}") for n in range(20)]))
    assert {one.generation.n_docs for one in found} == {10}
    assert len(read(index).segments) == 1
    with Index.open(index) as opened:
        assert opened.all_ids() == [f"d{n}" for n in range(20, 30)]


@pytest.mark.parametrize("at", [1, 3, 5])
def test_an_interrupted_compaction_leaves_what_was_committed(tmp_path, at):
    index = small(tmp_path / "x", n_docs=9)
    wanted, told = ranked(index), 0

    def watch(_):
        def progress(*_):
            nonlocal told
            told += 1
            if told == at:
                raise KeyboardInterrupt

        return progress

    with pytest.raises(KeyboardInterrupt):
        list(steps(index, watch=watch, plan=one_by_one))
    assert ranked(index) == wanted
    assert not (index / "drafts").exists()
    assert len(list(steps(index, watch=watch, plan=one_by_one))) == (2 if at < 5 else 1)
    assert ranked(index) == wanted


@pytest.mark.parametrize("kind", ["hnsw", "flat"])
def test_an_ann_is_built_again_in_a_commit_of_its_own(tmp_path, kind):
    index = small(tmp_path / "x", ann=AnnConfig(kind=kind))
    wanted, number = ranked(index), read(index).number
    fresh = compact(index, all=True)
    assert ranked(index) == wanted
    [one] = fresh.segments
    assert (one.part("ann", vectors=one.part("vectors").hash) is None) == (kind == "flat")
    assert fresh.number - number == (1 if kind == "flat" else 2)
    assert [record["ann"] for record in fresh.encoders] == [kind]


def test_an_ann_that_was_left_out_is_built_by_the_next_call(tmp_path):
    index = small(tmp_path / "x", ann=AnnConfig(kind="hnsw"))
    next(steps(index, watch=silent, plan=due_all))  # and then it was stopped
    assert read(index).segments[0].part("ann") is None
    assert compact(index).segments[0].part("ann") is not None


def test_what_is_due_after_a_commit_waits_where_another_writes(tmp_path, caplog):
    index = small(tmp_path / "x", dense=())
    with writing(index), caplog.at_level(logging.WARNING):
        assert after_commit(index) is None
    assert "stay unmerged" in caplog.text
    assert after_commit(index).number == read(index).number
