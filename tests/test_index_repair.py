"""What can be made again is made again; what cannot is named."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from cli_sample import build_sample, invoke, refused
from index_states import bury, committed, every_byte, file_of, lasting
from tiny_models import WORDS, save_encoder

import searchkit
from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import DamagedIndex, FormatError, ModelError
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index, delete_rows
from searchkit.index.collect import CommitOptions
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import CURRENT, path_of, read, read_generation
from searchkit.index.repair import repair
from searchkit.index.salvage import unturned
from searchkit.index.sorter import SYNC, UPDATE
from searchkit.index.vectors import VectorConfig
from searchkit.index.verify import faults
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.search.verify import verify
from searchkit.types import Doc

HNSW = AnnConfig(kind="hnsw")

TERMS = WORDS.split()
DOCS = [
    Doc(f"d{n}", f"{TERMS[n % 7]} {TERMS[n % 11]}", " ".join(TERMS[n % 9 : n % 9 + n % 13]))
    for n in range(60)
]
PARTS = {
    "postings/rows.npy": "made from the stored texts, byte for byte",
    "postings/terms.arrow": "made from the stored texts, byte for byte",
    "vectors/vectors.npy": "made from the stored texts by MODEL, byte for byte",
    "vectors/beyond.npy": "one bit was turned, and is turned back",
    "ann/index.faiss": "made from the vectors, byte for byte",
    "tombstones/dfs.npy": "one bit was turned, and is turned back",
    "tombstones/rows.npy": "one bit was turned, and is turned back",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repair")
    options = EncoderOptions()
    encoder = open_encoder(str(save_encoder(folder / "model")), options=options)
    dense = [DenseChoice(encoder, VectorConfig(), options.to_dict())]
    build_index(folder / "x", DOCS, BuildConfig(dense=dense, segment_docs=25, ann=HNSW))
    bury(folder / "x", segment=1, rows=[3, 4, 20])
    return folder / "x"


@pytest.fixture
def index(built, tmp_path):
    return shutil.copytree(built, tmp_path / "x")


def turn(path, at=-3, bits=1):
    content = bytearray(path.read_bytes())
    content[at] ^= bits
    path.write_bytes(content)


def model_of(index):
    return read(index).encoders[0]["name"]


def choices_of(index):
    options = EncoderOptions()
    encoder = open_encoder(model_of(index), options=options)
    return [DenseChoice(encoder, VectorConfig(), options.to_dict())]


@pytest.mark.parametrize("file", PARTS)
def test_a_damaged_part_is_made_again_byte_for_byte(index, file):
    whole, live = every_byte(index), read(index)
    turn(file_of(index, *file.split("/")), bits=1 if "turned" in PARTS[file] else 3)
    assert not verify(index, full=True).is_sound
    planned, done = repair(index, dry_run=True), repair(index)
    assert [one.file for one in planned.mended] == [one.file for one in done.mended]
    [mended] = done.mended
    assert mended.how == PARTS[file].replace("MODEL", model_of(index))
    assert every_byte(index) == whole
    assert read(index) == live  # not even a commit: what it names is there again
    assert verify(index, full=True).is_sound
    assert repair(index).was_sound


@pytest.mark.parametrize("file", PARTS)
def test_a_missing_part_is_made_again_or_said_to_be_lost(index, file):
    whole = every_byte(index)
    file_of(index, *file.split("/")).unlink()
    done = repair(index)
    if file == "tombstones/rows.npy":
        [lost] = done.lost
        assert "nothing else tells 3 of its 3 deleted documents" in lost.wrong
        assert lost.n_docs == len(lost.ids) == 25  # any of them may be a deleted one
        assert done.n_back == 3
    else:
        assert every_byte(index) == whole


def test_all_parts_at_once(index):
    whole = every_byte(index)
    for name in ("postings", "vectors", "ann"):
        shutil.rmtree(index / "parts" / name)
    file_of(index, "tombstones", "terms.npy").unlink()
    assert not repair(index).lost
    assert every_byte(index) == whole


def test_a_part_that_comes_out_otherwise_is_another_part_in_one_commit(index):
    """As where a stemmer has changed since: here the analyzer that the part names is another."""
    live = read(index)
    segments, old = list(live.segments), live.segments[1].part("postings")
    moved = replace(old, config={**old.config, "analyzer": TextAnalyzer.named("plain").config})
    parts = tuple(moved if part is old else part for part in segments[1].parts)
    segments[1] = replace(segments[1], parts=parts)
    committed(index, segments=tuple(segments))
    turn(file_of(index, "postings", "rows.npy"), bits=3)
    done = repair(index)
    fresh = done.generation
    assert fresh.number == 4
    assert fresh.segments[1].part("postings").hash != old.hash
    assert "another part" in done.mended[0].how
    assert done.mended[-1].wrong == "belongs to a part that is another now"
    stones = fresh.segments[1].part("tombstones")
    assert stones.config["postings"] == fresh.segments[1].part("postings").hash
    assert fresh.segments[0] == live.segments[0]
    assert not list(faults(index, fresh, full=True))


def test_lost_documents_are_named_and_forgotten_only_on_request(index):
    live = read(index)
    turn(index / live.segments[0].folder / "docs.arrow", at=900, bits=3)
    said = invoke("repair", index)
    assert said.exit_code == 1
    assert "it touches 25 documents: seq 0 to 24" in said.stdout
    assert "--forget-lost" in said.stderr
    assert read(index) == live
    said = invoke("repair", index, "--forget-lost")
    assert said.exit_code == 0
    assert f"searchkit sync {index} CORPUS" in said.stderr
    with searchkit.open(index, reranker=None) as searcher:
        assert len(searcher.index) == 32
        assert searcher.search("star galaxy")
    choices = choices_of(index)
    change_index(index, DOCS, ChangeConfig(rule=SYNC, dense=lambda live: choices))
    assert len(read(index).segments) == 3
    assert read(index).n_docs == 60
    assert verify(index, full=True).is_sound


def test_one_turned_bit_of_small_documents_is_found_by_the_hash(index):
    whole = every_byte(index)
    turn(index / read(index).segments[2].folder / "docs.arrow", at=700)
    assert repair(index).mended[0].how == "one bit was turned, and is turned back"
    assert every_byte(index) == whole


def test_deletions_that_later_versions_tell_are_found_again(tmp_path):
    index = tmp_path / "x"
    build_index(index, DOCS, BuildConfig())
    newer = [Doc(doc.id, doc.title, f"{doc.text} anew") for doc in DOCS[5:9]]
    change_index(index, newer, ChangeConfig(rule=UPDATE))
    whole = every_byte(index)
    file_of(index, "tombstones", "rows.npy", segment=0).unlink()
    assert repair(index).mended[0].how.startswith("made from the later versions")
    assert every_byte(index) == whole


def test_vectors_without_their_encoder_are_lost_and_leave_with_it(index):
    def gone(path, record):
        raise ModelError("it is not there.")

    turn(file_of(index, "vectors", "vectors.npy"), bits=3)
    [lost] = repair(index, opener=gone).lost
    assert "cannot be encoded again: it is not there" in lost.wrong
    fresh = repair(index, opener=gone, forget_lost=True).generation
    assert fresh.encoders == ()
    assert {part.kind for s in fresh.segments for part in s.parts} == {"postings", "tombstones"}
    assert verify(index, full=True).is_sound


def test_a_damaged_part_is_refused_with_the_command_that_mends_it(index):
    turn(file_of(index, "ann", "index.faiss"))
    assert "index.faiss: is damaged" in refused("info", index)
    assert refused("search", index, "bone").endswith(f"Mend it: searchkit repair {index}")
    assert invoke("repair", index).exit_code == 0
    assert invoke("info", index).exit_code == 0


def test_a_repair_that_is_interrupted_begins_again(index):
    class Stop(Exception): ...

    def watch(phase):
        if "encode" in phase:
            raise Stop
        return lambda done, total: None

    whole, live = every_byte(index), read(index)
    for name in ("postings/rows.npy", "vectors/vectors.npy"):
        turn(file_of(index, *name.split("/")), bits=3)
    with pytest.raises(Stop):
        repair(index, watch=watch)
    assert read(index) == live
    assert not (index / "drafts").exists()
    assert len(repair(index).mended) == 1  # the postings were done
    assert every_byte(index) == whole


def test_readers_go_on_while_an_index_is_repaired(index):
    with searchkit.open(index, reranker=None) as searcher:
        before = searcher.rank(["star galaxy"], 20, stage="fused")
        for name in ("postings/rows.npy", "vectors/vectors.npy"):
            file_of(index, *name.split("/")).unlink()
        repair(index)
        assert searcher.rank(["star galaxy"], 20, stage="fused") == before
        with searchkit.open(index, reranker=None) as again:
            assert again.rank(["star galaxy"], 20, stage="fused") == before


# -- the generation itself -----------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 5, 6, 7, 40, 70, 71])
def test_a_damaged_current_is_written_again(index, at):
    live, whole = read(index), (index / CURRENT).read_bytes()
    turn(index / CURRENT, at)
    with pytest.raises(FormatError, match="searchkit repair"):
        read(index)
    assert "CURRENT was damaged" in repair(index, dry_run=True).how
    repair(index)
    assert (index / CURRENT).read_bytes() == whole
    assert read(index) == live


def test_a_missing_current_is_written_again(index):
    live = read(index)
    (index / CURRENT).unlink()
    said = invoke("repair", index, "--json", "--dry-run")
    how = f"CURRENT was missing: generation {live.number} was the newest, and serves"
    assert json.loads(said.stdout) == {"file": "CURRENT", "how": how, "generation": live.number}
    assert repair(index).how == how
    assert read(index) == live


@pytest.mark.parametrize("left", [0, 3, 7, 30])
def test_a_current_that_was_cut_short_costs_no_generation(index, left):
    live, whole = read(index), (index / CURRENT).read_bytes()
    (index / CURRENT).write_bytes(whole[:left])
    assert "was the newest, and serves" in repair(index).how
    assert read(index) == live
    assert (index / CURRENT).read_bytes() == whole


def test_a_turned_bit_of_a_generation_is_turned_back(index):
    live = read(index)
    turn(path_of(index, live.number), at=77)
    assert "turned back" in invoke("repair", index).stderr
    assert read(index) == live


def test_an_older_generation_serves_where_the_live_one_is_lost(tmp_path):
    index = build_sample(tmp_path / "x")
    live = read(index)
    committed(index, written="2026-01-02T00:00:00+00:00")
    path_of(index, 2).unlink()
    done = repair(index)
    assert done.how.startswith("generation 2 is lost, and with it what came after")
    assert done.how.endswith("generation 1 serves, as generation 3")
    assert lasting(read(index)) == lasting(live)
    assert read(index).number == 3  # 2 was another
    assert read(index).written >= live.written


def test_what_a_lost_commit_collected_is_not_missed(tmp_path):
    for row in (None, 5, 9):  # with generation 1 a snapshot of 2, and collected by 3
        if row is None:
            build_index(tmp_path / "x", DOCS, BuildConfig())
        else:
            gone, keep = np.array([row]), CommitOptions(keep=1)
            delete_rows(tmp_path / "x", lambda opened, gone=gone: gone, commit=keep)
    path_of(tmp_path / "x", 3).unlink()
    assert not repair(tmp_path / "x", dry_run=True).mended
    done = repair(tmp_path / "x")
    assert not done.mended
    assert (done.generation.number, done.generation.snapshots) == (4, {})
    assert read(tmp_path / "x").n_docs == 59
    assert verify(tmp_path / "x", full=True).is_sound


def test_a_live_generation_that_nothing_replaces_ends_in_another_cure(tmp_path):
    index = build_sample(tmp_path / "x")
    path_of(index, 1).unlink()
    said = refused("repair", index)
    assert "nothing else tells which segments and parts make up the index" in said
    assert "--replace" in said
    assert "searchkit repair" not in said


def test_deleted_documents_that_come_back_are_counted(index):
    file_of(index, "tombstones", "rows.npy").unlink()
    for arguments in (("--dry-run",), ()):
        said = invoke("repair", index, *arguments)
        assert said.exit_code == 1
        assert "3 deleted documents will be found again" in said.stderr
        assert "touches 25 documents: d25, d26, d27 and 22 more" in said.stdout
    assert "3 deleted documents are found again" in invoke("repair", index, "--forget-lost").stderr
    assert read(index).n_docs == 60


@pytest.fixture
def with_snapshot(tmp_path):
    """Two generations; the older one has tombstones of its own."""
    build_index(tmp_path / "x", DOCS, BuildConfig())
    for row in (5, 9):
        gone, keep = np.array([row]), CommitOptions(keep=1)
        delete_rows(tmp_path / "x", lambda opened, gone=gone: gone, commit=keep)
    return tmp_path / "x"


def test_a_turned_bit_of_a_snapshot_is_turned_back(with_snapshot):
    turn(path_of(with_snapshot, 2), at=99)
    [fault] = verify(with_snapshot, full=True).faults
    assert fault.file == "generations/000002.json"
    assert repair(with_snapshot).mended[0].how == "one bit was turned, and is turned back"
    assert verify(with_snapshot, full=True).is_sound
    assert read(with_snapshot).snapshots.keys() == {"2"}


def test_a_snapshot_that_cannot_be_mended_is_let_go(with_snapshot):
    older = read_generation(path_of(with_snapshot, 2))
    turn(with_snapshot / older.segments[0].part("tombstones").folder / "dfs.npy")
    assert verify(with_snapshot, full=True).faults[0].file.startswith("parts/tombstones/")
    (with_snapshot / older.segments[0].part("tombstones").folder / "rows.npy").unlink()
    planned, done = repair(with_snapshot, dry_run=True), repair(with_snapshot)
    assert planned.mended == done.mended
    [mended] = done.mended
    assert mended.how == "snapshot 2, with 1 other damaged file, is let go"
    assert verify(with_snapshot, full=True).is_sound
    assert read(with_snapshot).snapshots == {}
    assert read(with_snapshot).n_docs == 58


def test_nothing_is_made_where_there_is_no_index(tmp_path):
    assert "there is no index here" in refused("repair", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    index = build_sample(tmp_path / "x")
    path_of(index, 1).write_text("{}")
    with pytest.raises(DamagedIndex, match="does not fit CURRENT"):
        repair(index)


def test_a_dry_run_writes_nothing_and_stands_alone(index):
    turn(file_of(index, "postings", "rows.npy"))
    before = {p: p.stat().st_mtime_ns for p in index.rglob("*")}
    said = invoke("repair", index, "--dry-run", "--json")
    assert said.exit_code == 0
    assert json.loads(said.stdout)["how"] == "made from the stored texts"
    assert {p: p.stat().st_mtime_ns for p in index.rglob("*")} == before
    assert "stands alone" in refused("repair", index, "--dry-run", "--wait")


def test_a_bit_is_turned_back_by_the_hash_alone():
    content = np.random.default_rng(0).bytes(500)
    digest = hashlib.sha256(content).hexdigest()
    for at, bit in ((0, 0), (250, 3), (499, 7)):
        turned = bytearray(content)
        turned[at] ^= 1 << bit
        assert unturned(bytes(turned), digest) == content
    turned[0] ^= 1
    assert unturned(bytes(turned), digest) is None
