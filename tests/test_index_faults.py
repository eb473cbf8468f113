"""The disk refuses: a sentence each, the old generation readable, and the next writer succeeds."""

import builtins
import errno
import io
import os
import random
import resource
import sys
from collections import Counter
from contextlib import contextmanager, suppress

import pytest
from cli_sample import invoke
from kill_writers import next_writer, state
from power_cut import OPERATIONS
from test_index_power import COMMITS
from vector_parts import part_of, vectors_of

from searchkit import sample
from searchkit.cli.sentences import sentence
from searchkit.errors import StorageError
from searchkit.index import disk
from searchkit.index.ann import write_ann
from searchkit.index.ann_choice import AnnForm

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
FREE = ("unlink", "remove", "rmdir")  # what a full disk does not refuse


class Faults:
    """Calls to the system from the nth on fail with an error number, once or for good."""

    def __init__(self, *, at=None, number=0, for_good=False):
        self.n_calls, self._at, self._number, self._for_good = 0, at, number, for_good

    def watch(self, name, call, applies=lambda *args: True):
        def watched(*args, **options):
            if applies(*args):
                self.n_calls += 1
                self._fail(name, args[0])
            return call(*args, **options)

        return watched

    def _fail(self, name, path):
        if self._at is None or self.n_calls < self._at:
            return
        if (self.n_calls > self._at and not self._for_good) or (
            name in FREE and self._number in FULL
        ):
            return
        raise OSError(
            self._number,
            os.strerror(self._number),
            str(path) if isinstance(path, os.PathLike) else None,
        )

    @contextmanager
    def injected(self, monkeypatch):
        with monkeypatch.context() as patch:
            for name in OPERATIONS:
                patch.setattr(os, name, self.watch(name, getattr(os, name)))
            for module in (io, builtins):
                patch.setattr(module, "open", self.watch("open", open, _writes))
            yield self


def _writes(path, mode="r", *_):
    return any(letter in mode for letter in "wax+")


@contextmanager
def file_limit(n_bytes):
    """No file grows beyond so many bytes: a write is cut short, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refused(index, commit, fault):
    """Do the commit under a fault, and hold what is there against what was said."""
    then, said = state(index), ""
    with fault:
        try:
            commit(index)
        except StorageError as error:
            said = sentence(error)
    found = state(index)
    if said:
        assert ("Nothing was committed." in said) == (found == then), said
    else:
        assert found != then  # the fault came after the commit, or not at all
    if found == then:
        commit(index)
    assert state(index) != then
    next_writer(index)
    return "refused" if said and found == then else "committed"


def n_calls_of(name, folder, monkeypatch):
    before, commit = COMMITS[name]
    before(folder / "i")
    with Faults().injected(monkeypatch) as counter:
        commit(folder / "i")
    return counter.n_calls


def fault_everywhere(name, tmp_path, monkeypatch, *, seed, most=None):
    before, commit = COMMITS[name]
    chance, counts = random.Random(seed), Counter()
    calls = range(1, n_calls_of(name, tmp_path / "count", monkeypatch) + 1)
    for at in calls if most is None else chance.sample(calls, most):
        index = tmp_path / str(at) / "i"
        before(index)
        number, for_good = chance.choice(FULL + REFUSED), chance.random() < 0.5
        fault = Faults(at=at, number=number, for_good=for_good).injected(monkeypatch)
        counts[refused(index, commit, fault)] += 1
    return counts


def cut_short(name, tmp_path, *, seed, n):
    before, commit = COMMITS[name]
    chance, counts = random.Random(seed), Counter()
    for one in range(n):
        index = tmp_path / f"short{one}" / "i"
        before(index)
        counts[refused(index, commit, file_limit(chance.randint(0, 3000)))] += 1
    return counts


@pytest.mark.parametrize("name", COMMITS)
def test_a_disk_that_refuses_is_a_sentence(name, tmp_path, monkeypatch):
    assert fault_everywhere(name, tmp_path, monkeypatch, seed=1, most=2)
    assert cut_short(name, tmp_path, seed=1, n=1)


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMITS)
def test_a_disk_that_refuses_at_every_call(name, tmp_path, monkeypatch):
    faults = fault_everywhere(name, tmp_path, monkeypatch, seed=0)
    short = cut_short(name, tmp_path, seed=0, n=20)
    sys.stdout.write(f"\nfaults in {name}: {dict(faults)}, writes cut short: {dict(short)}\n")


def test_a_file_that_cannot_grow_ends_a_command_in_one_line(tmp_path):
    arguments = ["index", sample.corpus_path(), "--out", tmp_path / "i", "--lexical-only"]
    for limit in (0, 100, 2_000, 20_000):
        with file_limit(limit):
            result = invoke(*arguments)
        assert result.exit_code == 1
        last = result.stderr.splitlines()[-1]
        assert last.startswith("searchkit: ")
        assert "Nothing was committed." in last
        assert not (tmp_path / "i").exists()
    assert invoke(*arguments).exit_code == 0


def test_an_ann_that_finds_no_room_is_a_sentence(tmp_path):
    part = part_of(vectors_of(200)).vectors
    said = pytest.raises(StorageError, match=r"a file was cut short\. Free some space")
    with said, disk.storage_errors(tmp_path), file_limit(1000):
        write_ann(tmp_path, part, form=AnnForm(kind="hnsw"), progress=lambda done, total: None)


def test_a_name_that_the_disk_could_not_confirm_is_said(tmp_path, monkeypatch):
    """CURRENT has moved on, but not for certain: the old generation is not what is there."""
    before, commit = COMMITS["replace"]
    before(tmp_path / "i")
    then, real = state(tmp_path / "i"), os.fsync

    def fsync(descriptor):
        if os.path.samestat(os.fstat(descriptor), (tmp_path / "i").stat()):
            with suppress(ValueError, AssertionError):
                assert (tmp_path / "i" / "CURRENT").read_text().startswith("000001")
                return real(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match="generation 2 is there, but the disk did not confirm"):
        commit(tmp_path / "i")
    assert state(tmp_path / "i") != then
