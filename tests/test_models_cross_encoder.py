import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    CanineTokenizer,
    ElectraConfig,
    ElectraForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from searchkit.errors import ConfigError, ModelError
from searchkit.models.cross_encoder import (
    CrossEncoderOptions,
    check_independence,
    open_cross_encoder,
)
from searchkit.models.pair_tokens import PairFrame, batches
from searchkit.models.quiet import quiet
from searchkit.types import Doc

WORDS = "how far away are the galaxies stars in a dense cluster move fast and drift".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZE = {
    "vocab_size": 32,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "num_labels": 1,
    "initializer_range": 0.3,  # large, so that scores of pairs differ
}


def bert_tokenizer(folder):
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS, "##s", "4", "##2"]))
    return BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)


def roberta_tokenizer(_):
    """`<s> query </s></s> passage </s>`, without token types."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *WORDS]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )


KINDS = {
    "bert": (BertForSequenceClassification, BertConfig, bert_tokenizer),
    "electra": (ElectraForSequenceClassification, ElectraConfig, bert_tokenizer),
    "roberta": (RobertaForSequenceClassification, RobertaConfig, roberta_tokenizer),
}


def save(folder, kind="bert", tokenizer=None, **settings):
    torch.manual_seed(3)
    model, config, own_tokenizer = KINDS[kind]
    folder.mkdir(parents=True)
    with quiet():
        model(config(**SIZE | settings)).save_pretrained(folder)
        (tokenizer or own_tokenizer(folder)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {kind: save(root / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def scorers(folders):
    return {kind: open_cross_encoder(str(folder)) for kind, folder in folders.items()}


def reference(folder, query, passages):
    """What sentence-transformers itself says, without an activation."""
    with quiet():
        model = CrossEncoder(
            str(folder), device="cpu", activation_fn=torch.nn.Identity(), local_files_only=True
        )
        return model.predict([(query, passage) for passage in passages])


texts = st.lists(st.sampled_from([*WORDS, "42", "zzz"]), max_size=90).map(" ".join)
PASSAGES = ["stars", "", "a dense cluster", "stars drift and move", "galaxies 42 far away"]


@settings(max_examples=25, deadline=None)
@given(texts, st.lists(st.tuples(texts, st.booleans()), min_size=1, max_size=5))
@pytest.mark.parametrize("kind", KINDS)
def test_a_passage_may_be_given_by_its_stored_tokens(scorers, kind, query, drawn):
    scorer, docs = scorers[kind], [Doc("", "", text) for text, _ in drawn]
    passages = [scorer.passage(query, doc) for doc in docs]
    stored = [
        tokens if is_stored else text
        for (_, is_stored), tokens, text in zip(
            drawn, scorer.stored_tokens(docs), passages, strict=True
        )
    ]
    assert scorer.pairs(query, stored) == scorer.pairs(query, passages)
    assert scorer.score_stored(query, stored).tobytes() == scorer.score(query, passages).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_raw_logits_of_sentence_transformers(folders, scorers, kind):
    scores = scorers[kind].score("how far are the galaxies", PASSAGES)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(
        reference(folders[kind], "how far are the galaxies", PASSAGES), abs=1e-6
    )
    assert len(set(scores.tolist())) == len(PASSAGES)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(drawn=st.tuples(texts, st.lists(texts, min_size=1, max_size=12), st.randoms()))
def test_a_score_does_not_depend_on_its_batch_mates(scorers, kind, drawn):
    scorer, (query, passages, random) = scorers[kind], drawn
    together = dict(zip(passages, scorer.score(query, passages).tolist(), strict=True))
    shuffled = random.sample(passages, len(passages))
    again = dict(zip(shuffled, scorer.score(query, shuffled).tolist(), strict=True))
    alone = {passage: float(scorer.score(query, [passage])[0]) for passage in passages}
    assert again == pytest.approx(together, abs=1e-5)
    assert alone == pytest.approx(together, abs=1e-5)


def tokenizer_of(scorer):
    """transformers' own, of the folder that the scorer was loaded from."""
    with quiet():
        return AutoTokenizer.from_pretrained(scorer.folder)


