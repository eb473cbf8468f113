import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from searchkit.models.fakes import HashEncoder, OverlapScorer
from searchkit.types import Doc

texts = st.lists(st.text(alphabet="ab c", max_size=12), max_size=8)


@given(texts)
def test_hashed_vectors_have_unit_length_and_forget_order(texts):
    encoder = HashEncoder(dim=8)
    vectors = encoder.encode_docs(texts)
    backwards = encoder.encode_docs([" ".join(reversed(text.split())) for text in texts])
    assert vectors.shape == (len(texts), 8)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors, backwards)


def test_texts_that_share_words_lie_closer():
    near, far = HashEncoder().encode_docs(["bone loss in women", "the tail of a comet"])
    query = HashEncoder().encode_queries(["bone loss"])[0]
    assert near @ query > far @ query


def test_words_beyond_the_limit_are_not_read():
    encoder, scorer = HashEncoder(max_tokens=2), OverlapScorer(max_tokens=3)
    assert np.array_equal(*encoder.encode_docs(["a b", "a b c d"]))
    assert encoder.n_tokens(["a b c d"]) == [4]
    assert scorer.score("dust", ["a b dust"]).tolist() == [0.0]


def test_a_pair_scores_the_share_of_the_query_that_the_passage_holds():
    scorer = OverlapScorer()
    passages = [scorer.passage("", Doc("d", "Dust", "and gas")), "gas", ""]
    assert scorer.score("dust gas", passages).tolist() == [1.0, 0.5, 0.0]
    assert scorer.n_tokens("dust gas", passages) == [5, 3, 2]
    assert scorer.score("", ["a"]).tolist() == [0.0]


def test_encoders_that_differ_have_different_fingerprints():
    assert len({HashEncoder(d, m).fingerprint for d in (8, 16) for m in (2, 4)}) == 4
