"""Writers are killed at random instants: no commit is lost, no index is left half there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def kill_writers(folder, *, n_kills, seed):
    command = [sys.executable, Path(__file__).with_name("kill_writers.py"), folder]
    command += [str(n_kills), str(seed)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_killed_writer_leaves_the_old_generation_or_the_new_one(tmp_path):
    counts = kill_writers(tmp_path, n_kills=20, seed=2)
    assert counts["kills"] > 10


@pytest.mark.soak
def test_writers_killed_for_long(tmp_path):
    counts = kill_writers(tmp_path, n_kills=300, seed=0)
    assert counts["kills"] >= 200
    assert counts["new"] > 0  # some died between their commit and their end
    found = "0 lost commits, 0 unreadable indexes, 0 half-visible states"
    sys.stdout.write(f"\nkill -9: {counts}, {found}\n")
