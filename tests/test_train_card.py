"""What a model's card says: all that the published cards show, and nothing of this machine."""

import re
from dataclasses import replace

import pytest
import train_samples as samples
import yaml

from searchkit.train.plan import plan
from searchkit.train.run import TrainingStopped, train


def trained(folder, **settings):
    recipe = samples.recipe(
        samples.base(folder, "cross-encoder"),
        evaluator="classification",
        evaluator_name="tiny_eval",
        evaluate_every=3,
        keep_best=True,
        warmup_ratio=0.2,
        loss_args={"pos_weight": 5.0},
        **settings,
    )
    rows = samples.labelled(8)
    long = " ".join(f"glass{n}" for n in range(20))
    data = samples.read(folder, [{**rows[0], "document": long}, *rows[1:]], "labelled")
    dev = samples.read(folder, samples.labelled(4, seed=1), "labelled", name="dev")
    result = train(recipe, data, dev, folder / "out", device="cpu")
    return recipe, result, (folder / "out/README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    return folder, *trained(folder)


def head(text):
    return yaml.safe_load(re.match(r"---\n(.*?)\n---", text, re.DOTALL)[1])


def test_the_front_matter_holds_the_metrics(made):
    _, _, result, text = made
    found = head(text)
    (results,) = found["model-index"][0]["results"]
    assert results["dataset"]["type"] == "tiny_eval"
    values = {metric["type"]: metric["value"] for metric in results["metrics"]}
    assert values["average_precision"] == result.metrics["tiny_eval_average_precision"]
    wanted = {"accuracy", "accuracy_threshold", "f1", "f1_threshold", "precision", "recall"}
    assert set(values) == wanted | {"average_precision"}
    assert "dataset_size:24" in found["tags"]
    assert "loss:BinaryCrossEntropyLoss" in found["tags"]
    assert found["pipeline_tag"] == "text-ranking"


@pytest.mark.parametrize(
    "wanted",
    [
        "Base: `cross-encoder`, weights sha256 `",
        "Size: 24 training samples",
        "Columns: <code>query</code>, <code>document</code>, and <code>label</code>",
        "<ul><li>min: ",
        '"pos_weight": 5.0',
        "#### Non-Default Hyperparameters",
        "- `learning_rate`: 0.001",
        "#### All Hyperparameters",
        "### Training Logs",
        "The bold row denotes the saved checkpoint",
        "### Framework Versions",
        "- Sentence Transformers: 6.",
        "@inproceedings{reimers-2019-sentence-bert",
        'model = CrossEncoder("cross_encoder_model_id")',
        "--reranker path/to/this/folder",
        "## Limits",
        "It reads 32 tokens of a pair",
        "33.3% with a label above 0, sha256 `",
        "2 to warm up",
    ],
)
def test_the_card_shows(made, wanted):
    assert wanted in made[-1]


def test_cost_is_that_of_the_dry_run(made):
    from searchkit.train.base import open_base

    _, recipe, _, text = made
    planned = plan(recipe, 24, open_base(recipe))
    assert f"Parameters: {planned.n_parameters:,}" in text
    assert f"FLOPs per 100 candidates of 32 tokens: {planned.flops_per_100:,}" in text
    assert f"{planned.steps_per_epoch} an epoch; {planned.total_steps} of" in text


def test_samples_are_cut_and_no_folder_is_named(made):
    folder, _, _, text = made
    assert "glass0 glass1 glass2 glass3 glass4 glass5 glass6 glass7 ..." in text
    assert "glass8" not in text
    assert str(folder) not in text
    assert "/tmp" not in text


def test_the_log_is_whole_after_a_resume(made, tmp_path):
    import signal

    recipe, _, text = trained(tmp_path)
    again = replace(recipe, workers=0)
    data = samples.read(tmp_path, samples.labelled(8), "labelled", name="again")
    dev = samples.read(tmp_path, samples.labelled(4, seed=1), "labelled", name="dev")

    def stop(done, total):
        if done == 4:
            signal.raise_signal(signal.SIGINT)

    out = tmp_path / "cut"
    with pytest.raises(TrainingStopped):
        train(again, data, dev, out, device="cpu", progress=stop)
    train(again, data, dev, out, device="cpu", resume=True)
    tables = [
        [
            line.split("|")[2].strip(" *")
            for line in card.splitlines()
            if re.match(r"\| \**\d", line)
        ]
        for card in (text, (out / "README.md").read_text("utf-8"))
    ]
    assert tables[0] == tables[1] == ["1", "2", "3", "4", "5", "6"]


def test_a_bi_encoder_of_the_packaged_base_says_so(tmp_path):
    settings = {"family": "bi-encoder", "shape": "pairs", "loss": "multiple-negatives"}
    recipe = samples.recipe("minilm", max_steps=1, **settings)
    data = samples.read(tmp_path, samples.pairs(4), "pairs")
    train(recipe, data, None, tmp_path / "out", device="cpu")
    text = (tmp_path / "out/README.md").read_text("utf-8")
    assert head(text)["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert head(text)["language"] == ["en"]
    assert "#### MultipleNegativesRankingLoss\n```bibtex" in text
    assert '"scale": 20.0' in text
    assert "print(similarities)\n# tensor([[" in text
    assert "searchkit index corpus.jsonl --encoder path/to/this/folder" in text


def test_a_revision_is_the_cache_folder_of_the_hub(tmp_path):
    sha = "81d1926f67cb8eee2c2be17ca9f793c7c3bd20cc"
    base = samples.base(tmp_path, "cross-encoder")
    (tmp_path / "cross-encoder").rename(tmp_path / sha)
    recipe = samples.recipe(base.replace("cross-encoder", sha), max_steps=1)
    data = samples.read(tmp_path, samples.labelled(2), "labelled")
    train(recipe, data, None, tmp_path / "out", device="cpu")
    assert f"revision `{sha}`" in (tmp_path / "out/README.md").read_text("utf-8")


def test_a_card_may_keep_its_data_to_itself(tmp_path):
    _, _, text = trained(tmp_path, samples=False)
    assert "<code>(document)</code>" in text
    rows = samples.labelled(8) + samples.labelled(4, seed=1)
    assert not [row for row in rows if row["query"] in text or row["document"] in text]
