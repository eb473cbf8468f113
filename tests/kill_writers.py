"""kill_writers.py FOLDER N SEED: kill writers at random instants, print what was found as JSON.

Every writer is a fork of this process, which does nothing but fork: an interpreter of its own
would be most of the work.
"""

import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as _pandas  # noqa: F401 - pyarrow would import it in every fork anew
import scipy.sparse as _sparse  # noqa: F401 - and an inversion this
from power_cut import OPERATIONS
from test_index_power import COMMITS, seen

from searchkit.index import generation as generations
from searchkit.index.change import delete_rows
from searchkit.index.generation import path_of


def forked(work, *, kill_after_s=None):
    """What `work` returns in a process of its own; None where that was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            try:
                os.write(writer, json.dumps(work()).encode())
                os._exit(0)
            except BaseException:
                traceback.print_exc()
        os._exit(1)
    os.close(writer)

    def kill(*_):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.setitimer(signal.ITIMER_REAL, kill_after_s or 0)
    status = os.waitpid(child, 0)[1]
    signal.setitimer(signal.ITIMER_REAL, 0)
    with os.fdopen(reader, "rb") as file:
        said = file.read()
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert status == 0, "a writer failed"
    return json.loads(said)


def dying(work, n_operations):
    """The work, killed right before or after one of its calls to the system."""

    def watched(call):
        def counted(*args, **options):
            nonlocal n_operations
            n_operations -= 1
            if n_operations == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return counted

    def until_dead():
        for name in OPERATIONS:
            setattr(os, name, watched(getattr(os, name)))
        return work()

    return until_dead


def n_operations_of(work):
    """How often the work calls the system."""
    n_calls = 0

    def counted(call):
        def count(*args, **options):
            nonlocal n_calls
            n_calls += 1
            return call(*args, **options)

        return count

    def counting():
        for name in OPERATIONS:
            setattr(os, name, counted(getattr(os, name)))
        work()
        return n_calls

    return forked(counting)


def state(index):
    """What tells a generation from another; `written` does not."""
    found = seen(index)
    return None if found is None else [found.fingerprint, found.n_docs, str(found.pipeline)]


def next_writer(index):
    """Another commit succeeds, and leaves nothing behind that no generation names."""
    n_docs = seen(index).n_docs
    live = delete_rows(index, _first).generation
    assert live.n_docs == n_docs - 1
    kept = [live, *(generations.read_generation(path_of(index, int(n))) for n in live.snapshots)]
    segments = [segment for one in kept for segment in one.segments]
    needed = {one.folder for segment in segments for one in (segment, *segment.parts)}
    folders = [*index.glob("segments/*"), *index.glob("parts/*/*")]
    assert {str(folder.relative_to(index)) for folder in folders} == needed
    assert not (index / "drafts").exists()


@dataclass
class Trial:
    """One kind of commit, killed again and again."""

    root: Path
    before: Callable
    commit: Callable
    chance: random.Random

    def prepare(self):
        (self.root / "then").mkdir(parents=True)
        self.then = forked(partial(self._seen_after, self.before, self.root / "then" / "i"))
        shutil.copytree(self.root / "then", self.root / "now")
        begin = perf_counter()
        self.n_operations = n_operations_of(partial(self.commit, self.root / "now" / "i"))
        self.took_s = perf_counter() - begin
        self.now = forked(partial(state, self.root / "now" / "i"))
        assert self.then != self.now

    def kill(self, n):
        """Whether the writer was killed, and whether its commit was there then."""
        shutil.copytree(self.root / "then", self.root / str(n))
        index = self.root / str(n) / "i"
        done = partial(self._seen_after, self.commit, index)
        if n % 2:
            after_s = self.chance.uniform(1e-3, self.took_s)
            reported = forked(done, kill_after_s=after_s) is not None
        else:
            at = self.chance.randint(1, self.n_operations)
            reported = forked(dying(done, at)) is not None
        was_there = forked(partial(self._after, index))
        assert was_there or not reported, "a commit that was reported is lost"
        shutil.rmtree(self.root / str(n))
        return not reported, was_there

    def _seen_after(self, work, index):
        work(index)
        return state(index)

    def _after(self, index):
        """Whether the commit was there; the index is whole, and the next writers succeed."""
        found = state(index)
        assert found in (self.then, self.now), found
        if found == self.then:
            self.commit(index)
            assert state(index) == self.now
        next_writer(index)
        return found == self.now


def _first(index):
    return np.array([0]) if index.alive is None else np.flatnonzero(index.alive)[:1]


def main(folder, n_kills, seed):
    """The kills go round all kinds of commits."""
    counts, chance = dict.fromkeys(("kills", "old", "new", "survived"), 0), random.Random(seed)
    trials = [Trial(folder / name.replace(" ", "-"), *c, chance) for name, c in COMMITS.items()]
    for n in range(n_kills):
        trial = trials[n % len(trials)]
        if n < len(trials):
            trial.prepare()
        killed, was_there = trial.kill(n // len(trials) + n)
        counts["kills" if killed else "survived"] += 1
        counts["new" if was_there else "old"] += killed
    return counts


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201
