import hashlib
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.encode import GRID, split
from searchkit.errors import DamagedIndex, StorageError
from searchkit.index.known import Known
from searchkit.index.rows import RowFile
from searchkit.index.shards import Shard, Shards
from searchkit.index.vector_writer import write_vectors
from searchkit.index.vectors import VectorConfig, VectorPart, open_vectors
from searchkit.models.fakes import HashEncoder
from searchkit.types import Doc

ENCODER = HashEncoder(dim=16, max_tokens=6)
MODES = ["document", "sentence", "window"]


def silent(done, total):
    pass


def corpus(n, start=0):
    """Documents of several sentences; every fifth repeats the text of the first."""
    return [
        Doc(
            str(i), f"Paper {i}", f"Dust is {0 if i % 5 == 0 else i}. It reddens {i % 7} stars now."
        )
        for i in range(start, start + n)
    ]


def write(folder, docs, *, shards, encoder=ENCODER, mode="document", dtype="float32", watch=silent):
    folder.mkdir()
    shards.mkdir(exist_ok=True)
    return write_vectors(
        folder,
        iter(docs),
        encoder=encoder,
        config=VectorConfig(passages=mode, dtype=dtype),
        shards_dir=shards,
        known=Known(folder),
        n_docs=len(docs),
        progress=watch,
    )


class Fragile:
    """An encoder that dies after a number of texts, like a killed run."""

    def __init__(self, n_left):
        self.n_left = n_left
        self.read = []

    def __getattr__(self, name):
        return getattr(ENCODER, name)

    def encode_docs(self, texts):
        if len(texts) > self.n_left:
            raise KeyboardInterrupt
        self.n_left -= len(texts)
        self.read += texts
        return ENCODER.encode_docs(texts)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_part_holds_the_vectors_of_every_passage_in_order(tmp_path, mode, dtype):
    docs = corpus(12)
    stats = write(tmp_path / "part", docs, shards=tmp_path / "s", mode=mode, dtype=dtype)
    part = open_vectors(tmp_path / "part")
    passages = split(docs, mode, ENCODER)
    texts = [text for of_doc in passages for text in of_doc]
    assert np.array_equal(part.vectors, ENCODER.encode_docs(texts).astype(dtype))
    assert (part.n_docs, part.n_vectors, part.dim) == (12, len(texts), 16)
    assert (part.starts is None) == (mode == "document")
    beyond = [sum(max(0, n - 6) for n in ENCODER.n_tokens(of_doc)) for of_doc in passages]
    assert part.beyond.tolist() == beyond
    assert stats.n_tokens_beyond == sum(beyond)
    assert stats.n_truncated_docs == np.count_nonzero(beyond)
    assert stats.n_tokens == sum(ENCODER.n_tokens(texts))
    assert part.n_tokens.tolist() == ENCODER.n_tokens(texts)
    digests = [hashlib.sha256(text.encode()).digest()[:16] for text in texts]
    assert [digest.tobytes() for digest in part.digests] == digests
    assert (stats.n_vectors, stats.n_encoded) == (len(texts), len(set(texts)))
    assert stats.n_encoded + stats.n_reused == stats.n_vectors


