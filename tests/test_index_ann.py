import numpy as np
import pytest

from searchkit.errors import DamagedIndex
from searchkit.index.ann import (
    HNSW_FROM,
    IVFPQ_FROM,
    IVFPQ_LEAST,
    choose_kind,
    open_ann,
    write_ann,
)
from searchkit.index.vectors import VectorPart


def silent(done, total):
    pass


def clustered(n, dim=32, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(50, dim))
    vectors = centres[rng.integers(0, 50, n)] + rng.normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def part_of(vectors):
    return VectorPart(vectors.astype(np.float16), None, np.zeros(len(vectors), np.uint32))


@pytest.mark.parametrize(
    ("asked", "n_vectors", "got"),
    [
        ("auto", 0, "flat"),
        ("auto", HNSW_FROM - 1, "flat"),
        ("auto", HNSW_FROM, "hnsw"),
        ("auto", IVFPQ_FROM, "hnsw"),
        ("auto", IVFPQ_FROM + 1, "ivfpq"),
        ("flat", IVFPQ_FROM, "flat"),
        ("hnsw", 1, "hnsw"),
        ("hnsw", 0, "flat"),
        ("ivfpq", IVFPQ_LEAST, "ivfpq"),
        ("ivfpq", IVFPQ_LEAST - 1, "flat"),
    ],
)
def test_the_kind_follows_the_size(asked, n_vectors, got):
    assert choose_kind(asked, n_vectors) == got


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_an_index_is_read_as_it_was_written_and_proposes_near_vectors(tmp_path, kind, capfd):
    vectors, seen = clustered(IVFPQ_LEAST + 500), []
    write_ann(tmp_path, part_of(vectors), kind=kind, progress=lambda *p: seen.append(p))
    ann = open_ann(tmp_path)
    assert (ann.kind, ann.n_vectors) == (kind, len(vectors))
    assert seen[-1] == (len(vectors), len(vectors))
    scores, ids = ann.search(vectors[:50], 10)
    assert (ids[:, :3] == np.arange(50)[:, None]).any(axis=1).mean() > 0.9
    assert (np.diff(scores, axis=1) <= 0).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_a_hidden_vector_is_never_proposed(tmp_path, kind):
    vectors = clustered(IVFPQ_LEAST)
    write_ann(tmp_path, part_of(vectors), kind=kind, progress=silent)
    allowed = np.zeros(len(vectors), bool)
    allowed[::7] = True
    _, ids = open_ann(tmp_path).search(vectors[:20], 200, allowed=allowed)
    assert (ids >= 0).any()
    assert allowed[ids[ids >= 0]].all()


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_one_thread_writes_the_same_bytes_twice(tmp_path, kind):
    part = part_of(clustered(IVFPQ_LEAST))
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_ann(tmp_path / name, part, kind=kind, progress=silent, n_threads=1)
        written.append((tmp_path / name / "index.faiss").read_bytes())
    assert written[0] == written[1]


def test_dimensions_that_eight_does_not_divide_are_no_obstacle(tmp_path):
    vectors = clustered(IVFPQ_LEAST, dim=7)
    write_ann(tmp_path, part_of(vectors), kind="ivfpq", progress=silent)
    assert open_ann(tmp_path).search(vectors[:1], 5)[1].shape == (1, 5)


def test_a_file_that_is_missing_or_foreign_is_refused(tmp_path):
    import faiss

    with pytest.raises(DamagedIndex, match="searchkit repair"):
        open_ann(tmp_path)
    (tmp_path / "index.faiss").write_bytes(b"not an index")
    with pytest.raises(DamagedIndex, match="cannot read"):
        open_ann(tmp_path)
    faiss.write_index(faiss.IndexFlatIP(4), str(tmp_path / "index.faiss"))
    with pytest.raises(DamagedIndex, match="IndexFlat"):
        open_ann(tmp_path)
