"""Recipes: what the cards published, overrides, refusals, and files that read back the same."""

import tomllib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.errors import ConfigError
from searchkit.train import recipe as recipes
from searchkit.train.recipe import Recipe, from_dict, named, names, with_settings
from searchkit.train.recipe_toml import to_toml

CARDS = [
    *("araelectra-qa", "astrobert-astro", "minilm-scidocs", "specter2-astro"),
    "tinybert-scirepeval",
]
OURS = {  # a card's word -> ours
    "per_device_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "per_device_eval_batch_size": "eval_batch_size",
    "num_train_epochs": "epochs",
    "num_epochs": "epochs",
    "dataloader_num_workers": "workers",
    "batch_sampler": "sampler",
    "lr_scheduler_type": "scheduler",
    "lr_scheduler_warmup_ratio": "warmup_ratio",
}
OF_A_RUN = {"resume_from_checkpoint", "disable_tqdm", "multi_dataset_batch_sampler"}
SMALL = {"name": "mine", "about": "A test.", "family": "cross-encoder", "base": "minilm"} | {
    "shape": "labelled",
    "loss": "bce",
    "max_tokens": 64,
    "batch_size": 4,
    "epochs": 1,
}


def small(**settings):
    return from_dict(SMALL | settings, where="test")


def refused(build, *words):
    with pytest.raises(ConfigError) as error:
        build()
    for word in words:
        assert word in str(error.value)
    return str(error.value)


def test_the_five_cards_are_there():
    assert set(CARDS) <= set(names())
    assert [named(name).name for name in names()] == names()


@pytest.mark.parametrize("name", CARDS)
def test_every_hyperparameter_of_the_card_is_the_recipes(name):
    recipe = named(name)
    for theirs, value in recipe.card["hyperparameters"].items():
        if theirs in OF_A_RUN:
            continue
        if theirs in ("bf16", "fp16", "mixed_precision_training"):
            assert recipe.precision == ("bf16" if theirs == "bf16" else "fp16")
        elif theirs == "eval_strategy":
            assert recipe.evaluate_every > 0
        else:
            ours = getattr(recipe, OURS.get(theirs, theirs))
            assert str(ours).replace("-", "_") == str(value) or ours == value, theirs


MNRL = "multiple-negatives"
SIGMOID = {"scale": 10.0, "num_negatives": 4, "activation": "sigmoid"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tinybert-scirepeval", ("cross-encoder", MNRL, SIGMOID, 512)),
        ("specter2-astro", ("bi-encoder", MNRL, {"scale": 20.0}, 256)),
        ("minilm-scidocs", ("cross-encoder", "bce", {"pos_weight": 5.0}, 512)),
        ("astrobert-astro", ("bi-encoder", MNRL, {"scale": 20.0}, 256)),
        ("araelectra-qa", ("cross-encoder", "bce", {"activation": "identity"}, 512)),
    ],
)
def test_the_losses_and_lengths_are_those_of_the_cards(name, expected):
    recipe = named(name)
    assert (recipe.family, recipe.loss, recipe.loss_args, recipe.max_tokens) == expected


@pytest.mark.parametrize("name", CARDS)
def test_a_recipe_written_down_reads_back_the_same(name, tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(to_toml(named(name)), "utf-8")
    assert named(str(path)) == named(name)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(TEXTS, st.dictionaries(TEXTS, TEXTS | st.booleans() | st.floats(-9, 9), max_size=3))
def test_any_text_survives_the_file(text, inner):
    recipe = small(about=text, card={"note": text, "inner": inner})
    assert from_dict(tomllib.loads(to_toml(recipe)), where="copy") == recipe


def test_settings_on_top_win_and_the_last_wins_among_them():
    changed = with_settings(
        small(loss_args={"pos_weight": 2.0}),
        [
            *("batch_size=8", "batch_size=16", "base=owner/model", "layers=0,2", "epochs=3"),
            *("loss_args.activation=sigmoid", 'about="Quoted = too."', "workers = 2"),
        ],
    )
    assert changed == small(
        batch_size=16,
        base="owner/model",
        layers=[0, 2],
        epochs=3,
        loss_args={"pos_weight": 2.0, "activation": "sigmoid"},
        about="Quoted = too.",
        workers=2,
    )
    assert isinstance(changed.epochs, float)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("bach_size=8", ["'bach_size'", "'batch_size'"]),
        ("batch_size", ["key=value"]),
        ("batch_size=eight", ["whole number", "'eight'"]),
        ("batch_size=true", ["whole number"]),
        ("batch_size=0", ["batch_size must be 1"]),
        ("epochs=nan", ["epochs must be"]),
        ("keep_best=yes", ["true or false"]),
        ("precision=fp61", ["'fp16'"]),
        ("layers=2,0", ["ascend"]),
        ("layers=a", ["a list of layers"]),
        ("max_steps=0", ["max_steps"]),
        ("loss=bcee", ["'bce'"]),
        ("loss=listwize", ["'listwise'"]),
        ("family=bi-encoder", ["a bi-encoder cannot be trained with bce"]),
        ("loss_args.scale=2", ["activation, pos_weight", "not scale"]),
        ("loss_args.pos_weight=-1", ["above 0"]),
        ("loss_args.activation=relu", ["identity or sigmoid"]),
        ("card.rows=2", ["only loss_args"]),
        ("shape=pairs", ["bce needs labels"]),
        ("patience=2", ["patience needs an evaluator"]),
        ("keep_best=true", ["keep_best needs an evaluator"]),
    ],
)
def test_a_bad_setting_is_refused_with_a_cure(setting, words):
    refused(lambda: with_settings(small(), [setting]), *words)


def test_all_problems_are_told_at_once():
    found = refused(lambda: small(batch_size=0, warmup_steps=1, warmup_ratio=0.1, accumulate=0))
    assert all(word in found for word in ("batch_size", "exclude each other", "accumulate"))


def test_fractions_of_negatives_are_refused():
    mnrl = {"loss": "multiple-negatives", "shape": "triplets"}
    refused(lambda: small(**mnrl, loss_args={"num_negatives": 1.5}), "a whole number")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name = ", ["mine.toml", "TOML"]),
        (b"\xff", ["mine.toml", "UTF-8"]),
        (b'name = "x"', ["mine.toml", "about, family, base"]),
        (b'nome = "x"', ["must be set"]),
    ],
)
def test_a_bad_file_is_refused_by_its_name(content, words, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    refused(lambda: named(str(path)), *words)


def test_a_recipe_that_is_not_there_is_refused_with_the_nearest(tmp_path):
    refused(lambda: named("minilm-scidoc"), "'minilm-scidocs'")
    refused(lambda: named(str(tmp_path / "none.toml")), "none.toml", "No such file")


def test_a_recipe_cannot_leave_its_folder():
    refused(lambda: named("../recipes/minilm-scidocs"), "there is no recipe")


def test_every_setting_has_a_kind_that_files_can_hold():
    known = {"int", "float", "bool", "str", "tuple[int, ...]", "Mapping[str, Any]"}
    for setting in fields(Recipe):
        assert setting.type in known or hasattr(recipes, setting.type), setting.name


def test_a_recipe_is_checked_however_it_is_made():
    refused(lambda: replace(small(), learning_rate=-1.0), "learning_rate")