def test_no_documents_make_an_empty_part(tmp_path):
    assert write(tmp_path / "part", [], shards=tmp_path / "s").n_vectors == 0
    part = open_vectors(tmp_path / "part")
    assert (part.n_docs, part.vectors.shape) == (0, (0, 16))


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    docs = corpus(GRID + 40)
    fragile = Fragile(n_left=GRID)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", docs, shards=tmp_path / "s", encoder=fragile)
    fragile.n_left, fragile.read = 10 * GRID, []
    stats = write(tmp_path / "b", docs, shards=tmp_path / "s", encoder=fragile)
    assert stats.n_encoded == len(fragile.read) <= 40
    write(tmp_path / "c", docs, shards=tmp_path / "other")
    for name in ("vectors.npy", "beyond.npy"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()


def test_equal_texts_share_one_vector_across_grids(tmp_path):
    same = Doc("x", "", "The same words.")
    docs = [same, *corpus(GRID), same]
    stats = write(tmp_path / "part", docs, shards=tmp_path / "s")
    part = open_vectors(tmp_path / "part")
    assert np.array_equal(part.vectors[0], part.vectors[-1])
    assert stats.n_encoded < len(docs)


def test_another_encoder_or_type_does_not_reuse_a_shard(tmp_path):
    docs = corpus(5)
    for n, (encoder, dtype) in enumerate(
        [(ENCODER, "float32"), (ENCODER, "float16"), (HashEncoder(dim=16, max_tokens=7), "float32")]
    ):
        folder = tmp_path / str(n)
        stats = write(folder, docs, shards=tmp_path / "s", encoder=encoder, dtype=dtype)
        assert stats.n_encoded == 5


def test_progress_counts_documents_and_ends_at_their_number(tmp_path):
    seen = []
    watch = lambda done, total: seen.append((done, total))  # noqa: E731
    write(tmp_path / "part", corpus(GRID + 1), shards=tmp_path / "s", watch=watch)
    assert seen == sorted(seen)
    assert (GRID, GRID + 1) in seen
    assert seen[-1] == (GRID + 1, GRID + 1)


def test_a_shard_folder_that_is_gone_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    shards = Shards(tmp_path / "file" / "shards", "print", 1, "float32")
    with pytest.raises(StorageError, match="file"):
        shards.write(["a"], Shard(np.ones((1, 1), np.float32), np.array([1])))


@pytest.mark.parametrize("damage", ["cut", "nan", "shape", "lengths", "no lengths", "empty"])
def test_a_shard_that_is_not_whole_is_encoded_again(tmp_path, damage):
    shards = Shards(tmp_path, "print", 2, "float32")
    shards.write(["a", "b"], Shard(np.eye(2, dtype=np.float32), np.array([1, 1])))
    assert shards.read(["a", "b"]) is not None
    assert shards.read(["b", "a"]) is None
    [path] = tmp_path.glob("*.npy")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "nan":
        np.save(path, np.full((2, 2), np.nan, np.float32))
    elif damage == "shape":
        np.save(path, np.eye(3, dtype=np.float32))
    elif damage == "lengths":
        path.with_suffix(".json").write_text('{"n_tokens": [1]}')
    else:
        path.with_suffix(".json").unlink()
    assert shards.read(["a", "b"]) is None


@given(st.lists(st.integers(0, 5), max_size=6))
def test_a_row_file_reads_like_what_was_appended(tmp_path_factory, sizes):
    path = tmp_path_factory.mktemp("rows") / "x.npy"
    batches = [np.random.default_rng(n).random((n, 3), np.float32) for n in sizes]
    with RowFile(path, dim=3, dtype="float32") as rows:
        for batch in batches:
            rows.append(batch)
            if rows.n_rows:
                assert len(rows.read(rows.n_rows - 1)) == 3
    expected = np.concatenate([np.empty((0, 3), np.float32), *batches])
    assert np.array_equal(np.load(path), expected)


def test_ids_and_documents_belong_together():
    starts = np.array([0, 2, 3, 7])
    part = VectorPart(np.zeros((7, 2), np.float16), starts, np.zeros(3, np.uint32))
    docs = np.array([2, 0])
    assert part.ids_of(docs).tolist() == [3, 4, 5, 6, 0, 1]
    assert part.docs_of(part.ids_of(docs)).tolist() == [2, 2, 2, 2, 0, 0]
    assert part.ids_of(np.empty(0, np.int64)).tolist() == []


@pytest.fixture
def part(tmp_path):
    write(tmp_path / "part", corpus(6), shards=tmp_path / "s", mode="sentence")
    return tmp_path / "part"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("vectors.npy", np.zeros((4, 16), np.float32)),
        ("vectors.npy", np.zeros((18, 16), np.float64)),
        ("vectors.npy", np.zeros(18, np.float32)),
        ("vectors.npy", np.array([{}], object)),
        ("starts.npy", np.zeros(7, np.int64)),
        ("starts.npy", np.arange(8)),
        ("starts.npy", np.empty(0, np.int64)),
        ("beyond.npy", np.zeros(5, np.uint32)),
        ("beyond.npy", np.zeros(6, np.int8)),
        ("digests.npy", np.zeros((17, 2), np.uint64)),
        ("digests.npy", np.zeros((18, 1), np.uint64)),
        ("n_tokens.npy", np.zeros(17, np.uint32)),
        ("n_tokens.npy", np.zeros(18, np.int64)),
    ],
)
def test_arrays_that_disagree_are_refused(part, name, wrong):
    open_vectors(part)
    np.save(part / name, wrong)
    with pytest.raises(DamagedIndex, match="searchkit repair"):
        open_vectors(part)


@pytest.mark.parametrize("name", ["vectors.npy", "starts.npy", "beyond.npy", "n_tokens.npy"])
def test_files_that_are_cut_off_or_gone_are_refused(part, name):
    whole = (part / name).read_bytes()
    for content in (whole[:-1], whole[:20], b""):
        (part / name).write_bytes(content)
        with pytest.raises(DamagedIndex):
            open_vectors(part)
    (part / name).unlink()
    with pytest.raises(DamagedIndex):
        open_vectors(part)


def test_a_part_of_format_1_says_nothing_of_its_texts(part):
    for name in ("digests.npy", "n_tokens.npy"):
        (part / name).unlink()
    assert (open_vectors(part).digests, open_vectors(part).n_tokens) == (None, None)


def test_a_part_survives_being_moved(part, tmp_path):
    moved = shutil.move(part, tmp_path / "elsewhere")
    assert open_vectors(moved).n_docs == 6
