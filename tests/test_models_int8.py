"""Documents in 8-bit numbers: kernels against numpy, vectors near float32's, rows on their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tiny_models import WORDS, save_encoder

from searchkit.errors import ConfigError, ModelError
from searchkit.models import int8_kernel
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.int8 import check_near

INT8 = EncoderOptions(precision="int8")
TEXTS = [" ".join(WORDS.split()[n : n + 12]) for n in range(20)]

values = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 70)),
    elements=st.floats(-1e4, 1e4, width=32),
)


def quantised(table):
    units, scales = np.empty(table.shape, np.int8), np.empty(len(table), np.float32)
    int8_kernel.quantise(table, units, scales)
    return units, scales


@given(values)
def test_a_row_is_rounded_by_its_own_largest(table):
    units, scales = quantised(table)
    top = np.abs(table).max(1)
    expected = np.where(top > 1e-30, top / np.float32(127), 0)
    np.testing.assert_allclose(scales, expected, rtol=1e-6)
    back = units * scales[:, None]
    assert (np.abs(back - table) <= np.maximum(0.501 * scales[:, None], 1e-30)).all()


@given(values, st.integers(0, 2**32 - 1))
def test_sums_are_scaled_and_normalised_as_numpy_does(table, seed):
    rng = np.random.default_rng(seed)
    n, m = table.shape
    sums = rng.integers(-(10**6), 10**6, (n, m), dtype=np.int32)
    scales, weights, bias, gain, shift = (
        rng.uniform(0.1, 2, size).astype(np.float32) for size in (n, m, m, m, m)
    )
    plain = sums * (scales[:, None] * weights) + bias
    out = np.empty((n, m), np.float32)
    int8_kernel.rescale(sums, scales, weights, bias, out)
    np.testing.assert_allclose(out, plain, rtol=1e-5, atol=1e-3)
    int8_kernel.rescale_add_norm(sums, scales, weights, bias, table, gain, shift, 1e-5, out)
    added = plain.astype(np.float64) + table
    centred = added - added.mean(1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * gain + shift
    np.testing.assert_allclose(out, expected, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    prompts = {"query": "query: ", "document": "passage: "}
    return str(save_encoder(tmp_path_factory.mktemp("m") / "encoder", prompts=prompts))


@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_documents_lie_near_those_of_float32(folder, backend):
    exact = open_encoder(folder)
    encoder = open_encoder(folder, options=INT8, backend=backend)
    found = encoder.encode_docs(TEXTS)
    cosines = (found * exact.encode_docs(TEXTS)).sum(1)
    assert cosines.min() > 0.98
    assert cosines.min() < 1 - 1e-7  # it is another arithmetic
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        encoder.encode_queries(TEXTS), exact.encode_queries(TEXTS), atol=1e-5
    )


def test_a_vector_does_not_depend_on_the_others(folder):
    encoder = open_encoder(folder, options=INT8)
    together = encoder.encode_docs(TEXTS)
    alone = np.concatenate([encoder.encode_docs([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_docs(TEXTS[::-1])[::-1], together, atol=1e-5)


def test_no_texts_and_equal_texts(folder):
    encoder = open_encoder(folder, options=INT8)
    assert encoder.encode_docs([]).shape == (0, encoder.dim)
    twice = encoder.encode_docs(["star", "dust", "star"])
    np.testing.assert_array_equal(twice[0], twice[2])


def test_another_precision_is_another_encoder(folder):
    assert open_encoder(folder, options=INT8).fingerprint != open_encoder(folder).fingerprint
    assert "precision" not in EncoderOptions().to_dict()
    assert EncoderOptions.from_dict(INT8.to_dict()) == INT8


def test_vectors_that_point_elsewhere_are_refused():
    with pytest.raises(ModelError, match="cosine"):
        check_near("m", np.eye(2, dtype=np.float32), np.ones((2, 2), np.float32))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (EncoderOptions(precision="int8", device="cuda"), "processor"),
        (EncoderOptions(precision="int4"), "no precision"),
    ],
)
def test_what_cannot_be_served_is_said(folder, options, said):
    with pytest.raises(ConfigError, match=said):
        open_encoder(folder, options=options)


def test_a_model_that_cannot_be_packed_is_refused(tmp_path):
    folder = save_encoder(tmp_path / "m", pooling="max")
    encoder = open_encoder(str(folder), options=INT8)
    with pytest.raises(ModelError, match="precision float32"):
        encoder.encode_docs(["star"])