@settings(max_examples=60)
@given(st.sampled_from(list(KINDS)), texts, texts)
def test_long_pairs_keep_half_for_the_query_and_never_raise(scorers, kind, query, passage):
    scorer, drawn = scorers[kind], (query, passage)
    tokenizer = tokenizer_of(scorer)
    [(ids, types)] = scorer.pairs(query, [passage])
    [n_tokens] = scorer.n_tokens(query, [passage])
    [whole] = tokenizer([query], [passage], verbose=False)["input_ids"]
    assert n_tokens == len(whole)
    assert len(ids) == len(types) == min(n_tokens, scorer.max_tokens)
    room = scorer.max_tokens - scorer.frame.n_special
    n_query = len(tokenizer(query, add_special_tokens=False)["input_ids"])
    n_passage = n_tokens - n_query - scorer.frame.n_special
    kept, rest = scorer.frame.n_kept(n_query, n_passage, scorer.max_tokens)
    assert kept >= min(n_query, room // 2)
    assert kept + rest == min(room, n_query + n_passage)
    if n_tokens <= scorer.max_tokens:
        assert ids == whole
    asked, read = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in drawn)
    assert (ids, types) == scorer.frame.join(asked, read, scorer.max_tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_passage_is_cut_where_the_query_is_short(scorers, kind):
    scorer, query, passage = scorers[kind], "how far", "stars drift " * 60
    [(ids, types)] = scorer.pairs(query, [passage])
    cut = tokenizer_of(scorer)(
        query,
        passage,
        truncation="only_second",
        max_length=scorer.max_tokens,
        return_token_type_ids=True,
    )
    assert (ids, types) == (cut["input_ids"], cut["token_type_ids"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_is_what_positions_and_tokenizer_allow(scorers, kind):
    # RoBERTa keeps two rows of its positions for padding
    assert scorers[kind].max_tokens == (62 if kind == "roberta" else 64)
    assert np.isfinite(scorers[kind].score("stars " * 500, ["galaxies " * 500])).all()


def test_no_passages_get_no_scores(scorers):
    scores = scorers["bert"].score("stars", [])
    assert (scores.shape, scores.dtype) == ((0,), np.float32)


def test_a_broken_surrogate_is_scored(scorers):
    assert np.isfinite(scorers["bert"].score("stars \udc80", ["\ud800 cluster"])).all()


def test_a_passage_is_written_with_the_separator_of_its_tokenizer(folders):
    doc = Doc("1", "Stars", "A dense cluster")
    options = CrossEncoderOptions(template="{title} [SEP] {text}")
    passages = {
        kind: open_cross_encoder(str(folders[kind]), options=options).passage("", doc)
        for kind in ("electra", "roberta")
    }
    assert passages == {
        "electra": "Stars [SEP] A dense cluster",
        "roberta": "Stars </s> A dense cluster",
    }


def test_options_change_the_fingerprint_and_a_copy_does_not(folders, scorers, tmp_path):
    copied = shutil.copytree(folders["bert"], tmp_path / "elsewhere")
    assert open_cross_encoder(str(copied)).fingerprint == scorers["bert"].fingerprint
    shorter = open_cross_encoder(str(copied), options=CrossEncoderOptions(max_tokens=32))
    assert shorter.max_tokens == 32
    assert shorter.fingerprint != scorers["bert"].fingerprint


def test_weights_saved_in_half_precision_score_in_float32(folders, tmp_path):
    folder = shutil.copytree(folders["bert"], tmp_path / "half")
    with quiet():
        BertForSequenceClassification.from_pretrained(folder).half().save_pretrained(folder)
    scorer = open_cross_encoder(str(folder))
    assert {weight.dtype for weight in scorer.model.parameters()} == {torch.float32}


def test_a_folder_saved_by_sentence_transformers_scores_alike(folders, scorers, tmp_path):
    with quiet():
        CrossEncoder(str(folders["electra"]), device="cpu").save_pretrained(str(tmp_path / "st"))
    saved = open_cross_encoder(str(tmp_path / "st"))
    expected = scorers["electra"].score("stars", PASSAGES)
    assert saved.score("stars", PASSAGES).tolist() == expected.tolist()


class Leaky(BertForSequenceClassification):
    """Reads the padding as if it were text, as a badly traced export does."""

    def forward(self, input_ids, attention_mask, **others):
        return super().forward(input_ids, attention_mask=torch.ones_like(input_ids), **others)


def test_a_model_that_sees_the_padding_is_refused(folders):
    scorer = open_cross_encoder(str(folders["bert"]))
    scorer.model.__class__ = Leaky
    with pytest.raises(ModelError, match="scores a pair differently among other pairs"):
        check_independence(scorer)


def test_weights_that_are_no_numbers_are_refused(folders, tmp_path):
    folder = shutil.copytree(folders["bert"], tmp_path / "nan")
    with quiet():
        model = BertForSequenceClassification.from_pretrained(folder)
        torch.nn.init.constant_(model.classifier.weight, float("nan"))
        model.save_pretrained(folder)
    with pytest.raises(ModelError, match="gives scores that are no numbers"):
        open_cross_encoder(str(folder))


def break_labels(folder):
    shutil.rmtree(folder)
    save(folder, num_labels=3)


def break_head(folder):
    with quiet():
        BertModel.from_pretrained(folder).save_pretrained(folder)
    rename(folder, "BertForSequenceClassification")


def break_into_bi_encoder(folder):
    with quiet():
        BertModel.from_pretrained(folder).save_pretrained(folder)


def rename(folder, architecture):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": [architecture]}))


def break_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])


def break_config(folder):
    (folder / "config.json").write_text("{")


def drop_architecture(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config))


