import subprocess
import sys

import pytest

from searchkit.retrieve import kernels
from searchkit.retrieve.kernels import Kernels

BELOW = """
from pathlib import Path
from searchkit.retrieve.kernels import Kernels
kernel = Kernels(sorted(Path(__file__).parent.glob("*_kernel.py")))

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


def run(folder):
    done = subprocess.run(
        [sys.executable, folder / "above_kernel.py"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_change_of_what_a_function_calls_compiles_it_anew(tmp_path):
    """numba alone goes on with what it compiled: the file of `twice` is the same."""
    (tmp_path / "above_kernel.py").write_text(ABOVE)
    (tmp_path / "__pycache__").mkdir()
    for added in (1, 5):
        (tmp_path / "below_kernel.py").write_text(BELOW.format(added))
        assert run(tmp_path) == [str(2 * added), "True", "1"]  # what was there before is removed


def test_what_is_compiled_lies_where_the_user_says_or_may_write(tmp_path, monkeypatch, home):
    source = tmp_path / "a_kernel.py"
    source.write_text("")
    assert Kernels([source]).folder.parent == tmp_path / "__pycache__"
    monkeypatch.setattr(kernels.os, "access", lambda path, mode: False)
    assert Kernels([source]).folder.parent == home / "kernels"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "named"))
    assert Kernels([source]).folder.parent == tmp_path / "named"
    assert not Kernels([source]).keeps("twice")


@pytest.mark.parametrize("function", ["walk_queries", "look_up"])
def test_the_kernel_of_bm25_is_kept(function):
    from searchkit.retrieve import bm25_segments_kernel

    assert getattr(bm25_segments_kernel, function).signatures
    assert kernels.kernel.keeps(function)
