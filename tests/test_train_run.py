"""Recipes and examples -> trained models: losses, evaluators, log, plot, folders."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import train_samples as samples
from tiny_models import save_encoder

from searchkit.errors import ConfigError, ModelError
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.models.encoder import open_encoder
from searchkit.train.arguments import arguments, precision_of
from searchkit.train.log import Log
from searchkit.train.plan import plan
from searchkit.train.run import train

ROWS = {"triplets": samples.triplets, "pairs": samples.pairs, "labelled": samples.labelled}
LEARNS = {
    "multiple-negatives, cross-encoder": {
        "shape": "triplets",
        "loss": "multiple-negatives",
        "loss_args": {"scale": 10.0, "num_negatives": 4, "activation": "sigmoid"},
        "sampler": "no-duplicates",
        "evaluator": "classification",
    },
    "multiple-negatives, bi-encoder": {
        "family": "bi-encoder",
        "shape": "pairs",
        "loss": "multiple-negatives",
        "loss_args": {"scale": 20.0},
        "evaluator": "retrieval",
    },
    "weighted bce": {"loss_args": {"pos_weight": 5.0}, "evaluator": "reranking"},
    "bce": {"loss_args": {"activation": "identity"}, "evaluator": "similarity"},
    "listwise": {"loss": "listwise", "evaluator": "reranking"},
    "margin-mse, cross-encoder": {"shape": "triplets", "loss": "margin-mse"},
    "margin-mse, bi-encoder": {"family": "bi-encoder", "shape": "triplets", "loss": "margin-mse"},
}


def examples(folder, recipe, n, *, seed=0, name="train"):
    rows = ROWS[recipe.shape](n, seed)
    columns = {}
    if recipe.loss == "margin-mse":
        rows = [{**row, "margin": 0.8} for row in rows]
        columns = {"label": "margin"}
    return samples.read(folder, rows, recipe.shape, name=name, columns=columns)


def tiny(folder, **settings):
    return samples.recipe(samples.base(folder, settings.get("family", "cross-encoder")), **settings)


def without_dropout(folder):
    """In a model this small, dropout hides what is learnt in so few steps."""
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text())
    path.write_text(
        json.dumps({**config, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    )


@pytest.mark.parametrize("settings", LEARNS.values(), ids=LEARNS.keys())
def test_each_loss_falls_and_the_folder_is_plain(tmp_path, settings):
    recipe = tiny(tmp_path, epochs=8, **settings)
    without_dropout(recipe.base)
    data, dev = examples(tmp_path, recipe, 16), None
    if recipe.evaluator:
        dev = examples(tmp_path, recipe, 6, seed=1, name="dev")
    heard = []
    result = train(
        recipe, data, dev, tmp_path / "out", device="cpu", progress=lambda *at: heard.append(at)
    )
    table = Log(tmp_path / "out/training/log.jsonl").table()
    losses = [row["loss"] for row in table if "loss" in row]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert heard[-1] == (result.n_steps, result.total_steps)
    assert bool(result.metrics) == bool(recipe.evaluator)
    if recipe.family == "cross-encoder":
        model = open_cross_encoder(str(tmp_path / "out"))
        assert model.max_tokens == recipe.max_tokens
        assert model.score("galaxy dust", ["galaxy dust star", "bone vitamin"]).shape == (2,)
    else:
        assert open_encoder(str(tmp_path / "out")).encode_queries(["galaxy dust"]).shape == (1, 32)


def test_the_classification_evaluator_gives_the_measures_of_the_cards(tmp_path):
    recipe = tiny(tmp_path, evaluator="classification", evaluator_name="cite", evaluate_every=4)
    data = examples(tmp_path, recipe, 8)
    dev = examples(tmp_path, recipe, 4, seed=1, name="dev")
    result = train(recipe, data, dev, tmp_path / "out", device="cpu")
    wanted = ("accuracy", "accuracy_threshold", "f1", "f1_threshold", "precision", "recall")
    assert {f"cite_{name}" for name in (*wanted, "average_precision")} | {"loss"} == set(
        result.metrics
    )
    table = Log(tmp_path / "out/training/log.jsonl").table()
    assert [row["step"] for row in table if "eval_loss" in row] == [4, 6]  # every 4, and the end


@pytest.mark.parametrize("evaluator", ["classification", "similarity", "reranking", "retrieval"])
def test_bi_encoders_are_measured_too(tmp_path, evaluator):
    settings = {"family": "bi-encoder", "shape": "triplets", "loss": "multiple-negatives"}
    recipe = tiny(tmp_path, evaluator=evaluator, keep_best=True, max_steps=2, **settings)
    dev = examples(tmp_path, recipe, 4, seed=1, name="dev")
    result = train(recipe, examples(tmp_path, recipe, 8), dev, tmp_path / "out", device="cpu")
    assert result.best_step == 2
    assert result.metrics


def test_the_best_checkpoint_is_the_model_that_is_left(tmp_path):
    from safetensors.numpy import load_file

    settings = {"evaluator": "classification", "best_metric": "loss", "evaluate_every": 1}
    recipe = tiny(tmp_path, epochs=3, learning_rate=0.05, keep_best=True, **settings)
    data = examples(tmp_path, recipe, 4)
    dev = examples(tmp_path, recipe, 4, seed=9, name="dev")
    result = train(recipe, data, dev, tmp_path / "out", device="cpu")
    table = Log(tmp_path / "out/training/log.jsonl").table()
    by_step = {row["step"]: row["eval_loss"] for row in table}
    assert result.best_step == min(by_step, key=by_step.get) < result.n_steps
    assert result.metrics["loss"] == by_step[result.best_step]
    kept = load_file(
        tmp_path / f"out/training/checkpoints/checkpoint-{result.best_step}/weights.safetensors"
    )
    left = load_file(tmp_path / "out/model.safetensors")
    head = next(name for name in kept if name.endswith("classifier.weight"))
    assert (kept[head] == left["classifier.weight"]).all()


def test_early_stopping_ends_a_run_that_gains_nothing(tmp_path):
    settings = {"evaluator": "classification", "evaluate_every": 1, "patience": 2}
    recipe = tiny(tmp_path, epochs=9, learning_rate=1e-12, **settings)
    data = examples(tmp_path, recipe, 4)
    dev = examples(tmp_path, recipe, 4, seed=1, name="dev")
    result = train(recipe, data, dev, tmp_path / "out", device="cpu")
    assert (result.n_steps, result.stopped_early) == (3, True)


def test_accumulated_batches_are_one_step(tmp_path):
    recipe = tiny(tmp_path, accumulate=3, epochs=2)
    data = examples(tmp_path, recipe, 7)  # 21 rows, 6 batches
    result = train(recipe, data, None, tmp_path / "out", device="cpu")
    assert result.n_steps == plan(recipe, 21).total_steps == 4


def test_the_seed_decides(tmp_path):
    recipe = tiny(tmp_path, max_steps=3)
    data = examples(tmp_path, recipe, 6)
    losses = [
        train(replace(recipe, seed=seed), data, None, tmp_path / f"out{n}", device="cpu").loss
        for n, seed in enumerate((1, 1, 2))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_layers_and_adapters_leave_a_plain_model(tmp_path):
    from sentence_transformers import CrossEncoder

    recipe = tiny(tmp_path, layers=(1,), lora=2, max_steps=2)
    data = examples(tmp_path, recipe, 4)
    train(recipe, data, None, tmp_path / "out", device="cpu")
    model = CrossEncoder(str(tmp_path / "out"), device="cpu")
    assert model.transformers_model.config.num_hidden_layers == 1
    assert not any("lora" in name for name in model.state_dict())
    plain = open_cross_encoder(str(tmp_path / "out"))
    pair = ("galaxy dust", "galaxy dust light")
    logit = math.log(1 / (1 / float(model.predict([pair])[0]) - 1))
    assert plain.score(pair[0], [pair[1]])[0] == pytest.approx(logit, abs=1e-4)


def test_log_and_plot(tmp_path, capsys):
    recipe = tiny(tmp_path, evaluator="classification", log_every=500)
    data = examples(tmp_path, recipe, 8)
    dev = examples(tmp_path, recipe, 4, seed=1, name="dev")
    train(recipe, data, dev, tmp_path / "out", device="cpu")
    assert capsys.readouterr() == ("", "")
    home = tmp_path / "out/training"
    lines = [json.loads(line) for line in (home / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert {"step", "epoch", "loss", "learning_rate", "grad_norm"} == set(lines[0])
    assert (home / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (home / "checkpoints").glob("*-*")] == ["checkpoint-6"]


def test_a_log_line_cut_short_by_a_kill_is_left_out(tmp_path):
    log = Log(tmp_path / "log.jsonl")
    log.add({"step": 1, "loss": 2.0})
    log.add({"step": 2, "loss": 1.0})
    with log.path.open("a") as file:
        file.write('{"step": 3, "lo')
    assert log.records() == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    log.cut(1)
    assert log.records() == [{"step": 1, "loss": 2.0}]


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    recipe = tiny(tmp_path, loss="listwise", learning_rate=1.0, epochs=5)
    import torch
    from safetensors.torch import load_file, save_file

    path = tmp_path / "cross-encoder/model.safetensors"
    weights = load_file(path)
    weights["embeddings.word_embeddings.weight"][:] = torch.nan
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="no number any more at step 1"):
        train(recipe, examples(tmp_path, recipe, 6), None, tmp_path / "out", device="cpu")


def refused(tmp_path, recipe, data, dev=None):
    with pytest.raises(ConfigError) as caught:
        train(recipe, data, dev, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out/model.safetensors").exists()
    return str(caught.value)


def test_what_does_not_fit_is_refused(tmp_path):
    recipe = tiny(tmp_path, evaluator="classification")
    data = examples(tmp_path, recipe, 3)
    assert "no development data" in refused(tmp_path, recipe, data)
    positive = samples.read(tmp_path, [samples.labelled(1)[0]], "labelled", name="positive")
    assert "no relevant and irrelevant pairs" in refused(tmp_path / "a", recipe, data, positive)
    reranks = replace(recipe, evaluator="reranking")
    assert "no queries with" in refused(tmp_path / "b", reranks, data, positive)
    retrieves = replace(recipe, evaluator="retrieval")
    assert "cannot be evaluated by retrieval" in refused(tmp_path / "c", retrieves, data, data)
    lists = replace(recipe, evaluator="", loss="listwise")
    assert "no query has two documents" in refused(tmp_path / "d", lists, positive)
    ranks = replace(recipe, evaluator="", loss="multiple-negatives", shape="triplets")
    assert "takes every row as relevant" in refused(tmp_path / "e", ranks, data)
    triplets = samples.read(tmp_path, samples.triplets(3), "triplets", name="triplets")
    margins = replace(ranks, loss="margin-mse")
    assert "map its column" in refused(tmp_path / "f", margins, triplets)


def test_precision_and_warm_up_of_the_arguments(tmp_path):
    recipe = samples.recipe("minilm", precision="bf16", warmup_ratio=0.1, epochs=10)
    assert precision_of(recipe, "cpu") == "fp32"
    assert precision_of(recipe, "cuda") == "bf16"
    found = arguments(recipe, plan(recipe, 400), tmp_path, device="cuda", evaluates=False)
    assert (found["bf16"], found["fp16"], found["warmup_steps"]) == (True, False, 100)
    found = arguments(recipe, plan(recipe, 400), tmp_path, device="cpu", evaluates=False)
    assert (found["bf16"], found["fp16"]) == (False, False)


def test_a_bi_encoder_becomes_a_cross_encoder(tmp_path):
    base = str(save_encoder(tmp_path / "encoder"))
    recipe = samples.recipe(base, max_steps=2)
    train(recipe, examples(tmp_path, recipe, 4), None, tmp_path / "out", device="cpu")
    assert open_cross_encoder(str(tmp_path / "out")).score("a", ["star"]).shape == (1,)