def pickle_weights(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def take_a_larger_tokenizer(folder):
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *(f"w{i}" for i in range(40))]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def require_foreign_code(folder):
    config = json.loads((folder / "config.json").read_text())
    foreign = {
        "model_type": "foreign",
        "auto_map": {
            "AutoConfig": "configuration.Foreign",
            "AutoModelForSequenceClassification": "modeling.Foreign",
        },
    }
    (folder / "config.json").write_text(json.dumps(config | foreign))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (break_labels, "gives 3 labels a pair, where a reranker gives one score"),
        (break_head, "lacks the weights .*classifier.weight, so its scores would"),
        (break_into_bi_encoder, "is no cross-encoder: its config.json says BertModel"),
        (break_weights, "cannot be loaded"),
        (break_config, "config.json cannot be read"),
        (drop_architecture, "is no cross-encoder: its config.json says no architecture"),
        (pickle_weights, "no safetensors weights"),
        (take_a_larger_tokenizer, "has 45 tokens, more than the model knows"),
        (require_foreign_code, "--trust-remote-code"),
        (shutil.rmtree, "is no alias, folder or hub name"),
    ],
)
def test_a_folder_that_is_no_reranker_is_one_sentence(folders, tmp_path, damage, why):
    folder = shutil.copytree(folders["bert"], tmp_path / "copy")
    damage(folder)
    with pytest.raises(ModelError, match=why) as refusal:
        open_cross_encoder(str(folder))
    assert "\n" not in str(refusal.value)


def test_a_tokenizer_that_cannot_pad_is_refused(folders, tmp_path):
    folder = shutil.copytree(folders["roberta"], tmp_path / "copy")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="has no tokenizer that can pad"):
        open_cross_encoder(str(folder))


def test_the_packaged_bi_encoder_is_no_reranker():
    with pytest.raises(ModelError, match="Give it to --encoder"):
        open_cross_encoder("minilm")


def test_a_hub_model_that_is_not_here_is_one_sentence():
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        open_cross_encoder("nobody/a-cross-encoder-that-is-not-here")


@pytest.mark.parametrize("max_tokens", [15, 65])
def test_a_limit_that_the_model_cannot_keep_is_refused(folders, max_tokens):
    options = CrossEncoderOptions(max_tokens=max_tokens)
    with pytest.raises(ConfigError, match=f"reads 16 to 64 tokens of a pair, not {max_tokens}"):
        open_cross_encoder(str(folders["bert"]), options=options)


def test_a_template_without_fields_is_refused(folders):
    with pytest.raises(ConfigError, match=r"needs \{title\} or \{text\}"):
        open_cross_encoder(str(folders["bert"]), options=CrossEncoderOptions(template="title"))


def test_a_tokenizer_without_a_fast_core_is_refused():
    with pytest.raises(ModelError, match=r"canine has no tokenizer\.json"):
        PairFrame.of(CanineTokenizer(), "canine")


def test_a_tokenizer_that_reads_no_pairs_is_refused():
    core = Tokenizer(models.WordLevel({"<unk>": 0}, "<unk>"))
    core.post_processor = processors.TemplateProcessing(single="$A", pair="$B:0 $A:0")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
    with pytest.raises(ModelError, match="reads no pairs of texts, query first"):
        PairFrame.of(tokenizer, "odd")


@given(st.lists(st.integers(1, 64), max_size=40), st.integers(1, 200))
def test_batches_hold_every_pair_once_within_the_tokens(lengths, max_tokens):
    lengths = np.array(lengths, np.int64)
    found = list(batches(lengths, max_tokens))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    assert all(len(b) * lengths[b].max() <= max_tokens or len(b) == 1 for b in found)
    flat = [lengths[i] for batch in found for i in batch]
    assert flat == sorted(flat, reverse=True)
