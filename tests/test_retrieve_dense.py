from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_parts import DIM, brute_force, collections, part_of, unit, vectors_of

from searchkit.index.ann import open_ann, write_ann
from searchkit.index.ann_choice import AnnForm
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.cuda import TorchScan
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.retrieve.exact import exact_scores
from searchkit.retrieve.flat import blocks, scan
from searchkit.types import Ranking

ENCODER = HashEncoder(dim=DIM)


@settings(max_examples=60, deadline=None)
@given(collections(), st.integers(1, 40), st.integers(1, 4))
def test_search_equals_the_rule_over_all_rows_alone_and_in_a_batch(collection, k, n_queries):
    parts, allowed = collection
    queries = vectors_of(n_queries, seed=77)
    expected = [brute_force(parts, query, k, allowed) for query in queries]
    retriever = DenseRetriever(ENCODER, parts)
    assert retriever.retrieve_vectors(queries, k, allowed) == expected
    assert [retriever.retrieve_vectors(queries[[n]], k, allowed)[0] for n in range(n_queries)] == (
        expected
    )


@settings(max_examples=40, deadline=None)
@given(collections(), st.integers(1, 40), st.integers(1, 9))
def test_no_size_of_block_and_no_device_loses_a_candidate(collection, k, size):
    parts, allowed = collection
    queries = vectors_of(3, seed=5)
    for part in parts:
        held = part.vectors
        local = None if allowed is None else allowed[part.base : part.base + part.n_docs]
        local_part = DensePart(base=0, n_docs=part.n_docs, vectors=held)
        expected = [brute_force([local_part], query, k, local) for query in queries]
        for found in (
            scan(blocks(held, held.vectors, local, size=size), queries, k),
            TorchScan(held, device="cpu", block=size).propose(queries, k, local),
        ):
            for ids, query, best in zip(found, queries, expected, strict=True):
                assert (np.diff(ids) > 0).all()
                rows = held.docs_of(ids)
                scores = exact_scores(held.vectors, query, ids)
                of_docs = {row: scores[rows == row].max() for row in set(rows.tolist())}
                assert dict(list(best)).items() <= {r: float(s) for r, s in of_docs.items()}.items()


@given(st.integers(1, 300), st.integers(2, 40), st.integers(0, 9), st.randoms())
def test_the_bits_of_a_score_do_not_depend_on_its_neighbours(n, dim, seed, random):
    vectors, query = vectors_of(n, dim=dim, seed=seed), vectors_of(1, dim=dim, seed=42)[0]
    together = exact_scores(vectors, query, np.arange(n))
    ids = np.array(random.choices(range(n), k=5))
    assert np.array_equal(exact_scores(vectors, query, ids), together[ids])
    assert exact_scores(vectors, query, ids[:1])[0] == together[ids[0]]
    np.testing.assert_allclose(together, vectors @ query, atol=1e-6)


def test_float32_and_float16_and_what_is_kept_in_memory_rank_alike():
    vectors, queries = vectors_of(300).astype(np.float16), vectors_of(4, seed=1)
    half, single = part_of(vectors), part_of(vectors, dtype="float32")
    rankings = [
        DenseRetriever(ENCODER, [part], resident_bytes=room).retrieve_vectors(queries, 20)
        for part, room in [(half, 0), (half, 1 << 20), (single, 0)]
    ]
    assert rankings[0] == rankings[1] == rankings[2]


def test_faiss_finds_the_same_neighbours():
    import faiss

    vectors, queries = vectors_of(500, dim=32), vectors_of(20, dim=32, seed=1)
    index = faiss.IndexFlatIP(32)
    index.add(vectors)
    scores, ids = index.search(queries, 10)
    part = part_of(vectors, dtype="float32")
    rankings = DenseRetriever(ENCODER, [part]).retrieve_vectors(queries, 10)
    assert [ranking.rows.tolist() for ranking in rankings] == ids.tolist()
    np.testing.assert_allclose([ranking.scores for ranking in rankings], scores, atol=1e-6)


def test_more_results_than_documents_are_all_documents():
    ranking = DenseRetriever(ENCODER, [part_of(vectors_of(5))]).retrieve(["dust"], 100)[0]
    assert sorted(ranking.rows.tolist()) == [0, 1, 2, 3, 4]


def test_no_parts_and_no_queries_are_no_error():
    assert DenseRetriever(ENCODER, []).retrieve(["dust"], 3) == [Ranking.empty()]
    assert DenseRetriever(ENCODER, [part_of(vectors_of(5))]).retrieve([], 3) == []


def test_rows_are_scored_as_they_rank():
    parts = [part_of(vectors_of(9), counts=[1, 3, 5]), part_of(vectors_of(4), base=3)]
    retriever = DenseRetriever(ENCODER, parts)
    [ranking] = retriever.retrieve(["dust and gas"], 7)
    assert np.array_equal(retriever.score_rows("dust and gas", ranking.rows), ranking.scores)
    twice = np.array([6, 0, 6])
    assert len(set(retriever.score_rows("dust", twice)[[0, 2]])) == 1
    with pytest.raises(ValueError, match="7"):
        retriever.score_rows("dust", np.array([7]))


def test_a_part_that_does_not_fit_its_vectors_is_refused():
    with pytest.raises(ValueError, match="4 documents"):
        DensePart(base=0, n_docs=4, vectors=part_of(vectors_of(5)).vectors)


