"""Plans: the published arithmetic, held against the trainer's own, and what a base adds."""

import datasets
import pyarrow as pa
import pytest
import torch
from tiny_models import save_bert, save_encoder

from searchkit.errors import ConfigError, ModelError
from searchkit.train.base import find_base, keep_layers, n_parameters, open_base
from searchkit.train.lora import merge_lora
from searchkit.train.plan import flops, plan
from searchkit.train.recipe import named, names, with_settings

PUBLISHED = {  # rows, steps an epoch, all steps, steps of warm-up
    "tinybert-scirepeval": (6_170_503, 154_263, 103_357, 500),
    "specter2-astro": (34_176, 534, 2_136, 0),
    "minilm-scidocs": (20_576, 1_286, 12_860, 1_286),
    "astrobert-astro": (34_208, 1_069, 8_552, 0),
    "araelectra-qa": (28_960, 1_810, 9_050, 0),
}
TEXTS = ["dust of a star in the galaxy", "vitamin and bone", "a"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A raw encoder of 2 layers that reads 64 tokens: no head, no pooling."""
    return save_bert(tmp_path_factory.mktemp("base") / "bert")


def tiny(name, folder, *settings):
    return with_settings(named(name), [f"base='{folder}'", *settings])


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_arithmetic_of_the_cards_is_reproduced(name):
    recipe, (rows, steps, total, warmup) = named(name), PUBLISHED[name]
    found = plan(recipe, rows)
    assert (found.steps_per_epoch, found.total_steps, found.warmup_steps) == (steps, total, warmup)
    assert (recipe.card["rows"], recipe.card["steps_per_epoch"]) == (rows, steps)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if "log" in named(name).card])
def test_the_logged_epochs_of_the_cards_are_reproduced(name):
    found = plan(named(name), PUBLISHED[name][0])
    for epoch, step, *_ in named(name).card["log"]:
        assert round(found.epoch_at(step), 4) == epoch


def trainer_of(recipe, model, n_rows, folder):
    """The real trainer over so many rows of the recipe's columns."""
    from sentence_transformers import (
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )

    text, label = pa.repeat("a", n_rows), pa.repeat(1.0, n_rows)
    columns = {"a": text, "b": text} | ({"label": label} if recipe.loss == "bce" else {})
    model.model_card_data.local_files_only = True
    model.model_card_data.widget = [{}]
    of_vectors = recipe.family == "bi-encoder"
    build = SentenceTransformerTrainingArguments if of_vectors else CrossEncoderTrainingArguments
    arguments = build(
        output_dir=str(folder),
        per_device_train_batch_size=recipe.batch_size,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps,
        gradient_accumulation_steps=recipe.accumulate,
        warmup_steps=recipe.warmup_steps or recipe.warmup_ratio,
        batch_sampler="no_duplicates" if recipe.sampler == "no-duplicates" else "batch_sampler",
        use_cpu=True,
        report_to="none",
    )
    trainer = SentenceTransformerTrainer if of_vectors else CrossEncoderTrainer
    return trainer(model=model, args=arguments, train_dataset=datasets.Dataset(pa.table(columns)))


def by_the_trainer(trainer):
    """Steps an epoch, all steps and those of warm-up, as the trainer works them out."""
    values = trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())
    _, steps, _, _, _, _, total = values
    return steps, total, trainer.args.get_warmup_steps(total)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_plan_is_what_the_trainer_itself_computes(name, bert, tmp_path):
    recipe = tiny(name, bert, "max_tokens=16")
    trainer = trainer_of(recipe, open_base(recipe), PUBLISHED[name][0], tmp_path)
    assert by_the_trainer(trainer) == PUBLISHED[name][1:]


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100])
@pytest.mark.parametrize(
    "settings",
    [
        ["epochs=1"],
        ["epochs=0.4", "accumulate=3"],
        ["epochs=2.5", "warmup_ratio=0.3"],
        ["accumulate=4"],
        ["max_steps=7", "warmup_ratio=0.1"],
        ["warmup_steps=9", "warmup_ratio=0"],
    ],
    ids=" ".join,
)
def test_odd_runs_are_planned_as_the_trainer_counts_them(settings, rows, bert, tmp_path):
    recipe = tiny("minilm-scidocs", bert, "max_tokens=16", *settings)
    found = plan(recipe, rows)
    trainer = trainer_of(recipe, open_base(recipe), rows, tmp_path)
    assert by_the_trainer(trainer) == (found.steps_per_epoch, found.total_steps, found.warmup_steps)


