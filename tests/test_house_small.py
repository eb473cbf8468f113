"""The reranker that ships: what its folder promises, and that its weights are trained."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from searchkit.models.card import card_datasets, card_languages, card_license
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.models.export import write_plain
from searchkit.models.names import HOUSE, resolve
from searchkit.train.recipe import named

FOLDER = HOUSE / "house-small"


@pytest.fixture(scope="module")
def scorer():
    return open_cross_encoder("house-small")


def test_it_comes_with_card_log_recipe_and_the_command_that_rebuilds_it():
    card = (FOLDER / "README.md").read_text("utf-8")
    assert card_license(FOLDER) == "apache-2.0"
    assert card_languages(FOLDER) == ("en",)
    assert len(card_datasets(FOLDER)) == 4
    assert "python benchmarks/house_small.py WORK" in card
    assert (Path(__file__).parents[1] / "benchmarks" / "house_small.py").is_file()
    assert "Samples:" not in card
    log = (FOLDER / "training/log.jsonl").read_text("utf-8")
    steps = [json.loads(line) for line in log.splitlines()]
    assert steps[-1]["loss"] < steps[0]["loss"]
    trained = tomllib.loads((FOLDER / "training/recipe.toml").read_text("utf-8"))
    shipped = named("house-small")
    for key in ("loss", "loss_args", "max_tokens", "learning_rate", "batch_size", "seed"):
        assert trained[key] == getattr(shipped, key), key


def test_all_weights_together_stay_small():
    assert sum(path.stat().st_size for path in HOUSE.rglob("*") if path.is_file()) < 20e6


def test_a_hundred_candidates_cost_at_most_sixty_gflop(scorer):
    width, layers = scorer.model.config.hidden_size, scorer.model.config.num_hidden_layers
    inner, tokens = scorer.model.config.intermediate_size, scorer.max_tokens
    products = layers * (4 * width**2 + 2 * width * inner + 2 * tokens * width)
    assert 2 * 100 * tokens * products <= 60e9


def test_it_tells_what_answers_from_what_shares_words(scorer):
    query = "Statins lower the risk of a heart attack."
    passages = [
        "Statins and the heart. Cholesterol fell, and treated patients had fewer heart attacks.",
        "Risk in the stock market. An attack on prices lowers the heart of a trader.",
        "A survey of spiral galaxies. Dust hides young stars.",
    ]
    scores = scorer.score(query, passages)
    assert np.argsort(-scores).tolist() == [0, 1, 2]


def test_it_is_served_as_it_was_measured():
    serving = resolve("house-small", "cross-encoder").serving
    assert (serving.window, serving.scale, serving.max_tokens) == ("focus", "raw", 80)
    assert serving.after == ("fused",)


def test_plain_sentence_transformers_scores_it_alike(scorer, tmp_path):
    from sentence_transformers import CrossEncoder

    write_plain("house-small", tmp_path / "plain")
    pairs = [("dark matter", "Rotation curves stay flat."), ("dark matter", "Glass flows slowly.")]
    plain = CrossEncoder(str(tmp_path / "plain"), device="cpu").predict(
        pairs, show_progress_bar=False
    )
    ours = scorer.score("dark matter", [text for _, text in pairs])
    assert np.allclose(plain, ours, atol=1e-5)
