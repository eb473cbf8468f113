import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import ConfigError, DamagedIndex, QueryError
from searchkit.index import generation as generations
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.collect import CommitOptions, publish
from searchkit.index.generation import path_of, read
from searchkit.index.index import Index
from searchkit.index.snapshots import list_snapshots, number_as_of
from searchkit.types import Doc


def docs(n):
    return [Doc(f"{n}-{m}", f"title {n}", f"text {m}") for m in range(n)]


def build(index, n, keep=None):
    """A generation of n documents, all of them its own."""
    return build_index(index, docs(n), BuildConfig(replace=True, commit=CommitOptions(keep=keep)))


def numbers(index):
    return [snapshot.number for snapshot in list_snapshots(index, read(index))]


@pytest.fixture
def index(tmp_path):
    """Generations 1, 2 and 3, of as many documents, on the first three days of a month."""
    for n in (1, 2, 3):
        build(tmp_path / "i", n, keep=5)
        _date(tmp_path / "i", f"2026-01-0{n}T12:00:00+00:00")
    return tmp_path / "i"


def _date(index, written):
    generations.commit(index, replace(read(index), written=written))


@settings(max_examples=15)
@given(st.lists(st.sampled_from([None, 0, 1, 2, 5]), min_size=1, max_size=8))
def test_the_newest_generations_stay_and_the_others_go(tmp_path_factory, keeps):
    index, expected, n_kept = tmp_path_factory.mktemp("index") / "i", [], 0
    for n, keep in enumerate(keeps, 1):
        fresh = build(index, n, keep)
        n_kept = n_kept if keep is None else keep
        expected = [n, *expected[:n_kept]]
        assert fresh.keep == n_kept
        assert numbers(index) == generations.numbers(index)[::-1] == expected
        assert len(list((index / "segments").iterdir())) == len(expected)
        for number in expected:
            with Index.open(index, number=number) as found:
                assert list(found) == docs(number)


def test_a_number_that_is_not_there_lists_what_is(index):
    listed = "It has 3 (2026-01-03T12:00:00+00:00), 2 (2026-01-02T12:00:00+00:00), 1 ("
    with pytest.raises(QueryError, match=re.escape(f"has no generation 7. {listed}")):
        Index.open(index, number=7)


def test_what_a_reader_holds_is_no_snapshot(index):
    """Nothing vouches for it any more, and it goes with its reader."""
    with Index.open(index):
        build(index, 4, keep=0)
        with pytest.raises(QueryError, match=r"has no generation 3. It has 4"):
            Index.open(index, number=3)


@pytest.mark.parametrize(
    ("date", "number"),
    [
        ("2026-01-01", 1),
        ("20260102", 2),
        ("2026-01-02T11:59:59", 1),
        ("2026-01-02T12:00", 2),
        ("2026-01-02T13:30+02:00", 1),
        ("2027-01-01", 3),
    ],
)
def test_a_date_names_the_last_generation_written_by_then(index, date, number):
    assert number_as_of(index, date) == number


def test_a_date_before_all_and_no_date_are_sentences(index):
    with pytest.raises(QueryError, match=r"has no generation as old as 2025-12-31. It has 3"):
        number_as_of(index, "2025-12-31")
    with pytest.raises(ConfigError, match=r"'May 1' is no date. Write it as 2026-01-31"):
        number_as_of(index, "May 1")


def test_a_damaged_snapshot_is_refused_and_the_next_commit_lets_it_go(index):
    path = path_of(index, 2)
    path.write_text(path.read_text().replace("2026-01-02", "2026-01-09"))
    with pytest.raises(DamagedIndex, match="does not fit the live generation"):
        Index.open(index, number=2)
    build(index, 4)
    assert numbers(index) == [4, 3, 1]
    assert not path.exists()


def test_a_missing_snapshot_is_damage(index):
    path_of(index, 1).unlink()
    with pytest.raises(DamagedIndex, match=r"000001.json: is missing. Choose another. It has 3"):
        Index.open(index, number=1)


def test_parts_that_a_snapshot_shares_are_kept_and_its_own_go_with_it(index):
    live = read(index)
    publish(index, replace(live, pipeline={"stage": "bm25"}), keep=1)
    assert numbers(index) == [4, 3]
    assert len(list((index / "segments").iterdir())) == 1
    with Index.open(index, number=3) as old, Index.open(index) as new:
        assert list(old) == list(new)
        assert (old.generation.pipeline, new.generation.pipeline) == (None, {"stage": "bm25"})