def test_the_epochs_of_a_plan_are_those_that_the_trainer_logs(bert, tmp_path):
    settings = ["accumulate=3", "batch_size=2", "eval_batch_size=2", "epochs=2", "log_every=1"]
    recipe = tiny("minilm-scidocs", bert, "max_tokens=16", *settings)
    trainer = trainer_of(recipe, open_base(recipe), 10, tmp_path)
    trainer.args.logging_steps = trainer.args.eval_steps = 1
    trainer.args.save_strategy = "no"
    trainer.args.disable_tqdm = True
    trainer.train()
    found = plan(recipe, 10)
    logged = [(row["step"], row["epoch"]) for row in trainer.state.log_history if "loss" in row]
    assert len(logged) == trainer.state.max_steps == found.total_steps
    for step, epoch in logged:
        assert found.epoch_at(step) == pytest.approx(epoch, abs=1e-4)


def test_a_run_without_rows_is_no_run():
    with pytest.raises(ValueError, match="n_rows"):
        plan(named("specter2-astro"), 0)


def test_a_short_run_is_logged_ten_times():
    recipe = named("specter2-astro")
    assert plan(recipe, 34_176).log_every == 500
    assert plan(recipe, 64 * 10).log_every == 4
    assert plan(recipe, 1).log_every == 1


def test_a_plan_counts_what_the_base_has(bert):
    recipe = tiny("specter2-astro", bert)
    model = open_base(recipe)
    found = plan(recipe, 64, model)
    assert (found.dim, found.pooling, found.max_tokens) == (32, "mean", 64)
    assert found.n_parameters == found.n_trainable == n_parameters(model)
    assert plan(recipe, 64).n_parameters is None


def test_the_packaged_base_has_its_published_size():
    recipe = with_settings(named("specter2-astro"), ["base=minilm"])
    found = plan(recipe, 64, open_base(recipe))
    assert (found.n_parameters, found.dim, found.max_tokens) == (22_713_216, 384, 256)


def test_operations_are_the_matrix_products_of_the_architecture(bert):
    model = open_base(tiny("minilm-scidocs", bert))
    n, layers, width, inner = 16, 2, 32, 64
    products = 4 * width * width + 2 * width * inner + 2 * n * width  # multiply-adds a token
    head = width * width + width  # pooler and classifier read the first token alone
    assert flops(model, n) == 2 * (layers * n * products + head)


def test_an_adapter_costs_nothing_once_it_is_merged(bert):
    plain = open_base(tiny("minilm-scidocs", bert))
    adapted = open_base(tiny("minilm-scidocs", bert, "lora=4"))
    assert flops(adapted, 16) == flops(plain, 16)


def test_pooling_is_the_recipes_where_the_base_has_none(bert, tmp_path):
    first = open_base(tiny("specter2-astro", bert, "pooling=cls"))
    assert first[1].pooling_mode == "cls"
    own = save_encoder(tmp_path / "own", pooling="cls")
    assert open_base(tiny("specter2-astro", own))[1].pooling_mode == "cls"


def test_a_base_that_reads_less_keeps_its_own_limit(bert):
    model = open_base(tiny("specter2-astro", bert))
    assert model.max_seq_length == 64
    assert open_base(tiny("specter2-astro", bert, "max_tokens=20")).max_seq_length == 20


def test_dropped_layers_leave_the_others_as_they_were(bert):
    whole = open_base(tiny("minilm-scidocs", bert))
    cut = open_base(tiny("minilm-scidocs", bert, "layers=1"))
    assert cut.transformers_model.config.num_hidden_layers == 1
    kept = cut.transformers_model.bert.encoder.layer[0].state_dict()
    for key, weight in whole.transformers_model.bert.encoder.layer[1].state_dict().items():
        assert torch.equal(kept[key], weight)
    with pytest.raises(ConfigError, match="layers 0 to 1, so layer 2"):
        open_base(tiny("minilm-scidocs", bert, "layers=0,2"))


