"""A reranker in half precision: refused where nothing serves it, checked where something does."""

import numpy as np
import pytest
from tiny_models import save_cross_encoder

from searchkit.errors import ConfigError, ModelError
from searchkit.models.cross_encoder import (
    CrossEncoderOptions,
    check_independence,
    in_precision,
    open_cross_encoder,
)
from searchkit.models.half import check_precision

PASSAGES = ["star dust", "bone protein and vitamin risk", "", "a galaxy of stars " * 9]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def scorer(folder):
    return open_cross_encoder(str(folder), options=CrossEncoderOptions(device="cpu"))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_without_cuda_is_refused_in_a_sentence(folder, precision):
    options = CrossEncoderOptions(device="cpu", precision=precision)
    with pytest.raises(ConfigError, match=rf"{precision} needs CUDA.* Use precision float32"):
        open_cross_encoder(str(folder), options=options)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match=r"'int7'.*bfloat16"):
        check_precision("int7", "cuda")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_scores_about_alike_and_says_what_it_is(scorer, precision):
    half = in_precision(scorer, precision)
    check_independence(half)
    exact, found = scorer.score("star", PASSAGES), half.score("star", PASSAGES)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - exact).max() < 0.1 * np.ptp(exact)
    assert half.fingerprint != scorer.fingerprint
    assert half.score("star", []).shape == (0,)


def test_scores_that_are_not_those_of_float32_are_refused(folder):
    """As those of a model whose code does more than its weights tell."""
    odd = open_cross_encoder(str(folder), options=CrossEncoderOptions(device="cpu"))
    [first, *_] = odd.model.base_model.encoder.layer
    first.attention.self.value.register_forward_hook(lambda *said: said[-1] * -3)
    with pytest.raises(ModelError, match="other than in float32"):
        in_precision(odd, "bfloat16")
