import shutil

import pytest

from searchkit.models.fingerprint import fingerprint, shaping_files

SETTINGS = {"pooling": "mean", "max_tokens": 256, "query_prompt": None}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "vocab.txt").write_text("the\n")
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "README.md").write_text("a card")
    return folder


def test_a_copy_under_another_name_keeps_its_fingerprint(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    (copy / "README.md").write_text("another card")
    (copy / "LICENSE.txt").write_text("take it")
    (copy / ".cache").mkdir()
    (copy / ".cache" / "state.json").write_text("{}")
    assert fingerprint(copy, SETTINGS) == fingerprint(folder, SETTINGS)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt", "1_Pooling/config.json"])
def test_a_change_of_any_shaping_file_changes_it(folder, name):
    before = fingerprint(folder, SETTINGS)
    (folder / name).write_bytes(b"another")
    assert fingerprint(folder, SETTINGS) != before


def test_a_file_that_moves_changes_it(folder):
    before = fingerprint(folder, SETTINGS)
    (folder / "vocab.txt").rename(folder / "words.txt")
    assert fingerprint(folder, SETTINGS) != before


@pytest.mark.parametrize("change", [{"pooling": "cls"}, {"max_tokens": 512}, {"query_prompt": ""}])
def test_every_setting_counts(folder, change):
    assert fingerprint(folder, {**SETTINGS, **change}) != fingerprint(folder, SETTINGS)


def test_the_order_of_settings_does_not_count(folder):
    backwards = dict(reversed(SETTINGS.items()))
    assert fingerprint(folder, backwards) == fingerprint(folder, SETTINGS)


def test_files_come_by_relative_path(folder):
    names = [path.relative_to(folder).as_posix() for path in shaping_files(folder)]
    assert names == ["1_Pooling/config.json", "model.safetensors", "vocab.txt"]
