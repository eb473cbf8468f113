import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.errors import ConfigError, DamagedIndex
from searchkit.index.ann import open_ann, write_ann
from searchkit.index.ann_choice import (
    IVFPQ_LEAST,
    LINKS,
    SCANNED_NUMBERS,
    AnnConfig,
    AnnForm,
    choose,
    forgotten,
)
from searchkit.index.ann_effort import DEPTH, measure, nearest
from searchkit.index.vectors import VectorPart

AUTO_FROM = SCANNED_NUMBERS // 384
CONFIGS = st.builds(
    AnnConfig,
    kind=st.sampled_from(["auto", "flat", "hnsw", "ivfpq"]),
    recall=st.floats(0.5, 0.999),
    memory_bytes=st.integers(0, 10**10),
)


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
        ("auto", 0, None),
        ("auto", AUTO_FROM - 1, None),
        ("auto", AUTO_FROM, "hnsw"),
        ("flat", 10 * AUTO_FROM, None),
        ("hnsw", 1, "hnsw"),
        ("hnsw", 0, None),
        ("ivfpq", IVFPQ_LEAST, "ivfpq"),
        ("ivfpq", IVFPQ_LEAST - 1, None),
    ],
)
def test_the_kind_follows_the_size(asked, n_vectors, got):
    form = choose(AnnConfig(kind=asked), n_vectors, 384)
    assert (form and form.kind) == got


