import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import CorpusError, DamagedIndex, FormatError, QueryError, StorageError
from searchkit.index import disk, lexical, stamps
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.generation import CURRENT, commit, path_of, read
from searchkit.index.index import Index
from searchkit.index.lock import writing
from searchkit.types import Doc

DOCS = [
    Doc("a", "Water masers in a disc", "They orbit a black hole.", {"year": 1995, "tags": ["x"]}),
    Doc("b", "", "An abstract without a title", {}),
    Doc("c", "A title alone", "", {"year": 2001, "venue": "Letters"}),
    Doc(
        "d", "Unicode Ω ünï", "\u0627\u0644\u0646\u062c\u0648\u0645 and \U0001f52d", {"year": 2020}
    ),
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
corpora = st.lists(
    st.tuples(texts, texts, st.dictionaries(st.sampled_from("xy"), st.integers(0, 9)))
)


def build(folder, docs=DOCS, **config):
    return build_index(folder, docs, BuildConfig(**config))


def every_byte(index):
    return {
        str(p.relative_to(index)): p.read_bytes()
        for root in ("segments", "parts")
        for p in sorted((index / root).rglob("*"))
        if p.is_file()
    }


@settings(deadline=None, max_examples=30)
@given(corpora.filter(len))
def test_what_was_fed_in_is_read_back(tmp_path_factory, rows):
    docs = [Doc(str(n), title, text, meta) for n, (title, text, meta) in enumerate(rows)]
    folder = tmp_path_factory.mktemp("index") / "i"
    build(folder, docs)
    with Index.open(folder) as index:
        assert list(index) == [index[row] for row in range(len(index))] == docs
        assert [doc.meta for doc in index] == [doc.meta for doc in docs]
        assert [index.row(doc.id) for doc in docs] == list(range(len(docs)))


def test_the_same_documents_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        build(tmp_path / name)
    assert every_byte(tmp_path / "one") == every_byte(tmp_path / "two")


def test_segments_hold_the_documents_in_order(tmp_path):
    docs = [Doc(str(n), f"title {n}", "text", {"n": n}) for n in range(2500)]
    generation = build(tmp_path / "i", docs, segment_docs=1024)
    assert [segment.n_docs for segment in generation.segments] == [1024, 1024, 452]
    with Index.open(tmp_path / "i") as index:
        assert list(index) == docs
        assert index.table["n"].to_pylist() == list(range(2500))
        assert index[2400].meta == {"n": 2400}


def test_the_table_of_metadata_has_ids_titles_and_types(tmp_path):
    build(tmp_path / "i")
    with Index.open(tmp_path / "i") as index:
        assert index.table["year"].to_pylist() == [1995, None, 2001, 2020]
        assert index.table["id"].to_pylist() == ["a", "b", "c", "d"]
        with pytest.raises(QueryError, match="there is no document 'z'"):
            index.row("z")


def test_an_index_is_replaced_only_on_request(tmp_path):
    build(tmp_path / "i")
    with pytest.raises(StorageError, match="Add --replace"):
        build(tmp_path / "i")
    with Index.open(tmp_path / "i") as old:
        build(tmp_path / "i", DOCS[:2], replace=True)
        assert [doc.id for doc in old] == ["a", "b", "c", "d"]
        with Index.open(tmp_path / "i") as fresh:
            assert [doc.id for doc in fresh] == ["a", "b"]
            assert fresh.generation.number == 2
        assert len(list((tmp_path / "i" / "segments").iterdir())) == 2  # a reader holds the old
    build(tmp_path / "i", DOCS[:1], replace=True)
    assert len(list((tmp_path / "i" / "segments").iterdir())) == 1
    assert len(list((tmp_path / "i" / "generations").iterdir())) == 1


def test_a_folder_of_other_things_never_becomes_an_index(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StorageError, match="holds other files"):
        build(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failed_build_takes_the_folders_away_that_it_made(tmp_path):
    with pytest.raises(CorpusError):
        build(tmp_path / "some" / "where", [])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(CorpusError):
        build(tmp_path / "mine" / "i", [])
    assert list((tmp_path / "mine").iterdir()) == []
    with pytest.raises(CorpusError):
        build(tmp_path / "mine", [])
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["lock"]  # it was there before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_build_leaves_the_old_index_or_none(tmp_path, error):
    def broken():
        yield from DOCS
        raise error

    with pytest.raises(error):
        build_index(tmp_path / "i", broken(), BuildConfig())
    with pytest.raises(FormatError, match="there is no index here"):
        Index.open(tmp_path / "i")
    build(tmp_path / "i")
    before = every_byte(tmp_path / "i")
    with pytest.raises(error):
        build_index(tmp_path / "i", broken(), BuildConfig(replace=True))
    assert every_byte(tmp_path / "i") == before
    assert not (tmp_path / "i" / "drafts").exists()


def test_an_index_that_lost_current_is_no_place_for_a_new_one(tmp_path):
    index = tmp_path / "i"
    build(index)
    (index / CURRENT).unlink()
    before = every_byte(index)
    with pytest.raises(DamagedIndex, match=r"CURRENT: is missing.* searchkit repair"):
        Index.open(index)
    with pytest.raises(DamagedIndex, match=r"CURRENT: is missing.* searchkit repair"):
        build(index)
    assert every_byte(index) == before
    assert build(index, replace=True).number == 2


def test_a_first_commit_that_was_cut_short_is_no_lost_index(tmp_path, monkeypatch):
    index, whole = tmp_path / "i", disk.replace

    def cut(path, content):
        if path.name == CURRENT:
            raise KeyboardInterrupt
        whole(path, content)

    monkeypatch.setattr(disk, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        build(index)
    monkeypatch.undo()
    with pytest.raises(FormatError, match="there is no index here"):
        Index.open(index)
    assert build(index).n_docs == len(DOCS)


def test_a_file_is_said_to_be_no_index(tmp_path):
    (tmp_path / "x").write_text("y")
    with pytest.raises(FormatError, match="is a file, and an index is a folder"):
        Index.open(tmp_path / "x")


def test_a_changed_generation_is_refused(tmp_path):
    build(tmp_path / "i")
    path = path_of(tmp_path / "i", 1)
    path.write_text(path.read_text().replace('"about"', '"disc"'))
    with pytest.raises(DamagedIndex, match="does not fit CURRENT"):
        Index.open(tmp_path / "i")


@pytest.mark.parametrize("harm", ["", "{", '{"format": 99}'])
def test_an_index_that_cannot_be_read_can_be_replaced(tmp_path, harm):
    build(tmp_path / "i")
    path_of(tmp_path / "i", 1).write_text(harm)
    build(tmp_path / "i", replace=True)
    with Index.open(tmp_path / "i") as index:
        assert list(index) == DOCS


def test_rebuilding_the_same_corpus_never_moves_what_is_live(tmp_path):
    build(tmp_path / "i")
    before = {p: p.stat().st_ino for p in (tmp_path / "i" / "parts").rglob("*.npy")}
    build(tmp_path / "i", replace=True)
    assert {p: p.stat().st_ino for p in (tmp_path / "i" / "parts").rglob("*.npy")} == before


def test_a_damaged_part_is_written_anew_by_a_rebuild(tmp_path):
    build(tmp_path / "i")
    hurt = next((tmp_path / "i" / "parts").rglob("rows.npy"))
    hurt.write_bytes(b"hurt")
    build(tmp_path / "i", replace=True)
    with Index.open(tmp_path / "i") as index:
        assert list(index) == DOCS


def test_an_empty_corpus_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="holds no document"):
        build(tmp_path / "i", [])


def test_a_second_writer_is_told_who_writes(tmp_path):
    with writing(tmp_path / "i"), pytest.raises(StorageError, match=r"written by .*process \d+"):
        build(tmp_path / "i")


KILLED = """
import os, sys
from pathlib import Path
from searchkit.index.build import BuildConfig, build_index
from searchkit.types import Doc
def docs():
    for n in range(20000):
        if n == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
        yield Doc(str(n), f"title {n}", "text")
build_index(Path(sys.argv[1]), docs(), BuildConfig(replace=True))
"""


@pytest.mark.parametrize("at", [1, 9000, 19_999])
def test_a_killed_build_leaves_the_old_index(tmp_path, at):
    build(tmp_path / "i")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "i"), str(at)]
    assert subprocess.run(command, check=False).returncode == -9
    with Index.open(tmp_path / "i") as index:
        assert list(index) == DOCS
    build(tmp_path / "i", DOCS[:1], replace=True)
    assert not (tmp_path / "i" / "drafts").exists()
    with Index.open(tmp_path / "i") as index:
        assert list(index) == DOCS[:1]


