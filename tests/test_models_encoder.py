import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import save_bert, save_encoder

from searchkit.errors import ModelError
from searchkit.models.card import card_languages
from searchkit.models.device import pick_device
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.load import load_model
from searchkit.models.names import ModelSpec, available, resolve
from searchkit.types import Doc

TEXTS = ["star dust", "bone protein and vitamin risk", "", "a galaxy of stars " * 9, "star dust"]
PROMPTS = {"query": "query: ", "passage": "passage: "}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("models") / "tiny", prompts=PROMPTS)


@pytest.fixture(scope="module")
def encoder(folder):
    return open_encoder(str(folder), options=EncoderOptions(device="cpu"))


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_vectors_are_those_of_sentence_transformers(folder, encoder):
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(folder), device="cpu")
    for ours, theirs in (
        (encoder.encode_docs(TEXTS), reference.encode(TEXTS, prompt="passage: ")),
        (encoder.encode_queries(TEXTS), reference.encode_query(TEXTS)),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_a_query_has_the_same_bits_alone_and_in_any_company(encoder):
    together = encoder.encode_queries(TEXTS)
    alone = [encoder.encode_queries([text])[0] for text in TEXTS]
    assert np.array_equal(together, alone)


def test_a_query_runs_on_one_thread_and_leaves_the_others_as_they_were(encoder):
    import torch

    before, seen = torch.get_num_threads(), []
    watch = encoder.model.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    try:
        torch.set_num_threads(3)
        encoder.encode_queries(["star dust"])
        encoder.encode_docs(["star dust"])
        assert seen == [1, 3]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
        watch.remove()


def test_equal_texts_share_one_vector(encoder):
    vectors = encoder.encode_docs(TEXTS)
    assert np.array_equal(vectors[0], vectors[4])


words = st.lists(st.sampled_from("star dust bone cell galaxy model".split()), max_size=40)


@settings(max_examples=8, deadline=None)
@given(st.lists(words.map(" ".join), max_size=12), st.randoms())
def test_company_moves_a_document_by_rounding_only(encoder, texts, random):
    shuffled = random.sample(range(len(texts)), len(texts))
    vectors = encoder.encode_docs(texts)
    again = encoder.encode_docs([texts[i] for i in shuffled])
    assert vectors.shape == (len(texts), encoder.dim)
    np.testing.assert_allclose(again, vectors[shuffled].reshape(again.shape), atol=1e-5)


def test_the_same_list_gives_the_same_bits(encoder):
    assert np.array_equal(encoder.encode_docs(TEXTS), encoder.encode_docs(TEXTS))


def test_tokens_are_counted_with_prompt_and_marks_and_before_the_cut(encoder):
    assert encoder.n_tokens(["", "star dust", "star " * 100]) == [4, 6, 104]  # [CLS] passage : ..
    assert encoder.n_tokens([]) == []


def test_nothing_beyond_the_limit_is_read(encoder):
    at_limit = "star " * (encoder.max_tokens - 4)
    longer, same = encoder.encode_docs([at_limit + "bone protein", at_limit])
    np.testing.assert_allclose(longer, same, atol=1e-6)


def test_broken_characters_in_a_query_are_read_as_something(encoder):
    assert encoder.encode_queries(["star \ud800 dust", "\x00", "🪐" * 50]).shape == (3, 32)


def test_a_passage_uses_the_template_and_the_tokenizer_s_separator(folder):
    options = EncoderOptions(template="{title} [SEP] {text}")
    assert open_encoder(str(folder), options=options).passage(Doc("d", "A", "b")) == "A [SEP] b"


@pytest.mark.parametrize(
    "options",
    [
        EncoderOptions(query_prompt=""),
        EncoderOptions(doc_prompt="title "),
        EncoderOptions(max_tokens=16),
        EncoderOptions(template="{text}"),
    ],
)
def test_options_that_shape_a_vector_change_the_fingerprint(folder, encoder, options):
    assert open_encoder(str(folder), options=options).fingerprint != encoder.fingerprint


def test_options_survive_being_stored():
    options = EncoderOptions(device="cpu", query_prompt="", max_tokens=16)
    assert EncoderOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options


def test_a_copied_folder_is_the_same_encoder(copy, encoder):
    assert open_encoder(str(copy)).fingerprint == encoder.fingerprint


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_raw_bert_is_pooled_as_its_alias_says(tmp_path, pooling):
    import torch
    from transformers import AutoModel, AutoTokenizer

    raw = save_bert(tmp_path / "raw")
    spec = ModelSpec(family="bi-encoder", folder=raw, pooling=pooling)
    model = load_model(raw, spec, device="cpu", trust_remote_code=False)
    tokens = AutoTokenizer.from_pretrained(raw)(["star dust"], return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(raw)(**tokens).last_hidden_state[0]
    expected = states[0] if pooling == "cls" else states.mean(0)
    np.testing.assert_allclose(model.encode("star dust"), expected.numpy(), atol=1e-5)


def test_opening_and_encoding_say_nothing(folder, capfd):
    open_encoder(str(folder)).encode_docs(["star " * 500])
    assert capfd.readouterr() == ("", "")


def refusal(name, **options):
    with pytest.raises(ModelError, match=r"^[^\n]+$") as caught:
        open_encoder(str(name), options=EncoderOptions(**options))
    return str(caught.value)


def test_a_hub_model_that_is_not_here_says_how_to_get_it():
    assert "HF_HUB_OFFLINE" in refusal("no-owner/no-model")


def test_a_hub_model_in_the_cache_opens_without_a_network(folder, encoder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    repo = tmp_path / "models--lab--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("c0ffee")
    shutil.copytree(folder, repo / "snapshots" / "c0ffee")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert available(resolve("lab/tiny", "bi-encoder")) == "cached"
    opened = open_encoder("lab/tiny")
    assert (opened.name, opened.fingerprint) == ("lab/tiny", encoder.fingerprint)


def test_a_folder_without_a_model_is_refused(tmp_path):
    assert "is no model" in refusal(tmp_path)


def test_pickled_weights_are_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "save_pretrained" in refusal(copy)


def test_cut_off_weights_are_refused(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(copy)


def test_weights_that_are_not_numbers_are_refused(copy):
    from safetensors.numpy import load_file, save_file

    weights = {
        name: np.full_like(w, np.nan) for name, w in load_file(copy / "model.safetensors").items()
    }
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert "not finite" in refusal(copy)


def test_a_cross_encoder_is_sent_to_the_reranker(copy):
    config = copy / "config_sentence_transformers.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "CrossEncoder"}))
    assert "--reranker" in refusal(copy)


def test_more_tokens_than_positions_are_refused(folder):
    assert open_encoder(str(folder), options=EncoderOptions(max_tokens=64)).max_tokens == 64
    assert "65 tokens" in refusal(folder, max_tokens=65)


def test_a_revision_of_a_folder_is_refused(folder):
    assert "--revision" in refusal(folder, revision="main")


def test_cuda_is_used_only_where_it_is():
    import torch

    if torch.cuda.is_available():
        assert pick_device("cuda") == pick_device("auto") == "cuda"
    else:
        assert pick_device("auto") == "cpu"
        with pytest.raises(ModelError, match="--device auto"):
            pick_device("cuda")


@pytest.mark.parametrize(
    ("card", "languages"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n# A model", ("en",)),
        ("---\nlicense: mit\nlanguage:\n- en\n- ar\ntags: []\n---\n", ("en", "ar")),
        ("---\nlanguage: [de, fr]\n---\n", ("de", "fr")),
        ("---\nlicense: mit\n---\nlanguage: en", ()),
        ("no front matter", ()),
        (None, ()),
    ],
)
def test_a_card_names_its_languages(tmp_path, card, languages):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert card_languages(tmp_path) == languages


def test_the_packaged_encoder_knows_words_that_mean_the_same():
    encoder = open_encoder("minilm")
    assert (encoder.dim, encoder.max_tokens, encoder.languages) == (384, 256, ("en",))
    docs = ["Brittle bones heal slowly.", "The comet has a long tail.", "Solid-state battery."]
    scores = encoder.encode_docs(docs) @ encoder.encode_queries(["osteoporosis and fractures"])[0]
    assert scores.argmax() == 0
