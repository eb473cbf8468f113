"""The scan by FAISS on a GPU, with FAISS's CPU indexes in their place where no GPU is needed."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_parts import brute_force, collections, part_of, vectors_of

from searchkit.index.ann import open_ann, write_ann
from searchkit.index.ann_choice import AnnForm
from searchkit.models.fakes import HashEncoder
from searchkit.retrieve.dense import DensePart, DenseRetriever
from searchkit.retrieve.exact import best_per_doc, exact_scores, margin
from searchkit.retrieve.faiss_gpu import FaissScan, gpu_faiss, in_shards, on_gpu
from searchkit.retrieve.flat import FlatScan
from searchkit.types import Ranking


class Rest:
    """Opens an exact scan, and counts how often it was opened."""

    def __init__(self, part):
        self.part, self.n_opened = part, 0

    def __call__(self):
        self.n_opened += 1
        return FlatScan(self.part)


def exact(part, *, block=1000, most=2048):
    search = in_shards(part, lambda: faiss.IndexFlatIP(part.dim), block=block)
    return FaissScan(part, search, Rest(part), most=most)


def rounding(part, *, most):
    """A search whose scores are off by as much as a device may round them."""
    rng = np.random.default_rng(0)

    def search(queries, n):
        error = 0.49 * np.array([[margin(query)] for query in queries])
        scores = queries.astype(float) @ part.vectors.astype(float).T
        scores += error * rng.choice([-1, 1], size=scores.shape)
        ids = np.argsort(-scores, axis=1)[:, :n]
        return np.take_along_axis(scores, ids, axis=1).astype(np.float32), ids

    return FaissScan(part, search, Rest(part), most=most)


def ranked(part, proposed, queries, k):
    """The rankings that the stored vectors make of what was proposed."""
    rankings = []
    for ids, query in zip(proposed, queries, strict=True):
        assert (np.diff(ids) > 0).all()
        scores = exact_scores(part.vectors, query, ids)
        rankings.append(Ranking.top(*best_per_doc(part.docs_of(ids), scores), k))
    return rankings


def expected(part, queries, k, allowed=None):
    alone = DensePart(base=0, n_docs=part.n_docs, vectors=part)
    return [brute_force([alone], query, k, allowed) for query in queries]


@settings(max_examples=80, deadline=None)
@given(
    collections(), st.integers(1, 40), st.sampled_from([9, 50]), st.sampled_from([8, 40, 90, 2048])
)
def test_filters_ties_and_the_end_of_results_lose_no_candidate(collection, k, block, most):
    parts, allowed = collection
    queries = vectors_of(3, seed=5)
    for part in parts:
        local = None if allowed is None else allowed[part.base : part.base + part.n_docs]
        held = part.vectors
        if held.n_vectors:
            truth = expected(held, queries, k, local)
            for scan in (exact(held, block=block, most=most), rounding(held, most=most)):
                assert ranked(held, scan.propose(queries, k, local), queries, k) == truth


@pytest.mark.parametrize(
    ("distinct", "share", "k", "n_opened"),
    [
        (None, 1.0, 100, 0),  # FAISS's own results are enough
        (None, 0.5, 100, 0),  # and with half of them dropped
        (None, 0.01, 100, 1),  # too few of 2,048 results would be allowed
        (None, 1.0, 2040, 1),  # more than FAISS returns
        (40, 1.0, 50, 0),  # a tie beyond the first results, within 2,048
        (2, 1.0, 50, 1),  # a tie beyond 2,048
    ],
)
def test_the_rest_is_opened_only_where_so_many_results_are_too_few(distinct, share, k, n_opened):
    part = part_of(vectors_of(6000, distinct=distinct)).vectors
    queries, scan = vectors_of(2, seed=3), exact(part)
    allowed = None if share == 1.0 else np.random.default_rng(1).random(6000) < share
    proposed = scan.propose(queries, k, allowed)
    assert ranked(part, proposed, queries, k) == expected(part, queries, k, allowed)
    assert scan.rest.n_opened == n_opened


def test_nothing_allowed_and_nothing_asked_propose_nothing():
    part, queries = part_of(vectors_of(9)).vectors, vectors_of(2, seed=3)
    for k, allowed in ((3, np.zeros(9, bool)), (0, None)):
        assert [len(ids) for ids in exact(part).propose(queries, k, allowed)] == [0, 0]
    assert exact(part).propose(queries[:0], 3) == []


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """A part, and its ivfpq as it is opened on the CPU."""
    folder = tmp_path_factory.mktemp("ivfpq")
    part = part_of(vectors_of(8000, dim=32), counts=[2] * 4000)
    write_ann(
        folder,
        part.vectors,
        form=AnnForm(kind="ivfpq"),
        progress=lambda done, total: None,
        n_threads=1,
    )
    return part.vectors, open_ann(folder)


@pytest.mark.parametrize(("share", "n_opened"), [(1.0, 0), (0.5, 0), (0.01, 1)])
def test_an_ivfpq_proposes_what_the_stored_vectors_rank(coarse, share, n_opened):
    part, ann = coarse
    queries, allowed = vectors_of(20, dim=32, seed=2), np.random.default_rng(1).random(4000) < share
    scan = FaissScan(part, ann.search, Rest(part), is_exact=False)
    rankings = ranked(part, scan.propose(queries, 10, allowed), queries, 10)
    truth = expected(part, queries, 10, allowed)
    shared = [len(np.intersect1d(a.rows, b.rows)) for a, b in zip(rankings, truth, strict=True)]
    assert np.mean(shared) >= 8
    assert all(allowed[ranking.rows].all() and len(ranking) == 10 for ranking in rankings)
    assert scan.rest.n_opened == n_opened


def test_without_a_gpu_nothing_is_searched_on_one(coarse):
    if gpu_faiss():
        pytest.skip("FAISS sees a GPU")
    part, ann = coarse
    assert on_gpu(part, ann, device="cuda", rest=Rest(part)) is None


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivfpq"])
def test_faiss_ranks_on_a_gpu_like_the_rule(kind, tmp_path):
    if not gpu_faiss():
        pytest.skip("the FAISS that is installed sees no GPU")
    part = part_of(vectors_of(6000, dim=384, distinct=3000), counts=[2] * 3000)
    ann = None
    if kind != "flat":
        write_ann(
            tmp_path, part.vectors, form=AnnForm(kind=kind), progress=lambda done, total: None
        )
        ann = open_ann(tmp_path)
    scan = on_gpu(part.vectors, ann, device="cuda", rest=Rest(part.vectors))
    assert scan is not None
    assert scan.is_exact == (kind != "ivfpq")
    queries = vectors_of(9, dim=384, seed=2)
    held = DensePart(base=0, n_docs=3000, vectors=part.vectors, ann=ann)
    retriever = DenseRetriever(HashEncoder(dim=384), [held], device="cuda")
    for allowed in (None, np.arange(3000) % 3 > 0, np.arange(3000) % 300 == 0):
        truth = expected(part.vectors, queries, 100, allowed)
        rankings = retriever.retrieve_vectors(queries, 100, allowed)
        if scan.is_exact:
            assert rankings == truth
        shared = [len(np.intersect1d(a.rows, b.rows)) for a, b in zip(rankings, truth, strict=True)]
        assert np.mean(shared) >= 0.8 * len(truth[0])