def files_of(index):
    return [name for name, _ in read(index).files()]


def test_every_damaged_file_is_named_at_open(tmp_path):
    build(tmp_path / "sound")
    for name in files_of(tmp_path / "sound"):
        shutil.copytree(tmp_path / "sound", tmp_path / "hurt")
        path = tmp_path / "hurt" / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(DamagedIndex, match=f"{Path(name).name}: is damaged"):
            Index.open(tmp_path / "hurt")
        path.write_bytes(content[:-1])
        with pytest.raises(DamagedIndex, match=r"has \d+ bytes where \d+ were written"):
            Index.open(tmp_path / "hurt")
        path.unlink()
        with pytest.raises(DamagedIndex, match="is missing"):
            Index.open(tmp_path / "hurt")
        shutil.rmtree(tmp_path / "hurt")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "names no format"),
        ('{"format": 99}', "format 99, this searchkit reads 1 to 2"),
        ('{"format": 1}', "does not hold what a generation holds"),
        ("[1", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_generation_that_cannot_be_read_is_a_sentence(tmp_path, text, why):
    build(tmp_path / "i")
    path_of(tmp_path / "i", 1).write_text(text)
    with pytest.raises(DamagedIndex, match="does not fit CURRENT"):  # whatever it says by now
        Index.open(tmp_path / "i")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (tmp_path / "i" / CURRENT).write_text(f"000001 {digest}\n")
    with pytest.raises(FormatError, match=why):
        Index.open(tmp_path / "i")


def test_a_path_out_of_the_index_is_never_followed(tmp_path):
    build(tmp_path / "i")
    path = path_of(tmp_path / "i", 1)
    raw = json.loads(path.read_text())
    raw["segments"][0]["files"]["../../secret"] = {"sha256": "0", "n_bytes": 1}
    path.write_text(json.dumps(raw))
    with pytest.raises(DamagedIndex):
        Index.open(tmp_path / "i")


@pytest.mark.parametrize("content", [b"", b"x\n", b"\xff", b"000009\n"])
def test_a_damaged_current_is_a_sentence(tmp_path, content):
    build(tmp_path / "i")
    (tmp_path / "i" / CURRENT).write_bytes(content)
    with pytest.raises(DamagedIndex):
        Index.open(tmp_path / "i")


def test_a_generation_survives_writing_and_reading(tmp_path):
    written = build(tmp_path / "i")
    assert read(tmp_path / "i") == written
    commit(tmp_path / "i", written)
    assert read(tmp_path / "i") == written


def test_the_fingerprint_is_that_of_documents_and_parts_in_their_order(tmp_path):
    whole = build(tmp_path / "one")
    assert build(tmp_path / "two").fingerprint == whole.fingerprint
    assert replace(whole, number=7, pipeline={}).fingerprint == whole.fingerprint
    others = [DOCS[:3], DOCS[::-1]]
    found = {build(tmp_path / f"other{n}", docs).fingerprint for n, docs in enumerate(others)}
    assert len(found | {whole.fingerprint}) == 3
    assert build(tmp_path / "l", analyzer="porter").fingerprint != whole.fingerprint


def test_a_full_disk_is_a_sentence(tmp_path):
    def full():
        yield DOCS[0]
        raise OSError(28, "No space left on device", str(tmp_path / "i" / "docs.arrow"))

    with pytest.raises(StorageError, match=r"the disk is full\. Free some space"):
        build_index(tmp_path / "i", full(), BuildConfig())


def test_a_file_in_the_way_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        build(tmp_path / "file" / "i")
    with pytest.raises(StorageError, match="file is a file, and an index is a folder"):
        build(tmp_path / "file")
    with pytest.raises(StorageError, match="a file stands"), disk.storage_errors(tmp_path):
        (tmp_path / "file").mkdir()


def test_hashes_of_lists_of_strings_do_not_meet():
    assert disk.sha256_of("ab", "c") != disk.sha256_of("a", "bc")


@given(st.lists(st.integers(0, 9_000), max_size=20))
def test_batches_are_whole_record_batches(sizes):
    docs = [Doc(str(n), "", "x" * size) for n, size in enumerate(sizes * 300)]
    found = list(lexical.batches(iter(docs)))
    assert [doc for batch in found for doc in batch] == docs
    assert all(len(batch) % 1024 == 0 for batch in found[:-1])


def test_damage_is_none_for_a_sound_file(tmp_path):
    build(tmp_path / "i")
    assert {
        stamps.damage(tmp_path / "i" / name, s) for name, s in read(tmp_path / "i").files()
    } == {None}