@pytest.mark.gpu
def test_a_gpu_ranks_like_the_rule():
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    parts = [part_of(vectors_of(2000, dim=384), counts=[2] * 1000)]
    parts.append(part_of(vectors_of(1000, dim=384, seed=1, distinct=50), base=1000))
    queries, allowed = vectors_of(9, dim=384, seed=2), np.arange(2000) % 3 > 0
    retriever = DenseRetriever(ENCODER, parts, device="cuda")
    for mask in (None, allowed):
        expected = [brute_force(parts, query, 100, mask) for query in queries]
        assert retriever.retrieve_vectors(queries, 100, mask) == expected


KINDS = ["flat", "hnsw", "ivfpq"]
N_DOCS = 4000


class Counted:
    """An ANN index that counts its searches, so that a test knows whether it was asked at all."""

    def __init__(self, ann):
        self._ann, self.n_searches = ann, 0

    def __getattr__(self, name):
        return getattr(self._ann, name)

    def search(self, *args, **options):
        self.n_searches += 1
        return self._ann.search(*args, **options)


def clustered(n, *, dim, seed):
    centres = np.random.default_rng(9).normal(size=(60, dim))
    rng = np.random.default_rng(seed)
    return unit(centres[rng.integers(0, 60, n)] + rng.normal(size=(n, dim)))


def with_ann(part, kind, folder):
    write_ann(
        folder,
        part.vectors,
        form=AnnForm(kind=kind),
        progress=lambda done, total: None,
        n_threads=1,
    )
    return replace(part, ann=Counted(open_ann(folder)))


@pytest.fixture(scope="module", params=KINDS)
def large(request, tmp_path_factory):
    """A part with an ANN index of each kind, two vectors a document."""
    part = part_of(clustered(2 * N_DOCS, dim=32, seed=1), counts=[2] * N_DOCS)
    if request.param == "flat":
        return part
    return with_ann(part, request.param, tmp_path_factory.mktemp(request.param))


QUERIES = clustered(20, dim=32, seed=2)


def recall(found, expected):
    shares = [
        len(set(f.rows.tolist()) & set(e.rows.tolist())) / len(e)
        for f, e in zip(found, expected, strict=True)
    ]
    return np.mean(shares)


def searches(part):
    return part.ann.n_searches if part.ann else 0


@pytest.mark.parametrize("share", [1.0, 0.5, 0.01, "one", "none"])
def test_a_filter_hides_rows_changes_no_score_and_costs_no_recall(large, share):
    allowed = np.random.default_rng(3).random(N_DOCS) < (share if share in (1.0, 0.5, 0.01) else 0)
    if share == "one":
        allowed[1234] = True
    before = searches(large)
    rankings = DenseRetriever(ENCODER, [large]).retrieve_vectors(QUERIES, 10, allowed)
    was_asked = searches(large) > before
    assert was_asked == (large.ann is not None and share in (1.0, 0.5))
    expected = [brute_force([large], query, 10, allowed) for query in QUERIES]
    assert all(allowed[ranking.rows].all() for ranking in rankings)
    assert [len(ranking) for ranking in rankings] == [min(10, allowed.sum())] * len(QUERIES)
    for query, ranking in zip(QUERIES, rankings, strict=True):
        everything = exact_scores(large.vectors.vectors, query, np.arange(2 * N_DOCS))
        everything = everything.reshape(-1, 2).max(axis=1)
        assert np.array_equal(ranking.scores, everything[ranking.rows])
    if allowed.any():
        assert recall(rankings, expected) >= (0.95 if was_asked else 1.0)


def test_a_graph_finds_nearly_all_of_the_best_hundred(tmp_path):
    bare = part_of(clustered(5000, dim=32, seed=6))
    part = with_ann(bare, "hnsw", tmp_path)
    rankings = DenseRetriever(ENCODER, [part]).retrieve_vectors(QUERIES, 100)
    assert part.ann.n_searches
    assert recall(rankings, [brute_force([bare], query, 100) for query in QUERIES]) >= 0.98


def test_all_documents_can_be_asked_for(large):
    [ranking] = DenseRetriever(ENCODER, [large]).retrieve_vectors(QUERIES[:1], 2 * N_DOCS)
    assert len(ranking) == N_DOCS


def test_equal_documents_stay_in_row_order_behind_a_graph(tmp_path):
    bare = part_of(np.repeat(clustered(600, dim=32, seed=4), 5, axis=0))
    part = with_ann(bare, "hnsw", tmp_path)
    rankings = DenseRetriever(ENCODER, [part]).retrieve_vectors(QUERIES, 12)
    assert part.ann.n_searches
    assert rankings == [brute_force([bare], query, 12) for query in QUERIES]


def test_a_document_of_many_near_vectors_leaves_room_for_others(tmp_path):
    crowd = unit(QUERIES[:1] + 0.01 * clustered(300, dim=32, seed=8))
    vectors = np.concatenate([crowd, clustered(6000, dim=32, seed=7)])
    bare = part_of(vectors, counts=[300, *[1] * 6000])
    part = with_ann(bare, "hnsw", tmp_path)
    [ranking] = DenseRetriever(ENCODER, [part]).retrieve_vectors(QUERIES[:1], 10)
    assert part.ann.n_searches > 1
    assert ranking.rows[0] == 0
    assert recall([ranking], [brute_force([bare], QUERIES[0], 10)]) >= 0.9
