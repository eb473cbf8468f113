"""Eight processes read while one commits without a pause: none may see half a generation."""

import json
import subprocess
import sys
from collections import Counter

import pytest

N_READERS = 8

# one interpreter that forks its readers: nine imports would be most of the work
READERS_AND_WRITER = """
import json, os, random, sys, traceback
from pathlib import Path
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.collect import CommitOptions
from searchkit.index.index import Index
from searchkit.index.snapshots import list_snapshots
from searchkit.types import Doc

path, n_readers, n_commits = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def docs(number):
    return [Doc(f"{number}-{n}", f"title {n}", "word " * number) for n in range(1 + number % 7)]

def commit(number):
    config = BuildConfig(replace=True, commit=CommitOptions(keep=number % 3))
    assert build_index(path, docs(number), config).number == number

def check(index):
    number = index.generation.number
    assert list(index) == docs(number), number
    [(_, postings)] = index.postings  # opened late, as a search does
    lengths = postings.lengths[1].tolist()
    assert lengths == [number] * len(index), (number, lengths)
    return number

def read(seed):
    chance, seen, n_opens, n_snapshots, number = random.Random(seed), set(), 0, 0, 0
    while number < n_commits:
        with Index.open(path) as live:
            number = check(live)
            n_opens += 1
            seen.add(number)
            others = list_snapshots(path, live.generation)[1:]
            if others and chance.random() < 0.5:
                try:
                    with Index.open(path, number=chance.choice(others).number) as old:
                        check(old)
                        n_snapshots += 1
                except Exception as gone:
                    assert "has no generation" in str(gone), gone  # a commit let it go
    return {"opens": n_opens, "generations": len(seen), "snapshots": n_snapshots}

commit(1)
children = set()
for seed in range(n_readers):
    child = os.fork()
    if not child:
        try:
            os.write(1, json.dumps(read(seed)).encode() + b"\\n")
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    children.add(child)
for number in range(2, n_commits + 1):
    commit(number)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def readers_under_a_writer(index, *, n_commits):
    """What the readers did, added up."""
    command = [sys.executable, "-c", READERS_AND_WRITER, index, str(N_READERS), str(n_commits)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    counts = Counter()
    for line in ran.stdout.splitlines():
        counts.update(json.loads(line))
    return counts


def test_eight_readers_under_a_writer_see_only_whole_generations(tmp_path):
    counts = readers_under_a_writer(tmp_path / "i", n_commits=10)
    assert counts["opens"] > counts["generations"] > N_READERS  # they saw it change


@pytest.mark.soak
def test_eight_readers_under_a_writer_for_long(tmp_path):
    counts = readers_under_a_writer(tmp_path / "i", n_commits=400)
    sys.stdout.write(f"\n8 readers, 400 commits: {dict(counts)}, 0 half-visible states\n")
