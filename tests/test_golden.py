"""Indexes that the code of their time wrote: they open, rank as then, and can be changed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_sample import invoke
from golden.make import QUERIES, rankings
from index_states import every_byte, file_of, lasting
from tiny_models import save_encoder

from searchkit.errors import ModelError
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.change import ChangeConfig, change_index, delete_rows
from searchkit.index.collect import publish
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.drafts import Drafts
from searchkit.index.extend import drop_encoder
from searchkit.index.generation import FORMAT, OLDEST_READABLE, read
from searchkit.index.index import Index
from searchkit.index.upgrade import upgrade
from searchkit.index.vectors import VectorConfig, open_vectors
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.search.verify import verify
from searchkit.types import Doc

HNSW = AnnConfig(kind="hnsw")

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = [f"v{n}" for n in range(OLDEST_READABLE, FORMAT + 1)]


@pytest.fixture(params=VERSIONS)
def golden(request, tmp_path):
    """A copy of the golden index, and what it ranked when it was made."""
    index = shutil.copytree(GOLDEN / request.param, tmp_path / request.param)
    return index, json.loads((GOLDEN / f"{request.param}.json").read_text("utf-8"))


def ranks_as_then(index, then, stages=("bm25", "minilm", "fused")):
    """BM25 to the bit; vectors of queries depend on the machine in their last bits."""
    now = rankings(index, stages)
    assert now["bm25"] == then["bm25"]
    for stage in stages:
        for query in QUERIES:
            was, found = then[stage][query], now[stage][query]
            assert [id_ for id_, _ in found] == [id_ for id_, _ in was]
            assert [s for _, s in found] == pytest.approx([s for _, s in was], abs=1e-5)


def test_there_is_a_golden_index_of_every_format_that_is_read():
    assert all((GOLDEN / version / "CURRENT").is_file() for version in VERSIONS)
    assert [read(GOLDEN / version).format for version in VERSIONS] == [1, 2]


def test_it_ranks_as_when_it_was_made_and_nothing_is_written_into_it(golden):
    index, then = golden
    before = {path: path.stat().st_mtime_ns for path in index.rglob("*")}
    ranks_as_then(index, then)
    assert verify(index, full=True).is_sound
    assert {path: path.stat().st_mtime_ns for path in index.rglob("*")} == before


def test_it_is_upgraded_and_ranks_as_before(golden):
    index, then = golden
    before = read(index)
    done = upgrade(index)
    assert (done.before, done.notes) == (before.format, ())
    assert done.generation.format == FORMAT
    assert done.changed == (before.format != FORMAT)
    for segment in read(index).segments:
        found = open_vectors(index / segment.part("vectors").folder)
        assert len(found.digests) == len(found.n_tokens) == segment.n_docs
        assert segment.part("ann", vectors=segment.part("vectors").hash)
    ranks_as_then(index, then)
    assert verify(index, full=True).is_sound
    assert not upgrade(index).changed


def test_it_is_changed_as_it_is(golden):
    index, then = golden
    n_docs = read(index).n_docs
    drop_encoder(index, "minilm")
    assert read(index).format == FORMAT
    ranks_as_then(index, then, stages=["bm25"])
    change_index(index, [Doc("new", "A new paper", "about brown dwarfs")], ChangeConfig())
    delete_rows(index, lambda opened: np.array([opened.row("new")]))
    assert read(index).n_docs == n_docs
    ranks_as_then(index, then, stages=["bm25"])


def test_a_snapshot_of_it_can_be_opened():
    with Index.open(GOLDEN / "v2", number=3) as older:
        assert len(older) == 24


def forget_texts(index):
    """Rewrite vector parts, and graphs over them, as format 1 had them: without their texts."""
    segments = []
    with Drafts(index) as drafts:
        for segment in read(index).segments:
            [vectors] = [part for part in segment.parts if part.kind == "vectors"]
            [ann] = [part for part in segment.parts if part.kind == "ann"]
            folder = shutil.copytree(index / vectors.folder, index / "drafts" / vectors.hash)
            (folder / "digests.npy").unlink()
            (folder / "n_tokens.npy").unlink()
            bare = drafts.part(
                "vectors", folder, vectors.config, inputs=segment.hash, stats=vectors.stats
            )
            folder = shutil.copytree(index / ann.folder, index / "drafts" / ann.hash)
            config = {**ann.config, "vectors": bare.hash}
            graph = drafts.part("ann", folder, config, inputs=bare.hash, stats={})
            parts = [{"vectors": bare, "ann": graph}.get(part.kind, part) for part in segment.parts]
            segments.append(replace(segment, parts=tuple(parts)))
    publish(index, replace(read(index), segments=tuple(segments)))


@pytest.mark.parametrize("passages", ["document", "sentence"])
def test_an_upgraded_index_is_as_if_it_had_been_built_so(tmp_path, passages):
    docs = [Doc(f"d{n}", "star", "the galaxy. " * (n % 5) + "bone light.") for n in range(30)]
    options = EncoderOptions()
    encoder = open_encoder(str(save_encoder(tmp_path / "model")), options=options)
    dense = [DenseChoice(encoder, VectorConfig(passages=passages), options.to_dict())]
    build_index(tmp_path / "x", docs, BuildConfig(dense=dense, ann=HNSW, segment_docs=20))
    wanted = every_byte(tmp_path / "x"), lasting(read(tmp_path / "x"))
    forget_texts(tmp_path / "x")
    assert every_byte(tmp_path / "x") != wanted[0]
    assert upgrade(tmp_path / "x").changed
    assert every_byte(tmp_path / "x") == wanted[0]
    assert lasting(read(tmp_path / "x")) == wanted[1]


def test_vectors_without_their_encoder_stay_and_it_is_said(tmp_path):
    def gone(path, record):
        raise ModelError("it is not there.")

    index = shutil.copytree(GOLDEN / "v1", tmp_path / "x")
    whole = file_of(index, "vectors", "vectors.npy", segment=0)
    done = upgrade(index, opener=gone)
    assert done.generation.format == FORMAT
    assert done.notes == ("Vectors of minilm stay without their texts: it is not there.",)
    assert file_of(index, "vectors", "vectors.npy", segment=0) == whole


def test_the_command_says_what_it_did(tmp_path):
    index = shutil.copytree(GOLDEN / "v1", tmp_path / "x")
    said = invoke("upgrade", index).stderr
    assert (
        f"format {FORMAT}, which was 1; what texts vectors were made of is known for 1 part more"
        in said
    )
    assert "Nothing was committed" in invoke("upgrade", index).stderr


def test_parts_of_an_older_format_in_an_index_of_the_newest_are_told(tmp_path):
    """As a change leaves them: it writes the newest format, and no part again."""
    index = shutil.copytree(GOLDEN / "v1", tmp_path / "x")
    publish(index, read(index))
    said = invoke("upgrade", index).stderr
    assert (
        f"of format {FORMAT} already; what texts vectors were made of is known for 1 part more"
        in said
    )