def test_a_cut_model_loads_from_its_folder_as_it_was(bert, tmp_path):
    from sentence_transformers import CrossEncoder

    model = open_base(tiny("minilm-scidocs", bert, "layers=1", "max_tokens=32")).eval()
    model.save_pretrained(str(tmp_path / "cut"), create_model_card=False)
    again = CrossEncoder(str(tmp_path / "cut"), device="cpu", local_files_only=True)
    pairs = [(TEXTS[0], text) for text in TEXTS]
    assert again.predict(pairs) == pytest.approx(model.predict(pairs), abs=1e-6)
    assert again.max_seq_length == 32


def test_layers_that_cannot_be_told_apart_are_refused():
    from transformers import AlbertConfig, AlbertModel

    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    shared = AlbertModel(AlbertConfig(vocab_size=20, embedding_size=8, **sizes))
    with pytest.raises(ModelError, match="cannot be told apart"):
        keep_layers(shared, [0], name="albert")


def test_a_fresh_head_is_drawn_from_the_seed(bert):
    one, same, other = (
        open_base(tiny("minilm-scidocs", bert, f"seed={seed}")) for seed in (1, 1, 2)
    )
    heads = [model.transformers_model.classifier.weight for model in (one, same, other)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_opening_a_base_leaves_the_random_numbers_alone(bert):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    open_base(tiny("minilm-scidocs", bert))
    assert torch.equal(torch.rand(2), expected)


def test_an_electra_becomes_a_cross_encoder(bert, tmp_path):
    from transformers import AutoTokenizer, ElectraConfig, ElectraForPreTraining

    tokenizer = AutoTokenizer.from_pretrained(bert)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = ElectraConfig(vocab_size=len(tokenizer), intermediate_size=64, **sizes)
    folder = tmp_path / "electra"
    ElectraForPreTraining(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model = open_base(tiny("araelectra-qa", folder))
    assert type(model.transformers_model).__name__ == "ElectraForSequenceClassification"
    assert model.num_labels == 1


@pytest.mark.parametrize("name", ["minilm-scidocs", "specter2-astro"])
def test_adapters_learn_while_the_encoder_rests_and_merge_without_a_trace(name, bert):
    model = open_base(tiny(name, bert, "lora=4")).eval()
    moving = {path for path, weight in model.named_parameters() if weight.requires_grad}
    assert any("lora_A" in path for path in moving)
    assert all("lora_" in path or ".pooler." in path or "classifier" in path for path in moving)
    assert any("classifier" in path for path in moving) == (name == "minilm-scidocs")
    with torch.no_grad():
        for path, weight in model.named_parameters():
            if "lora_B" in path:
                weight.normal_()
    give = (
        model.encode
        if name == "specter2-astro"
        else lambda texts: model.predict([(texts[0], text) for text in texts])
    )
    before = give(TEXTS)
    merge_lora(model.transformers_model)
    assert give(TEXTS) == pytest.approx(before, abs=1e-5)
    assert not any("lora" in key or "base_layer" in key for key in model.state_dict())


def test_every_recipe_refuses_a_missing_base_in_one_sentence(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in names():
        recipe = with_settings(named(name), ["base=nobody/nothing"])
        with pytest.raises(ModelError, match="nobody/nothing is not on this machine"):
            find_base(recipe)
        with pytest.raises(ModelError, match="Give the folder or the alias"):
            open_base(recipe, fetch=False)


def test_a_model_of_another_kind_is_no_base(bert):
    with pytest.raises(ModelError, match="tinybert is a cross-encoder"):
        open_base(tiny("specter2-astro", "tinybert"))
    with pytest.raises(ModelError, match="no alias, folder or hub name"):
        open_base(tiny("minilm-scidocs", "nothing-like-it"))
