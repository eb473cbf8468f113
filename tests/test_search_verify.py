"""What `verify` finds: damaged bytes, counts that disagree, and rankings that the texts deny."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from cli_sample import invoke, refused
from index_states import bury, committed, file_of
from tiny_models import WORDS, save_encoder

from searchkit.index import disk
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.generation import FileStamp, read
from searchkit.index.index import Index
from searchkit.index.vectors import VectorConfig
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.search.verify import verify
from searchkit.types import Doc

HNSW = AnnConfig(kind="hnsw")

TERMS = WORDS.split()
DOCS = [
    Doc(f"d{n}", f"{TERMS[n % 7]} {TERMS[n % 11]}", " ".join(TERMS[n % 9 : n % 9 + n % 13]))
    for n in range(60)
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Three segments, a graph over the vectors of each, and documents deleted from the second."""
    folder = tmp_path_factory.mktemp("verify")
    options = EncoderOptions()
    encoder = open_encoder(str(save_encoder(folder / "model")), options=options)
    dense = [DenseChoice(encoder, VectorConfig(), options.to_dict())]
    build_index(folder / "x", DOCS, BuildConfig(dense=dense, segment_docs=25, ann=HNSW))
    bury(folder / "x", segment=1, rows=[3, 4, 20])
    for path in (folder / "x").rglob("*"):
        os.utime(path, (1, 1))  # a young file gets no stamp
    return folder / "x"


@pytest.fixture
def index(built, tmp_path):
    """A copy whose files are old enough for stamps."""
    copied = shutil.copytree(built, tmp_path / "x")
    for path in copied.rglob("*"):
        os.utime(path, (0, 0))
    return copied


def flip(path, at=-1):
    """One bit, and nothing that a clock would show."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewrite(index, kind, name, change, *, segment=1):
    """A file with other content whose hash the generation knows: a defect, not a damage."""
    path = file_of(index, kind, name, segment)
    np.save(path, change(np.load(path)))
    live = read(index)
    parts = list(live.segments[segment].parts)
    at = next(n for n, part in enumerate(parts) if part.kind == kind)
    stamp = FileStamp(disk.sha256(path), path.stat().st_size)
    parts[at] = replace(parts[at], files={**parts[at].files, name: stamp})
    segments = list(live.segments)
    segments[segment] = replace(segments[segment], parts=tuple(parts))
    committed(index, segments=tuple(segments))


def test_a_sound_index_is_sound_fast_and_in_full(index):
    fast, full = verify(index), verify(index, full=True)
    assert fast.is_sound
    assert full.is_sound
    assert (fast.n_sampled, full.n_sampled, full.notes) == (0, 32, ())


def test_a_flipped_bit_without_a_trace_is_found_in_full_and_refused_from_then_on(index):
    Index.open(index).close()
    flip(file_of(index, "vectors", "vectors.npy"))
    assert verify(index).is_sound  # nothing shows it but the bytes
    [fault] = verify(index, full=True).faults
    assert fault.file.endswith("vectors.npy")
    assert "vectors.npy" in refused("info", index)
    assert not verify(index).is_sound


def test_the_documents_in_a_damaged_file_are_named_but_for_the_deleted_ones(index):
    file_of(index, "postings", "rows.npy").unlink()
    [fault] = verify(index).faults
    assert fault.wrong == "is missing"
    assert fault.n_docs == len(fault.ids) == 22
    assert set(fault.ids) == {f"d{n}" for n in range(25, 50)} - {"d28", "d29", "d45"}
    assert fault.sentence.endswith("it touches 22 documents: d25, d26, d27 and 19 more.")


def test_documents_that_cannot_be_read_are_named_by_the_order_in_which_they_came(index):
    flip(index / read(index).segments[1].folder / "docs.arrow", at=1000)
    [fault] = verify(index, full=True).faults
    assert (fault.ids, fault.seqs) == ((), (25, 49))
    record = json.loads(invoke("verify", index, "--full", "--json").stdout)
    assert record["seqs"] == [25, 49]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("postings/doc_terms.npy", lambda a: a[::-1].copy(), "turned round"),
        ("postings/rows.npy", lambda a: a + 1000, "rows or terms that are not there"),
        ("postings/counts.npy", lambda a: a + 1, "not the sums"),
        ("postings/max_counts.npy", lambda a: a + 1, "not the largest"),
        ("postings/lengths.npy", lambda a: a + 1, "for title_length"),
        ("postings/starts.npy", lambda a: a * 2, "lie nowhere"),
        ("postings/term_prefixes.npy", lambda a: a + 1, "beginnings do not lead"),
        ("vectors/vectors.npy", lambda a: a * 2, "unit length"),
        ("vectors/vectors.npy", lambda a: a[:-1], "do not agree"),
        ("tombstones/rows.npy", lambda a: a[:-1], "not the 3 that were deleted"),
        ("tombstones/dfs.npy", lambda a: a + 1, "does not count"),
        ("tombstones/rows.npy", lambda a: a + 1, "does not count"),
    ],
)
def test_counts_that_disagree_are_named_though_every_hash_is_right(index, file, change, said):
    kind, name = file.split("/")
    rewrite(index, kind, name, change)
    found = verify(index, full=True).faults
    assert any(said in fault.wrong and kind in fault.file for fault in found), found
    assert verify(index).is_sound


def test_a_graph_over_other_vectors_is_named(index):
    live = read(index)
    segments = list(live.segments)
    one, two = (next(p for p in s.parts if p.kind == "ann") for s in (segments[1], segments[2]))
    parts = tuple(p for p in segments[1].parts if p.kind != "ann")
    wrong = replace(two, config={**two.config, "vectors": one.config["vectors"]})
    segments[1] = replace(segments[1], parts=(*parts, wrong))
    committed(index, segments=tuple(segments))
    assert any("holds 10 vectors where 25" in f.wrong for f in verify(index, full=True).faults)


def test_vectors_and_terms_of_other_texts_are_found_by_making_some_again(index):
    rewrite(index, "vectors", "vectors.npy", lambda a: a[::-1].copy(), segment=0)
    [fault] = verify(index, full=True).faults
    assert fault.wrong == "are not those of the stored text"
    assert fault.n_docs > 5


def test_an_encoder_that_is_gone_is_a_note_and_no_damage(built, index):
    model = read(index).encoders[0]["name"]
    record = {**read(index).encoders[0], "fingerprint": "another"}
    committed(index, encoders=(record,))
    verdict = verify(index, full=True)
    assert verdict.is_sound
    assert f"Vectors of {model} were not made again" in verdict.notes[0]
