import os
import shutil

import pytest

from searchkit.errors import DamagedIndex
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.collect import CommitOptions
from searchkit.index.generation import read
from searchkit.index.index import Index
from searchkit.types import Doc

HOUR_NS = 3600 * 10**9


def build(index, text="in a disc"):
    config = BuildConfig(replace=True, commit=CommitOptions(keep=1))
    return build_index(index, [Doc("a", "Water masers", text)], config)


def files(index, *, number=None):
    """Files of a generation that an open does not look into, but to hash them."""
    with Index.open(index, number=number) as found:
        return [index / name for name, _ in found.generation.files() if name.startswith("parts/")]


def age(paths):
    for path in paths:
        times = path.stat()
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns - HOUR_NS))


def hurt(path):
    """Turn a bit of a file, as a disk might: its time stays."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def is_trusted(index, path, **which):
    """Whether the index opens without a look into this file."""
    content, times = path.read_bytes(), path.stat()
    hurt(path)
    try:
        Index.open(index, **which).close()
    except DamagedIndex:
        return False
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return True


def test_a_file_that_was_hashed_is_not_hashed_again(tmp_path):
    build(tmp_path / "i")
    age(files(tmp_path / "i"))
    Index.open(tmp_path / "i").close()
    assert all(is_trusted(tmp_path / "i", path) for path in files(tmp_path / "i"))


def test_a_file_may_change_within_the_tick_in_which_it_was_hashed(tmp_path):
    """Its time would not tell: a file that has just been written is hashed at every open."""
    build(tmp_path / "i")
    Index.open(tmp_path / "i").close()
    assert not any(is_trusted(tmp_path / "i", path) for path in files(tmp_path / "i"))


def test_a_file_of_the_future_is_hashed_at_every_open(tmp_path):
    build(tmp_path / "i")
    path = files(tmp_path / "i")[0]
    os.utime(path, ns=(0, path.stat().st_mtime_ns + HOUR_NS))
    Index.open(tmp_path / "i").close()
    assert not is_trusted(tmp_path / "i", path)


def test_stamps_of_snapshots_stay_beside_those_of_the_live_generation(tmp_path):
    for text in ("one", "two"):
        build(tmp_path / "i", text)
    for number in (1, 2):
        age(files(tmp_path / "i", number=number))
        Index.open(tmp_path / "i", number=number).close()
    for number in (1, 2):
        paths = files(tmp_path / "i", number=number)
        assert all(is_trusted(tmp_path / "i", path, number=number) for path in paths)


def test_stamps_of_files_that_are_gone_go_with_them(tmp_path, home):
    for text in ("one", "two", "three"):
        build(tmp_path / "i", text)
        age(files(tmp_path / "i"))
        Index.open(tmp_path / "i").close()
    [stamps] = (home / "stamps").iterdir()
    assert all(part.hash in stamps.read_text() for part in read(tmp_path / "i").segments[0].parts)
    assert stamps.read_text().count("/terms.arrow") == 2


@pytest.mark.parametrize("harm", [b"", b"\0" * 100, b"[1]", b'{"segments/'])
def test_damaged_stamps_cost_time_alone(tmp_path, home, harm):
    build(tmp_path / "i")
    age(files(tmp_path / "i"))
    Index.open(tmp_path / "i").close()
    [stamps] = (home / "stamps").iterdir()
    stamps.write_bytes(harm)
    Index.open(tmp_path / "i").close()


def test_a_home_that_cannot_be_written_costs_time_alone(tmp_path, home):
    shutil.rmtree(home)
    home.write_text("a file")
    build(tmp_path / "i")
    assert files(tmp_path / "i")
