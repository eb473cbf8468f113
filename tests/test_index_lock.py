import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from searchkit.errors import DamagedIndex, FormatError, StorageError
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.generation import CURRENT, current, path_of, read
from searchkit.index.index import Index
from searchkit.index.lock import hold, refuse_other, remove_unheld, writing
from searchkit.index.writer import changing
from searchkit.types import Doc

DOCS = [Doc("a", "Water masers", "in a disc"), Doc("b", "A title", "")]

HOLD = """
import sys
from pathlib import Path
from searchkit.index.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = """
import sys
from pathlib import Path
from searchkit.index.lock import writing
try:
    with writing(Path(sys.argv[1]), wait=True, told=lambda said: print(said, flush=True)):
        print("mine", flush=True)
except KeyboardInterrupt:
    print("interrupted")
"""
BUILD = """
import sys
from pathlib import Path
from searchkit.errors import StorageError
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.collect import CommitOptions
from searchkit.types import Doc
commit = CommitOptions(wait=True, told=lambda said: print(said, flush=True))
try:
    build_index(Path(sys.argv[1]), [Doc("z", "", "")], BuildConfig(commit=commit))
except StorageError as error:
    print(error)
"""


@pytest.fixture
def index(tmp_path):
    build_index(tmp_path / "i", DOCS, BuildConfig())
    return tmp_path / "i"


def started(code, index):
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, str(index)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def rebuilt(index, docs=DOCS):
    return build_index(index, docs, BuildConfig(replace=True))


def test_a_second_writer_waits_where_it_is_told_to(index):
    with started(HOLD, index) as first:
        assert first.stdout.readline() == "held\n"
        with started(WAIT, index) as second:
            said = second.stdout.readline()
            assert f"is being written by -c, process {first.pid}: waiting for it." in said
            first.communicate("")
            assert second.communicate()[0] == "mine\n"


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["bin/searchkit", "add", "i", "x.jsonl"], "searchkit add"),
        (["lib/searchkit/__main__.py", "--debug", "add", "i"], "searchkit add"),
        (["lib/other/__main__.py", "add"], "__main__.py"),
        (["work.py", "secret"], "work.py"),
        ([""], "python"),
    ],
)
def test_a_writer_is_named_by_what_was_called(index, monkeypatch, argv, name):
    monkeypatch.setattr(sys, "argv", argv)
    with writing(index):
        told = re.escape(f"{index} is being written by {name}, process {os.getpid()}. Wait for it")
        with pytest.raises(StorageError, match=f"{told}, or stop it"), writing(index):
            pass
        with pytest.raises(StorageError, match=f"{told} with --wait"), changing(index):
            pass
        with pytest.raises(StorageError, match=f"{told} with --wait"):
            refuse_other(index)
    refuse_other(index)


def test_a_build_that_waited_replaces_no_index_unasked(index, tmp_path):
    """The writer before it has built one while it waited."""
    with started(HOLD, tmp_path / "new") as first:
        first.stdout.readline()
        with started(BUILD, tmp_path / "new") as second:
            assert "waiting for it" in second.stdout.readline()
            (index / "lock").unlink()
            shutil.copytree(index, tmp_path / "new", dirs_exist_ok=True)
            first.communicate("")
            assert "Add --replace to build it anew" in second.communicate()[0]
    with Index.open(tmp_path / "new") as found:
        assert list(found) == DOCS


def test_a_lock_that_leads_nowhere_is_a_sentence(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "no" / "where")
    with pytest.raises(StorageError, match="Is it a link to nowhere"), writing(tmp_path):
        pass


def test_ctrl_c_ends_the_wait(index):
    with started(HOLD, index) as first:
        first.stdout.readline()
        with started(WAIT, index) as second:
            second.stdout.readline()
            second.send_signal(signal.SIGINT)
            assert second.communicate()[0] == "interrupted\n"
        first.communicate("")


def test_a_writer_that_waited_for_one_that_failed_has_a_lock_that_holds(tmp_path):
    """The first takes the folder away that it made, and the name of the lock with it."""
    with started(HOLD + "    raise SystemExit", tmp_path / "i") as first:
        first.stdout.readline()
        with started(WAIT, tmp_path / "i") as second:
            second.stdout.readline()
            first.communicate("")
            assert second.communicate()[0] == "mine\n"
    assert (tmp_path / "i" / "lock").exists()


def test_a_held_generation_is_kept_and_one_that_is_let_go_is_removed(index):
    held = hold(path_of(index, 1))
    assert not remove_unheld(path_of(index, 1))
    held.close()
    assert remove_unheld(path_of(index, 1))
    assert hold(path_of(index, 1)) is None


def test_a_reader_that_comes_too_late_for_a_file_takes_the_next_generation(index):
    """The file is opened, collected, and only then locked: what is locked has no name any more."""

    class Late(type(index)):
        def open(self, *args, **options):
            file = super().open(*args, **options)
            rebuilt(index, DOCS[:1])
            return file

    assert hold(Late(path_of(index, 1))) is None
    with Index.open(index) as found:
        assert found.generation.number == 2


def test_current_that_moves_on_is_read_again(index):
    """A writer commits and collects between the two files that a reader looks at."""

    class Overtaken(type(index)):
        n_reads = 0

        def open(self, *args, **options):
            file = super().open(*args, **options)
            if self.name == CURRENT and Overtaken.n_reads < 3:
                Overtaken.n_reads += 1
                rebuilt(index, DOCS[:1])
            return file

    found = read(Overtaken(index))
    assert found.number == read(index).number == 4


def test_a_missing_generation_is_damage(index):
    path_of(index, 1).unlink()
    with pytest.raises(DamagedIndex, match="is missing"):
        read(index)


def test_a_generation_of_the_future_that_is_held_loses_no_file(index):
    """What it names is unknown here: as long as it is open all folders stay."""
    before = set(index.glob("[sp]*/**/*"))
    path = path_of(index, 1)
    path.write_text('{"format": 99}')
    with hold(path):
        rebuilt(index, DOCS[:1])
        assert before <= set(index.glob("[sp]*/**/*"))
    rebuilt(index, DOCS[:1])
    assert not before <= set(index.glob("[sp]*/**/*"))


def test_what_cannot_be_collected_undoes_no_commit(index):
    """A folder lies where a generation file is expected: it can be neither opened nor removed."""
    path_of(index, 7).mkdir()
    assert rebuilt(index, DOCS[:1]).number == 8
    assert read(index).n_docs == 1


def test_a_folder_that_cannot_be_written_can_be_searched(index):
    for path in [*index.rglob("*"), index]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with Index.open(index) as found:
        assert list(found) == DOCS
    index.chmod(0o755)


def test_no_index_is_no_damage(tmp_path):
    with pytest.raises(FormatError, match="there is no index here"):
        current(tmp_path / "i")
    with pytest.raises(FormatError, match="is a file, and an index is a folder"):
        current(Path(__file__))