def test_wider_vectors_are_scanned_as_long_as_they_are_as_many_numbers():
    assert choose(AnnConfig(), AUTO_FROM // 2 - 1, 768) is None
    assert choose(AnnConfig(), AUTO_FROM // 2, 768).kind == "hnsw"


def test_auto_takes_the_graph_with_the_most_links_that_the_memory_holds():
    wide, slim = (AnnForm(kind="hnsw", links=links) for links in LINKS)
    n, dim = 2 * AUTO_FROM, 384
    for held in (0, 10**9):
        for memory, form in (
            (wide.n_bytes(n, dim), wide),
            (wide.n_bytes(n, dim) - 1, slim),
            (slim.n_bytes(n, dim), slim),
            (slim.n_bytes(n, dim) - 1, AnnForm(kind="ivfpq")),
        ):
            config = AnnConfig(memory_bytes=memory + held)
            assert choose(config, n, dim, held_bytes=held) == form


@given(CONFIGS, st.integers(0, 10**7), st.integers(1, 4096), st.integers(0, 10**10))
def test_the_same_input_is_the_same_choice_and_auto_keeps_to_its_memory(config, n, dim, held):
    form = choose(config, n, dim, held_bytes=held)
    assert form == choose(config, n, dim, held_bytes=held)
    assert form is None or (form.recall == config.recall and AnnForm.of(form.to_config()) == form)
    if form and config.kind == "auto" and form.kind == "hnsw":
        assert held + form.n_bytes(n, dim) <= config.memory_bytes


@given(CONFIGS)
def test_a_configuration_is_read_as_it_was_recorded(config):
    assert AnnConfig.from_record({"name": "x", **config.to_record()}) == config
    assert forgotten({"name": "x", **config.to_record()}) == {"name": "x"}


def test_a_default_leaves_the_records_of_former_versions_as_they_were():
    assert AnnConfig(kind="hnsw").to_record() == {"ann": "hnsw"}
    assert AnnForm(kind="hnsw").to_config() == {"ann": "hnsw"}


@pytest.mark.parametrize("wrong", [{"recall": 1.0}, {"recall": 0.4}, {"memory_bytes": -1}])
def test_what_no_index_can_promise_is_refused(wrong):
    with pytest.raises(ConfigError):
        AnnConfig(**wrong)


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_an_index_is_read_as_it_was_written_and_proposes_near_vectors(tmp_path, kind, capfd):
    vectors, seen = clustered(IVFPQ_LEAST + 500), []
    form = AnnForm(kind=kind)
    write_ann(tmp_path, part_of(vectors), form=form, progress=lambda *p: seen.append(p))
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
    write_ann(tmp_path, part_of(vectors), form=AnnForm(kind=kind), progress=silent)
    allowed = np.zeros(len(vectors), bool)
    allowed[::7] = True
    _, ids = open_ann(tmp_path).search(vectors[:20], 200, allowed=allowed)
    assert (ids >= 0).any()
    assert allowed[ids[ids >= 0]].all()


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_one_thread_writes_the_same_bytes_and_measures_the_same_twice(tmp_path, kind):
    part, written = part_of(clustered(3000)), []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found = write_ann(
            tmp_path / name, part, form=AnnForm(kind=kind), progress=silent, n_threads=1
        )
        written.append((found, (tmp_path / name / "index.faiss").read_bytes()))
    assert written[0] == written[1]


def test_a_graph_takes_a_byte_a_number(tmp_path):
    write_ann(tmp_path, part_of(clustered(3000, 64)), form=AnnForm(kind="hnsw"), progress=silent)
    foreseen = AnnForm(kind="hnsw").n_bytes(3000, 64)
    assert (tmp_path / "index.faiss").stat().st_size == pytest.approx(foreseen, rel=0.05)


def uniform(n, dim=48):
    vectors = np.random.default_rng(5).normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
@pytest.mark.parametrize("made", [clustered, uniform])
def test_a_search_visits_what_the_wished_recall_takes(tmp_path, kind, made):
    vectors, efforts = made(4000), []
    for recall in (0.7, 0.98):
        form = AnnForm(kind=kind, recall=recall)
        measured = write_ann(tmp_path, part_of(vectors), form=form, progress=silent)
        ann = open_ann(tmp_path)
        assert ann.effort == measured.effort
        efforts.append(ann.effort)
        queries = vectors[:100]  # which are in the index: each finds itself as well
        truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :DEPTH]
        _, ids = ann.search(queries, 8 * DEPTH if kind == "ivfpq" else DEPTH + 32)
        shares = [len(np.intersect1d(i, t)) / DEPTH for i, t in zip(ids, truth, strict=True)]
        assert np.mean(shares) >= min(recall, measured.measured) - 0.01
        most = ann.index.nlist if kind == "ivfpq" else 16 * (DEPTH + 32)
        assert measured.measured >= recall or ann.effort == most
    assert efforts[0] < efforts[1] or (kind == "hnsw" and efforts[0] == DEPTH + 32)


def test_the_least_effort_is_found_and_an_unreachable_recall_is_told_as_it_is():
    part = part_of(clustered(2500))
    rows = np.sort(np.random.default_rng(20_240_229).choice(2500, 200, replace=False))
    near = nearest(part, part.vectors[rows].astype(np.float32), rows)

    def search(queries, effort):  # finds one neighbour more for each step of effort
        return near[:, : min(effort, 80)]

    assert measure(part, search, least=1, most=2000, recall=0.5).measured >= 0.5
    found = measure(part, search, least=1, most=2000, recall=0.9)
    assert (found.effort, found.measured) == (2000, 0.8)


def test_the_nearest_are_those_of_a_scan_without_the_query_itself():
    vectors = clustered(2100)
    rows = np.array([0, 77, 2099])
    part = part_of(vectors)
    scores = part.vectors[rows].astype(np.float64) @ part.vectors.astype(np.float64).T
    scores[np.arange(3), rows] = -1
    wanted = np.argsort(-scores, axis=1)[:, :DEPTH]
    found = nearest(part, part.vectors[rows].astype(np.float32), rows)
    assert all(len(np.intersect1d(f, w)) >= DEPTH - 1 for f, w in zip(found, wanted, strict=True))
    assert not (found == rows[:, None]).any()


def test_segments_share_lists_and_codebook_where_they_fit(tmp_path):
    import faiss

    first, second, dwarf = clustered(4000, seed=1), clustered(3000, seed=2), clustered(1100)
    form, quantizers = AnnForm(kind="ivfpq"), []
    for name, vectors in (("a", first), ("b", second), ("c", dwarf)):
        folder = tmp_path / name
        folder.mkdir()
        like = tmp_path / "a" if name != "a" else None
        write_ann(folder, part_of(vectors), form=form, progress=silent, like=like)
        index = open_ann(folder).index
        assert index.ntotal == len(vectors)
        flat = faiss.downcast_index(index.quantizer)
        quantizers.append(flat.reconstruct_n(0, flat.ntotal))
    assert np.array_equal(quantizers[0], quantizers[1])
    assert len(quantizers[2]) < len(quantizers[0]) / 2
    _, ids = open_ann(tmp_path / "b").search(second[:50], 10)
    assert (ids[:, :3] == np.arange(50)[:, None]).any(axis=1).mean() > 0.9


def test_a_graph_of_a_former_version_is_searched_as_then(tmp_path):
    import faiss

    vectors = clustered(2000)
    index = faiss.IndexHNSWFlat(32, 32, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "index.faiss"))
    ann = open_ann(tmp_path)
    assert (ann.kind, ann.effort) == ("hnsw", None)
    assert (ann.search(vectors[:20], 5)[1][:, 0] == np.arange(20)).all()


def test_dimensions_that_eight_does_not_divide_are_no_obstacle(tmp_path):
    part = part_of(clustered(IVFPQ_LEAST, dim=7))
    write_ann(tmp_path, part, form=AnnForm(kind="ivfpq"), progress=silent)
    assert open_ann(tmp_path).search(clustered(1, dim=7), 5)[1].shape == (1, 5)


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
