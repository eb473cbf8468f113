"""Models exported once: the outputs of torch, opened without it, made again when damaged."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import WORDS, save_cross_encoder, save_encoder

from searchkit.models import served, telling
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.onnx_model import RUN_TOKENS, _runs

TEXTS = ["star dust", " bone protein\nand  risk ", "", "a galaxy of stars " * 30, "σ naïve 星"]


@pytest.fixture
def own_exports(home):
    """A folder of exports of this test's own."""
    (home / "served").unlink()
    return home / "served"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    prompts = {"query": "query: ", "document": "passage: "}
    return save_encoder(tmp_path_factory.mktemp("m") / "encoder", prompts=prompts)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory):
    return save_cross_encoder(tmp_path_factory.mktemp("m") / "cross-encoder")


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_an_exported_encoder_encodes_as_torch_does(tmp_path, pooling):
    folder = str(save_encoder(tmp_path / "m", pooling=pooling, prompts={"query": "query: "}))
    plain, served = open_encoder(folder), open_encoder(folder, backend="auto")
    assert served.onnx is not None
    assert served.fingerprint == plain.fingerprint
    assert served.n_tokens(TEXTS) == plain.n_tokens(TEXTS)
    np.testing.assert_allclose(served.encode_queries(TEXTS), plain.encode_queries(TEXTS), atol=1e-5)


def test_opened_again_it_is_the_same_encoder(encoder):
    first, again = (open_encoder(str(encoder), backend="auto") for _ in range(2))
    np.testing.assert_array_equal(first.encode_queries(TEXTS), again.encode_queries(TEXTS))
    np.testing.assert_array_equal(first.encode_docs(TEXTS), again.encode_docs(TEXTS))
    assert (first.fingerprint, first.recipe, first.dim) == (
        again.fingerprint,
        again.recipe,
        again.dim,
    )
    assert again.shattered(TEXTS) == first.shattered(TEXTS)


def test_settings_of_the_user_have_an_export_of_their_own(encoder):
    short = EncoderOptions(max_tokens=8, query_prompt="about ")
    served = open_encoder(str(encoder), options=short, backend="auto")
    plain = open_encoder(str(encoder), options=short)
    assert served.max_tokens == plain.max_tokens == 8
    np.testing.assert_allclose(served.encode_queries(TEXTS), plain.encode_queries(TEXTS), atol=1e-5)


@settings(max_examples=25)
@given(passages=st.lists(st.lists(st.sampled_from(WORDS.split()), max_size=40), max_size=20))
def test_an_exported_scorer_scores_as_torch_does(cross_encoder, passages):
    texts = [" ".join(words) for words in passages]
    plain = open_cross_encoder(str(cross_encoder))
    exported = open_cross_encoder(str(cross_encoder), backend="auto")
    assert exported.packed is not None
    expected = plain.score("bone risk", texts)
    np.testing.assert_allclose(exported.score("bone risk", texts), expected, rtol=1e-5, atol=1e-5)


def test_fingerprint_and_reading_do_not_depend_on_who_scores(cross_encoder):
    plain = open_cross_encoder(str(cross_encoder))
    exported = open_cross_encoder(str(cross_encoder), backend="auto")
    assert (exported.fingerprint, exported.reading) == (plain.fingerprint, plain.reading)


def test_the_packaged_reranker_is_exported_with_its_base():
    plain = open_cross_encoder("house-small")
    exported = open_cross_encoder("house-small", backend="auto")
    assert exported.packed is not None
    passages = ["bone density and vitamin D in a trial " * n for n in (1, 3, 9)]
    expected = plain.score("vitamin d", passages)
    np.testing.assert_allclose(exported.score("vitamin d", passages), expected, rtol=1e-5)


@pytest.mark.parametrize("file", ["model.onnx", "facts.json", "tokenizer.json", "probes.npy"])
def test_a_damaged_export_is_made_again(own_exports, cross_encoder, file):
    before = open_cross_encoder(str(cross_encoder), backend="auto").score("star", TEXTS)
    [path] = own_exports.glob(f"*/{file}")
    path.write_bytes(path.read_bytes()[:20])
    after = open_cross_encoder(str(cross_encoder), backend="auto")
    assert after.packed is not None
    np.testing.assert_array_equal(after.score("star", TEXTS), before)
    assert path.stat().st_size > 20


