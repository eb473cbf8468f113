import os
import shutil
import subprocess
import sys

import pytest

from searchkit.models import telling
from searchkit.retrieve import kernels
from searchkit.retrieve.kernels import Kernels

BELOW = """
from pathlib import Path
from searchkit.retrieve.kernels import Kernels
kernel = Kernels(Path(__file__).parent, "*_kernel.py")

@kernel("i8(i8)")
def step(n):
    return n + {}
"""
ABOVE = """
from below_kernel import kernel, step

@kernel("i8(i8)")
def twice(n):
    return step(step(n))

if __name__ == "__main__":
    print(twice(0), kernel.keeps("twice"), len(list(kernel.folder.parent.glob("kernels-*"))))
"""


@pytest.fixture
def sources(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "above_kernel.py").write_text(ABOVE)
    (folder / "below_kernel.py").write_text(BELOW.format(1))
    return folder


def run(folder, **environment):
    command = [sys.executable, folder / "above_kernel.py"]
    given = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=given).stdout


def test_a_change_of_what_a_function_calls_compiles_it_anew(sources):
    """numba alone goes on with what it compiled: the file of `twice` is the same."""
    for added in (1, 5):
        (sources / "below_kernel.py").write_text(BELOW.format(added))
        assert run(sources) == f"{2 * added} True 1\n"  # what was there before is removed


def test_installations_that_share_a_folder_leave_each_other_alone(sources, tmp_path):
    other = shutil.copytree(sources, tmp_path / "other")
    (other / "below_kernel.py").write_text(BELOW.format(2))
    shared = {"NUMBA_CACHE_DIR": str(tmp_path / "shared")}
    assert run(sources, **shared) == "2 True 1\n"
    assert run(other, **shared) == "4 True 2\n"
    assert run(sources, **shared) == "2 True 2\n"


def test_what_cannot_be_kept_runs_all_the_same_and_says_so(sources, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(telling, "listeners", [said.append])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "in"))
    kernel = Kernels(sources, "*_kernel.py")
    assert [kernel("i8(i8)")(lambda n: n + 1)(n) for n in (1, 2)] == [2, 3]
    (sentence,) = said
    assert "cannot be written (Not a directory), so that BM25 is compiled at every" in sentence


def test_what_is_compiled_lies_where_the_user_says_or_may_write(sources, monkeypatch, home):
    def folder():
        return Kernels(sources, "*_kernel.py").folder

    assert folder().parent == sources / "__pycache__"
    monkeypatch.setattr(kernels.os, "access", lambda path, mode: False)
    assert folder().parent == home / "kernels"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(home / "named"))
    assert folder().parent == home / "named"
    assert not Kernels(sources, "*_kernel.py").keeps("twice")


@pytest.mark.parametrize("function", ["walk_queries", "look_up"])
def test_the_kernel_of_bm25_is_kept(function):
    from searchkit.retrieve import bm25_segments_kernel

    assert getattr(bm25_segments_kernel, function).signatures
    assert kernels.kernel.keeps(function)
