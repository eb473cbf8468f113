import subprocess
import sys
from importlib.metadata import version

from searchkit.evaluate import machine


def git(folder, *arguments):
    name = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_machine_is_named_and_counted():
    found = machine.machine()
    assert found["cores"] >= 1
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))


def test_packages_that_are_not_installed_have_no_version():
    assert machine.versions(["numpy", "no-such-package"]) == {"numpy": version("numpy")}


def test_the_commit_is_that_of_the_checkout_which_tracks_the_folder(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "kept").write_text("1")
    git(tmp_path, "add", "kept")
    git(tmp_path, "commit", "-m", "first")
    clean = machine.commit(tmp_path)
    assert clean
    (tmp_path / "kept").write_text("2")
    assert machine.commit(tmp_path) == f"{clean}-dirty"
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "installed.py").write_text("")
    assert machine.commit(tmp_path / "environment") == ""


def test_the_peak_of_a_process_is_its_own_not_its_parents():
    held = bytearray(200 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    code = "from searchkit.evaluate.machine import peak_bytes; print(peak_bytes())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert machine.peak_bytes() > len(held)
    assert 0 < int(child.stdout) < len(held)
