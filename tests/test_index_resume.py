"""A build that was killed goes on: nothing is encoded twice, and no byte tells that it was."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from searchkit.encode import GRID
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.vectors import VectorConfig
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc

HASH = HashEncoder(dim=128, max_tokens=6)
MODES = ("document", "sentence", "window")
N_WRITES = 60  # fewer than any of these builds needs before its commit
CACHES = ("0", "64", "1")  # MB: off, room for all, for less than one grid


class InCompany:
    """Like a real model, whose last bits depend on the texts of the batch; counts, and may die."""

    def __init__(self, n_left=10**9):
        self.n_left, self.n_read, self.most = n_left, 0, 0

    def __getattr__(self, name):
        return getattr(HASH, name)

    def encode_docs(self, texts):
        self.n_left -= len(texts)
        if self.n_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.n_read += len(texts)
        self.most = max(self.most, len(texts))  # a shard: these grids are short enough for one call
        own = b"".join(hashlib.sha512(text.encode()).digest() for text in texts)
        vectors = np.tile(np.frombuffer(own, np.uint8).reshape(-1, 64), 2).astype(np.float32) / 1000
        company = hashlib.sha256("\0".join(texts).encode()).digest()
        return vectors + np.float32(1e-6 * company[0])


def corpus(n, start=0):
    """Some texts come several times, near and far."""
    spell = lambda i: Doc(str(i), f"Paper {i * i % 9001}", f"Dust {i % 7}. It reddens stars.")  # noqa: E731
    return [spell(i) for i in range(start, start + n)]


def build(out, mode, *, encoder=None, docs=None):
    """Build an index of two segments; what was built, and the encoder, which has counted."""
    encoder = encoder or InCompany()
    config = BuildConfig(dense=[choice(encoder, mode)], segment_docs=2 * GRID + 500)
    return build_index(Path(out), docs or corpus(4 * GRID), config), encoder


def add(out, mode, *, encoder=None):
    """The same documents into the index that is there, with it some of their texts."""
    encoder = encoder or InCompany()
    config = ChangeConfig(dense=lambda live: [choice(encoder, mode)])
    return change_index(Path(out), corpus(4 * GRID), config).generation, encoder


def choice(encoder, mode):
    return DenseChoice(encoder, VectorConfig(passages=mode, dtype="float32"))


def die_at(n_events):
    """Kill this process when it opens a file to write, or renames one, for the n-th time."""
    seen = []

    def count(event, args):
        if event == "os.rename" or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
            seen.append(event)
            if len(seen) == n_events:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def killed(out, mode, *, home, verb="build", n_left=10**9, events=0):
    """Build or add in another process that is killed on its way."""
    code = (
        f"import sys; from test_index_resume import InCompany, {verb}, die_at; "
        "out, mode, n_left, events = sys.argv[1:]; die_at(int(events)); "
        f"{verb}(out, mode, encoder=InCompany(int(n_left)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(out), mode, str(n_left), str(events)],
        cwd=Path(__file__).parent,
        env={**os.environ, "SEARCHKIT_HOME": str(home)},
        check=False,
    )
    assert process.returncode == -signal.SIGKILL


def every_file(index):
    """All but generations, which have a time, and what says who wrote it."""
    return {
        str(path.relative_to(index)): path.read_bytes()
        for path in sorted(index.rglob("*"))
        if path.is_file()
        and path.name not in ("lock", "CURRENT")
        and path.parent.name != "generations"
    }


def homes(tmp_path, monkeypatch, mode, cache):
    """Two homes alike, whose caches have seen a part of the corpus; the first one is in force."""
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", cache)
    one, two = tmp_path / "one", tmp_path / "two"
    monkeypatch.setenv("SEARCHKIT_HOME", str(one))
    one.mkdir()
    build(tmp_path / "before", mode, docs=corpus(700, start=3 * GRID))
    return Path(shutil.copytree(one, two))


@pytest.mark.parametrize(("mode", "cache"), [*zip(MODES, CACHES, strict=True)])
def test_a_build_killed_half_way_encodes_the_other_half(tmp_path, monkeypatch, mode, cache):
    two = homes(tmp_path, monkeypatch, mode, cache)
    _, whole = build(tmp_path / "whole", mode)
    monkeypatch.setenv("SEARCHKIT_HOME", str(two))
    killed(tmp_path / "cut", mode, home=two, n_left=whole.n_read // 2)
    built, rest = build(tmp_path / "cut", mode)
    assert 0 < rest.n_read <= whole.n_read / 2 + whole.most
    assert every_file(tmp_path / "cut") == every_file(tmp_path / "whole")
    stats = [segment.part("vectors").stats for segment in built.segments]
    assert sum(found["n_encoded"] for found in stats) == rest.n_read
    assert sum(found["n_resumed"] for found in stats) > 0


def test_an_addition_killed_half_way_adds_the_other_half(tmp_path, monkeypatch):
    two = homes(tmp_path, monkeypatch, "sentence", "64")
    build(tmp_path / "whole", "sentence", docs=corpus(300, start=8000))
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    _, whole = add(tmp_path / "whole", "sentence")
    monkeypatch.setenv("SEARCHKIT_HOME", str(two))
    killed(tmp_path / "cut", "sentence", home=two, verb="add", n_left=whole.n_read // 2)
    changed, rest = add(tmp_path / "cut", "sentence")
    stats = changed.segments[-1].part("vectors").stats
    assert stats["n_from_index"] > 0
    assert 0 < rest.n_read <= whole.n_read / 2 + whole.most
    assert every_file(tmp_path / "cut") == every_file(tmp_path / "whole")


def at_a_random_event(tmp_path, monkeypatch, seed):
    rng = np.random.default_rng(seed)
    mode, cache = rng.choice(MODES), rng.choice(CACHES)
    two = homes(tmp_path, monkeypatch, mode, cache)
    _, whole = build(tmp_path / "whole", mode)
    monkeypatch.setenv("SEARCHKIT_HOME", str(two))
    killed(tmp_path / "cut", mode, home=two, events=rng.integers(1, N_WRITES))
    n_kept = sum(len(np.load(path)) for path in (tmp_path / "cut").glob("shards/*.npy"))
    _, rest = build(tmp_path / "cut", mode)
    assert rest.n_read <= whole.n_read
    assert cache != "0" or rest.n_read == whole.n_read - n_kept
    assert every_file(tmp_path / "cut") == every_file(tmp_path / "whole")


@pytest.mark.parametrize("seed", range(2))
def test_a_build_killed_anywhere_ends_with_the_same_bytes(tmp_path, monkeypatch, seed):
    at_a_random_event(tmp_path, monkeypatch, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 20))
def test_builds_killed_anywhere_end_with_the_same_bytes(tmp_path, monkeypatch, seed):
    at_a_random_event(tmp_path, monkeypatch, seed)
