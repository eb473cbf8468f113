"""The cache gives back what was put in, stays small, and never stands in the way."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import ConfigError, FormatError
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.embedding_cache import EmbeddingCache, bound_bytes, facts
from searchkit.index.shards import Shard
from searchkit.index.vectors import VectorConfig, digests_of
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc

DIM = 256
DOCS = [Doc(str(n), f"Paper {n}", f"Dust reddens {n % 90} stars") for n in range(100)]


@pytest.fixture(autouse=True)
def _on(monkeypatch):
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", "64")


def shard(names, dtype="float32"):
    """A vector for each name that tells it."""
    vectors = np.array([[int(name)] * DIM for name in names], dtype).reshape(-1, DIM)
    return Shard(vectors, np.array([int(name) for name in names], np.int64))


def put(cache, names, space="a", dtype="float32"):
    cache.put(space, digests_of(names), shard(names, dtype))


def held(cache, names, space="a", dtype="float32"):
    """The names that the cache knows; each with the vector and the length that were put in."""
    found = cache.get(space, digests_of(names), dim=DIM, dtype=dtype)
    known = [names[n] for n in found.at]
    expected = shard(known, dtype)
    assert np.array_equal(found.shard.vectors, expected.vectors)
    assert found.shard.n_tokens.tolist() == expected.n_tokens.tolist()
    return known


def numbers(*spans):
    return [str(n) for span in spans for n in range(*span)]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.lists(st.integers(0, 30), max_size=8)), max_size=6
    )
)
@settings(max_examples=30)
def test_what_was_put_in_comes_out_and_nothing_else(tmp_path_factory, steps):
    expected = {"a": set(), "b": set()}
    with EmbeddingCache(tmp_path_factory.mktemp("cache") / "x.sqlite") as cache:
        for space, names in steps:
            put(cache, [*map(str, names)], space)
            expected[space] |= {*map(str, names)}
        for space, names in expected.items():
            assert held(cache, numbers((0, 31)), space) == sorted(names, key=int)


def test_more_texts_than_one_query_or_one_batch_takes(tmp_path):
    names = numbers((0, 5000))
    with EmbeddingCache(tmp_path / "x.sqlite") as cache:
        put(cache, names)
        assert held(cache, names) == names


def test_a_vector_of_another_length_is_not_taken(tmp_path):
    with EmbeddingCache(tmp_path / "x.sqlite") as cache:
        put(cache, ["1"], dtype="float16")
        assert held(cache, ["1"], dtype="float32") == []
        assert "damaged" in cache.problem


def test_what_is_no_number_is_not_kept(tmp_path):
    some = shard(["1", "2", "3"])
    some.vectors[0, 0], some.vectors[2, 5] = np.nan, np.inf
    with EmbeddingCache(tmp_path / "x.sqlite") as cache:
        cache.put("a", digests_of(["1", "2", "3"]), some)
        assert held(cache, ["1", "2", "3"]) == ["2"]


@pytest.mark.parametrize("column", ["vector", "n_tokens", "checksum", "key"])
def test_a_damaged_row_is_not_given_and_comes_in_anew(tmp_path, column, caplog):
    path, names = tmp_path / "x.sqlite", numbers((0, 9))
    with EmbeddingCache(path) as cache:
        put(cache, names)
    wrong = {"vector": b"\x01" + bytes(4 * DIM - 1), "key": b"0" * 16}.get(column, 77)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE vectors SET {column} = ? WHERE n_tokens = 4", (wrong,))
    with EmbeddingCache(path) as cache:
        assert held(cache, names) == [name for name in names if name != "4"]
        assert held(cache, names) == [name for name in names if name != "4"]
        put(cache, names)
    with cache:
        assert held(cache, names) == names
    assert len(caplog.records) == (column != "key")  # said once; a lost key is only not found


def test_the_file_stays_under_its_bound_and_what_is_used_stays_longest(tmp_path):
    path, bound = tmp_path / "x.sqlite", 10**6  # room for about 900 of 1,100 bytes
    with EmbeddingCache(path, bound=bound) as cache:
        for start in range(0, 3000, 100):
            put(cache, numbers((start, start + 100)))
            assert held(cache, numbers((0, 100))) == numbers((0, 100))  # used each time
            assert path.stat().st_size <= 1.1 * bound  # what is deleted leaves with a checkpoint
        latest = held(cache, numbers((0, 3000)))
    assert path.stat().st_size <= bound
    assert len(latest) > 600
    assert latest == numbers((0, 100), (3000 - len(latest) + 100, 3000))


def test_a_smaller_bound_shrinks_the_file(tmp_path):
    path = tmp_path / "x.sqlite"
    with EmbeddingCache(path) as cache:
        for start in range(0, 4000, 500):
            put(cache, numbers((start, start + 500)))
    assert path.stat().st_size > 4 * 10**6
    with EmbeddingCache(path, bound=10**6) as cache:
        put(cache, ["9999"])
        assert held(cache, ["9999"]) == ["9999"]
    assert path.stat().st_size <= 10**6


def test_what_is_larger_than_the_bound_is_not_kept(tmp_path):
    with EmbeddingCache(tmp_path / "x.sqlite", bound=10**5) as cache:
        put(cache, ["1"])
        put(cache, numbers((100, 300)))
        assert held(cache, ["1", *numbers((100, 300))]) == ["1"]
        assert cache.problem == ""


def build(out):
    config = BuildConfig(dense=[DenseChoice(HashEncoder(), VectorConfig())])
    fresh = build_index(out, DOCS, config)
    return fresh.segments[0].part("vectors").stats


def parts(out):
    return {path.name: path.read_bytes() for path in (out / "parts").rglob("*.npy")}


def test_a_second_index_of_the_same_corpus_encodes_nothing(tmp_path, home):
    first, second = build(tmp_path / "one"), build(tmp_path / "two")
    assert (first["n_encoded"], first["n_from_cache"]) == (len(DOCS), 0)
    assert (second["n_encoded"], second["n_from_cache"]) == (0, len(DOCS))
    assert parts(tmp_path / "one") == parts(tmp_path / "two")
    found = facts()
    assert (found.n_vectors, found.bound) == (len(DOCS), 64 * 10**6)
    assert found.n_bytes == found.path.stat().st_size
    assert found.path.parent == home


def test_no_cache_leaves_no_file(tmp_path, home, monkeypatch):
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", "0")
    build(tmp_path / "one")
    assert build(tmp_path / "two")["n_encoded"] == len(DOCS)
    assert list(home.glob("embeddings*")) == []
    assert facts().bound == 0


@pytest.mark.parametrize("damage", ["no database", "cut", "folder", "another database"])
def test_a_cache_that_cannot_be_used_is_said_once_and_the_build_goes_on(
    tmp_path, home, damage, caplog
):
    build(tmp_path / "one")
    [path] = home.glob("embeddings-1.sqlite")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:8192])
    elif damage == "no database":
        path.write_bytes(b"not a database" * 1000)
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE vectors (id INTEGER)")
    stats = build(tmp_path / "two")
    assert (stats["n_encoded"], stats["n_from_cache"]) == (len(DOCS), 0)
    assert parts(tmp_path / "one") == parts(tmp_path / "two")
    [said] = caplog.messages
    assert str(path) in said
    if damage == "no database":
        with pytest.raises(FormatError, match="delete the file"):
            facts()


def test_a_home_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEARCHKIT_HOME", str(tmp_path / "file" / "home"))
    assert build(tmp_path / "one")["n_encoded"] == len(DOCS)
    assert len(caplog.records) == 1
    assert facts().n_vectors == 0


def test_a_locked_cache_is_done_without(tmp_path, caplog):
    path = tmp_path / "x.sqlite"
    with EmbeddingCache(path) as cache:
        put(cache, ["1"])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with EmbeddingCache(path, patience_s=0) as cache:
            put(cache, ["2"])
            assert held(cache, ["1", "2"]) == []
        assert "locked" in cache.problem
        with cache:
            assert held(cache, ["1"]) == []  # for the whole run
        other.execute("ROLLBACK")
    assert len(caplog.records) == 1
    with EmbeddingCache(path) as cache:
        assert held(cache, ["1", "2"]) == ["1"]


PUT = """
import sys, numpy as np
from pathlib import Path
from searchkit.index.embedding_cache import EmbeddingCache
from searchkit.index.shards import Shard
from searchkit.index.vectors import digests_of
path, first = Path(sys.argv[1]), int(sys.argv[2])
with EmbeddingCache(path, patience_s=60.0) as cache:
    for start in range(first, first + 600, 20):
        names = [str(n) for n in range(start, start + 20)]
        vectors = np.array([[n] * 256 for n in range(start, start + 20)], np.float32)
        cache.put("a", digests_of(names), Shard(vectors, np.arange(start, start + 20)))
sys.exit(cache.problem or 0)
"""


def test_several_processes_fill_one_cache(tmp_path):
    path = tmp_path / "x.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", PUT, str(path), str(first)])
        for first in (0, 300, 1000)  # the first two share half of their texts
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    names = numbers((0, 900), (1000, 1600))
    with EmbeddingCache(path) as cache:
        assert held(cache, names) == names


@pytest.mark.parametrize(("said", "n_bytes"), [("", 4096 * 10**6), ("0", 0), ("12", 12 * 10**6)])
def test_the_bound_is_in_millions_of_bytes(monkeypatch, said, n_bytes):
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", said)
    assert bound_bytes() == n_bytes


@pytest.mark.parametrize("said", ["much", "-1", "1.5", "²"])
def test_a_bound_that_is_no_number_is_refused_before_the_work(monkeypatch, tmp_path, said):
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", said)
    with pytest.raises(ConfigError, match="SEARCHKIT_CACHE_MB"):
        build(tmp_path / "one")
    assert not (tmp_path / "one").exists()
