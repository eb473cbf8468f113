"""The listwise loss: ListNet where nothing else is asked, a correction where scores are given."""

import pytest
import torch
from sentence_transformers.cross_encoder.losses import ListNetLoss
from train_samples import base, labelled, read, recipe

from searchkit.errors import ConfigError
from searchkit.train.assembly import feed_of
from searchkit.train.base import open_base
from searchkit.train.listwise import Listwise
from searchkit.train.run import train

QUERIES = ["dust and star", "bone cell risk"]
DOCUMENTS = [["star dust", "glass metal", "the galaxy"], ["vitamin for bone", "lithium"]]
LABELS = [torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0])]


@pytest.fixture
def model(tmp_path):
    opened = open_base(recipe(base(tmp_path, "cross-encoder"), family="cross-encoder", loss="bce"))
    return opened.eval()


def scores(model):
    pairs = [(q, d) for q, docs in zip(QUERIES, DOCUMENTS, strict=True) for d in docs]
    return torch.split(model(model.preprocess(pairs))["scores"].view(-1), [3, 2])


def test_plain_it_is_listnet(model):
    inputs = [QUERIES, DOCUMENTS]
    theirs = ListNetLoss(model)(inputs, LABELS)
    assert torch.allclose(Listwise(model)(inputs, LABELS), theirs)


def test_a_low_temperature_asks_for_the_positive_alone(model):
    wanted = -torch.stack([s.log_softmax(0)[label.argmax()] for s, label in zip(
        scores(model), LABELS, strict=True)]).mean()  # fmt: skip
    assert torch.allclose(Listwise(model, temperature=0.01)([QUERIES, DOCUMENTS], LABELS), wanted)


def test_first_stage_scores_are_added_before_the_softmax(model):
    first = [torch.tensor([0.2, 1.0, 0.0]), torch.tensor([0.5, 0.1])]
    both = [torch.stack(pair, dim=1) for pair in zip(LABELS, first, strict=True)]
    found = Listwise(model, temperature=0.01, first_weight=4.0)([QUERIES, DOCUMENTS], both)
    summed = [s + 4 * f for s, f in zip(scores(model), first, strict=True)]
    wanted = -torch.stack(
        [s.log_softmax(0)[label.argmax()] for s, label in zip(summed, LABELS, strict=True)]
    ).mean()
    assert torch.allclose(found, wanted)


def scored(n):
    return [row | {"before": n % 3 - 7.5} for n, row in enumerate(labelled(n))]


def test_training_reads_the_scores_from_a_mapped_column(tmp_path):
    made = recipe(
        base(tmp_path, "cross-encoder"),
        family="cross-encoder",
        loss="listwise",
        loss_args={"temperature": 0.1, "first_weight": 2.0},
        frozen_embeddings=True,
        head_learning_rate=1e-2,
        dropout=0.0,
        max_steps=3,
    )
    examples = read(tmp_path, scored(12), "labelled", columns={"first": "before"})
    assert examples.data.column_names == ["query", "document", "label", "first"]
    assert {row["first"] for row in examples.data} == {-7.5, -6.5, -5.5}
    before = open_base(made).transformers_model.state_dict()
    train(made, examples, None, tmp_path / "out")
    from sentence_transformers import CrossEncoder

    after = CrossEncoder(str(tmp_path / "out"), device="cpu").transformers_model.state_dict()
    same = {name for name, weights in before.items() if torch.equal(weights, after[name])}
    assert {"bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.bias"} <= same
    assert not any("encoder" in name and name.endswith("weight") for name in same)


def test_other_losses_refuse_the_scores(tmp_path):
    examples = read(tmp_path, scored(4), "labelled", columns={"first": "before"})
    made = recipe("x", family="cross-encoder", loss="bce")
    with pytest.raises(ConfigError, match="only the loss listwise adds first-stage scores"):
        feed_of(made, examples, None, tmp_path)