def test_one_flipped_bit_of_a_graph_is_seen(own_exports, cross_encoder):
    expected = open_cross_encoder(str(cross_encoder), backend="auto").score("star", TEXTS)
    [path] = own_exports.glob("*/model.onnx")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    again = open_cross_encoder(str(cross_encoder), backend="auto")
    np.testing.assert_array_equal(again.score("star", TEXTS), expected)
    assert path.read_bytes() != content


def test_the_first_export_and_a_home_that_keeps_none_are_said(home, cross_encoder, monkeypatch):
    said = []
    monkeypatch.setattr(telling, "listeners", [said.append])
    (home / "served").unlink()
    for _ in range(2):
        open_cross_encoder(str(cross_encoder), backend="auto")
    assert [sentence.split()[0] for sentence in said] == ["Preparing"]
    monkeypatch.setenv("SEARCHKIT_HOME", str(home / "file"))
    (home / "file").write_text("")
    open_cross_encoder(str(cross_encoder), backend="auto")
    assert "Set SEARCHKIT_HOME" in said[-1]


def test_other_weights_are_never_served_by_an_old_export(own_exports, tmp_path):
    folder = save_cross_encoder(tmp_path / "m", seed=1)
    first = open_cross_encoder(str(folder), backend="auto").score("star", TEXTS)
    save_cross_encoder(tmp_path / "other", seed=2)
    (tmp_path / "other" / "model.safetensors").replace(folder / "model.safetensors")
    then = open_cross_encoder(str(folder), backend="auto").score("star", TEXTS)
    assert np.abs(first - then).max() > 1e-3
    np.testing.assert_allclose(then, open_cross_encoder(str(folder)).score("star", TEXTS), 1e-5)


def test_an_export_that_scores_otherwise_is_not_used(own_exports, cross_encoder, monkeypatch):
    def of_another(model, out, *, has_types):
        import torch

        from searchkit.models.onnx_export import export_cross_encoder

        with torch.no_grad():
            model.classifier.weight.mul_(1.001)
        export_cross_encoder(model, out, has_types=has_types)

    monkeypatch.setattr("searchkit.models.cross_encoder.export_cross_encoder", of_another)
    scorer = open_cross_encoder(str(cross_encoder), backend="auto")
    assert scorer.packed is None
    assert not list(own_exports.iterdir())


def test_a_home_that_cannot_be_written_leaves_torch(home, cross_encoder):
    (home / "served").unlink()
    (home / "served").write_text("no folder")
    assert open_cross_encoder(str(cross_encoder), backend="auto").packed is None


def test_exports_that_nobody_uses_are_let_go(own_exports, cross_encoder, monkeypatch):
    monkeypatch.setattr(served, "_MOST", 2)
    for n in (20, 24, 28):
        open_cross_encoder(
            str(cross_encoder), options=CrossEncoderOptions(max_tokens=n), backend="auto"
        )
    kept = [json.loads(path.read_text()) for path in own_exports.glob("*/facts.json")]
    assert sorted(facts["max_tokens"] for facts in kept) == [24, 28]


def test_torch_is_not_imported_for_what_was_exported(encoder, cross_encoder):
    for open_it, folder in ((open_encoder, encoder), (open_cross_encoder, cross_encoder)):
        open_it(str(folder), backend="auto")
    code = (
        "import sys\n"
        "from searchkit.models.encoder import open_encoder\n"
        "from searchkit.models.cross_encoder import open_cross_encoder\n"
        f"encoder = open_encoder({str(encoder)!r}, backend='auto')\n"
        f"scorer = open_cross_encoder({str(cross_encoder)!r}, backend='auto')\n"
        "encoder.encode_queries(['star']); scorer.score('star', ['dust'])\n"
        "print({'torch', 'transformers', 'sentence_transformers'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@given(st.lists(st.integers(1, 400), max_size=60))
def test_runs_hold_rows_of_one_length_and_every_row_once(lengths):
    runs = list(_runs(lengths))
    assert sorted(i for run in runs for i in run.tolist()) == list(range(len(lengths)))
    for run in runs:
        assert len({lengths[i] for i in run}) == 1
        assert len(run) == 1 or sum(lengths[i] for i in run) <= RUN_TOKENS
