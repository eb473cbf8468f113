"""`train` and `recipes` as a person calls them."""

import json
import tomllib

import pytest
from cli_sample import invoke, refused
from tiny_models import save_bert

from searchkit.train.recipe import named, names

PAIRS = [
    {"sentence_0": f"star {n} of the galaxy", "sentence_1": f"light of star {n}"} for n in range(40)
]
LABELLED = [
    {"query": f"cell {n}", "document": f"bone of cell {n + n % 2}", "label": (n + 1) % 2}
    for n in range(40)
]
MISSING = "is not on this machine, and only training would fetch it"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("base") / "bert")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def dry(family, recipe, *arguments):
    result = invoke("train", family, recipe, "--dry-run", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_recipes_lists_every_recipe_with_what_was_published():
    shown = invoke("recipes").stdout
    assert all(name in shown for name in names())
    assert "F1 .7525" in shown
    rows = [json.loads(line) for line in invoke("recipes", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == names()


@pytest.mark.parametrize("name", names())
def test_a_shown_recipe_is_a_recipe_file(name, tmp_path):
    copy = tmp_path / "copy.toml"
    copy.write_text(invoke("recipes", "show", name).stdout, "utf-8")
    assert named(str(copy)) == named(name)
    assert invoke("recipes", "show", copy).stdout == copy.read_text("utf-8")
    [row] = invoke("recipes", "show", name, "--json").stdout.splitlines()
    assert json.loads(row)["batch_size"] == named(name).batch_size


def test_a_recipe_that_is_not_there_is_refused_with_the_nearest():
    assert "Did you mean 'specter2-astro'?" in refused("recipes", "show", "spectre-astro")
    assert invoke("recipes", "show").exit_code == 2


@pytest.mark.parametrize(
    ("recipe", "steps", "total", "warmup"),
    [
        ("tinybert-scirepeval", 154_263, 103_357, 500),
        ("specter2-astro", 534, 2_136, 0),
        ("minilm-scidocs", 1_286, 12_860, 1_286),
        ("astrobert-astro", 1_069, 8_552, 0),
        ("araelectra-qa", 1_810, 9_050, 0),
    ],
)
def test_a_dry_run_of_a_card_needs_neither_data_nor_base(recipe, steps, total, warmup):
    found = dry(named(recipe).family, recipe)
    counted = (found["steps_per_epoch"], found["total_steps"], found["warmup_steps"])
    assert counted == (steps, total, warmup)
    assert found["n_parameters"] is None
    said = invoke("train", named(recipe).family, recipe, "--dry-run")
    assert MISSING in said.stderr
    assert "published card" in said.stderr
    assert "unknown until the base is here" in said.stdout


def test_a_dry_run_with_a_base_tells_all_of_it(bert):
    said = invoke("train", "bi-encoder", "specter2-astro", "--dry-run", "--base", bert).stdout
    lines = [line.split(None, 1) for line in said.splitlines()]
    assert "500 (epoch 0.9363), 1,000 (epoch 1.8727), 1,500 (epoch 2.8090), ..." in said
    assert ["dimensions", "32, mean"] in lines
    assert "64 a text; the recipe wants 256, the base reads no more" in said
    assert "multiple-negatives(scale=20.0)" in said
    assert ["precision", "fp32 on cpu"] in lines


def test_a_dry_run_of_a_cross_encoder_tells_its_cost(bert):
    flags = ("--base", bert, "--layers", "1", "--lora", "4", "--rows", 100, "--set", "epochs=2")
    found = dry("cross-encoder", "minilm-scidocs", *flags)
    assert (found["n_rows"], found["total_steps"], found["base"]) == (100, 14, str(bert))
    assert 0 < found["n_trainable"] < found["n_parameters"]
    assert found["flops_per_100"] > 0
    said = invoke("train", "cross-encoder", "minilm-scidocs", "--dry-run", *flags).stdout
    assert "GFLOP at 64 tokens" in said
    assert "of them trained" in said


def test_a_warm_up_that_never_ends_is_told():
    flags = ("--dry-run", "--rows", 400)
    said = invoke("train", "cross-encoder", "tinybert-scirepeval", *flags).stdout
    assert "500 steps, more than all: the full rate is never reached" in said


def test_a_dry_run_counts_and_checks_the_data(tmp_path, bert):
    data, dev = written(tmp_path / "a.jsonl", PAIRS), written(tmp_path / "b.jsonl", PAIRS[:3])
    recipe = ("bi-encoder", "specter2-astro", "--base", bert)
    found = dry(*recipe, "--data", data, "--data", data, "--set", "batch_size=16")
    assert (found["n_rows"], found["steps_per_epoch"]) == (80, 5)
    flags = ("--dry-run", "--data", data, "--dev", dev)
    result = invoke("train", *recipe, *flags)
    assert result.exit_code == 1
    assert "3 of 40 training examples also stand in" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_a_listwise_dry_run_counts_lists(tmp_path, bert):
    rows = [{**row, "query": f"cell {n // 4}"} for n, row in enumerate(LABELLED)]
    data = written(tmp_path / "lists.jsonl", rows)
    changed = ("--set", "shape=labelled", "--set", "loss=listwise", "--set", "loss_args={}")
    flags = (*changed, "--base", bert, "--data", data, "--set", "batch_size=2")
    assert dry("cross-encoder", "minilm-scidocs", *flags)["steps_per_epoch"] == 5


def test_a_file_of_ones_own_is_a_recipe(tmp_path, bert):
    path = tmp_path / "mine.toml"
    content = invoke("recipes", "show", "minilm-scidocs").stdout.partition("[card]")[0]
    path.write_text(content.replace("batch_size = 16", "batch_size = 3"), "utf-8")
    assert tomllib.loads(content)["name"] == "minilm-scidocs"
    family = ("train", "cross-encoder", path, "--dry-run")
    assert "--rows N" in refused(*family)
    assert dry("cross-encoder", path, "--rows", 30, "--base", bert)["steps_per_epoch"] == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dry-run", "--resume"], "--resume has no effect in a dry run"),
        (["--data", "a.jsonl", "--out", "m", "--rows", "3"], "without a dry run"),
        (["--data", "a.jsonl", "--out", "m", "--json"], "without a dry run"),
        ([], "training needs --data FILE and --out DIR"),
        (["--data", "a.jsonl"], "training needs --data FILE and --out DIR"),
        (["--dry-run", "--rows", "3", "--data", "a.jsonl"], "exclude each other"),
        (["--dry-run", "--dev", "a.jsonl"], "--dev has no effect without --data"),
        (["--dry-run", "--column", "query=q"], "--column has no effect without --data"),
        (["--dry-run", "--set", "epoch=3"], "there is no setting 'epoch'"),
        (["--dry-run", "--layers", "one"], "layers must be a list"),
        (["--dry-run", "--lora", "-1"], "lora must be 0 to"),
        (["--dry-run", "--base", " "], "--base is empty"),
        (["--dry-run", "--set", "family=bi-encoder"], "bi-encoder"),
        (["--data", "a.jsonl", "--out", "m"], "is not on this machine"),
        (["--base", "minilm", "--data", "none.jsonl", "--out", "m"], "none.jsonl"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused("train", "cross-encoder", "minilm-scidocs", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_of_the_other_family_is_refused():
    said = refused("train", "cross-encoder", "specter2-astro", "--dry-run")
    assert "Run: searchkit train bi-encoder specter2-astro" in said


def test_a_trained_model_is_an_encoder(tmp_path, bert):
    from searchkit.models.encoder import open_encoder

    data, out = written(tmp_path / "pairs.jsonl", PAIRS), tmp_path / "model"
    flags = ("--data", data, "--out", out, "--base", bert, "--set", "batch_size=8")
    done = invoke("train", "bi-encoder", "specter2-astro", *flags, "--set", "max_steps=3")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert f"{out}: trained in 3 steps." in done.stderr
    assert "loss" in done.stderr
    assert open_encoder(str(out)).encode_queries(["star of the galaxy"]).shape == (1, 32)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "pairs.jsonl"]


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path, bert):
    data, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    written(data, LABELLED)
    written(bad, [LABELLED[0], {**LABELLED[1], "label": 2}])
    flags = ("train", "cross-encoder", "araelectra-qa", "--base", bert, "--out", tmp_path / "model")
    assert "bad.jsonl:2" in refused(*flags, "--data", bad)
    alone = invoke(*flags, "--data", data)
    assert (alone.exit_code, "no development data" in alone.stderr.replace("\n", " ")) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "good.jsonl"]


def test_a_trained_reranker_is_measured_on_the_development_data(tmp_path, bert):
    data, dev = tmp_path / "train.jsonl", tmp_path / "dev.jsonl"
    written(data, LABELLED[:30])
    written(dev, LABELLED[30:])
    flags = ("--data", data, "--dev", dev, "--out", tmp_path / "model", "--base", bert)
    flags += ("--set", "max_steps=3", "--set", "batch_size=8")
    done = invoke("train", "cross-encoder", "araelectra-qa", *flags)
    assert done.exit_code == 0, done.stderr
    assert "On the development data:" in done.stderr
    assert "average_precision" in done.stderr
    again = invoke("train", "cross-encoder", "araelectra-qa", *flags, "--resume")
    assert again.exit_code == 0, again.stderr
    assert "trained in 3 steps" in again.stderr


def save_beir(folder):
    (folder / "qrels").mkdir(parents=True)
    docs = [{"_id": f"d{n}", "title": f"Cell {n}", "text": f"bone {n}"} for n in range(4)]
    written(folder / "corpus.jsonl", docs)
    written(folder / "queries.jsonl", [{"_id": f"q{n}", "text": f"cell {n}"} for n in range(4)])
    rows = [f"q{n}\td{m}\t{int(n == m)}\n" for n in range(4) for m in range(2)]
    (folder / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
    return folder


def test_a_template_writes_the_documents_of_a_beir_folder(bert, tmp_path):
    call = ["train", "cross-encoder", "araelectra-qa", "--base", bert, "--out", tmp_path / "out"]
    call += ["--data", save_beir(tmp_path / "set"), "--template", "{text} of {title}"]
    plain = ["--set", "evaluator=''", "--set", "max_steps=1", "--set", "max_tokens=32"]
    done = invoke(*call, "--set", "shape=beir", *plain)
    assert done.exit_code == 0, done.stderr
    assert "bone 0 of Cell 0" in (tmp_path / "out/README.md").read_text("utf-8")
    assert "--template has no effect: the texts of shape labelled" in refused(*call)
    refused_template = [*call[:-1], "no field", "--set", "shape=beir"]
    assert "'no field' needs {title} or {text}" in refused(*refused_template)
