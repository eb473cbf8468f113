"""One bit of an index turned by a disk: refused by name, and never a crash."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bit_flips import files_of

from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import delete_rows
from searchkit.index.collect import CommitOptions
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.vectors import VectorConfig
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc

MANY = 1000
WORDS = "dark matter bends light, old bones heal slowly and crystals grow in salt".split()


@pytest.fixture
def index(tmp_path):
    """Every kind of file: two segments with metadata, sentences, graphs, deletions, a snapshot."""
    docs = [
        Doc(f"d{n}", WORDS[n % 5], ". ".join(WORDS[n % 7 : 3 + n % 11]), {"year": 1990 + n})
        for n in range(40)
    ]
    dense = [DenseChoice(HashEncoder(), VectorConfig(passages="sentence"))]
    config = BuildConfig(dense=dense, ann=AnnConfig(kind="hnsw"), segment_docs=25)
    build_index(tmp_path / "x", docs, config)
    gone = np.array([3, 8, 30])
    delete_rows(tmp_path / "x", lambda opened: gone, commit=CommitOptions(keep=1))
    for path in (tmp_path / "x").rglob("*"):
        os.utime(path, (0, 0))  # old enough for a stamp
    return tmp_path / "x"


def flips(index, n, seed):
    """What a process of its own says to n turned bits; it must live to the end."""
    script = Path(__file__).with_name("bit_flips.py")
    run = [sys.executable, str(script), str(index), str(n), str(seed)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == n
    return said


def is_snapshot(name, index):
    return name == files_of(index)[2]


def check(index, said):
    """verify --full names every one; a first open names all that it reads."""
    assert [one for one in said if not one["verify"]] == []
    unseen = [one for one in said if not one["open"]]
    assert all(is_snapshot(one["file"], index) for one in unseen)


def test_a_turned_bit_is_refused_by_name(index):
    check(index, flips(index, MANY // 10, seed=5))


@pytest.mark.soak
def test_turned_bits_of_every_file_are_refused_by_name(index):
    said = flips(index, MANY, seed=7)
    check(index, said)
    by_file = Counter(one["file"] for one in said)
    assert set(by_file) == set(files_of(index))
    print(f"\n{len(said)} bits in {len(by_file)} files: each named, no crash")  # noqa: T201
