"""`adapt` as a person calls it, on the bundled sample and with a random base."""

import json

import pytest
from cli_sample import build_sample, invoke, refused
from tiny_models import save_bert

from searchkit.index.generation import read

FEW = ["--n-queries", 24, "--held-out", 20, "--set", "max_steps=2", "--set", "max_tokens=32"]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("adapt") / "sample")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("base") / "bert")


def test_a_model_that_does_not_help_is_reported_and_left_out(index, bert, tmp_path):
    before = read(index)
    arguments = ["adapt", index, "--out", tmp_path / "out", "--base", bert, *FEW]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "2 steps of" in result.stderr
    assert "here: about" in result.stderr
    shown = result.stdout
    assert "queries held out        " in shown
    assert "of 20 documents by year, from year" in shown
    assert "cross-encoder: " in shown
    assert "nDCG@10" in shown
    assert "Known-item queries were measured" in shown
    assert read(index) == before
    again = invoke(*arguments, "--resume", "--json")
    assert again.exit_code == 0, again.stderr
    [line] = again.stdout.splitlines()
    report = json.loads(line)
    assert report["models"][0]["switched_on"] is False
    assert sum(report["material"]["training_queries"].values()) == 24
    assert "--resume" in refused(*arguments)


def test_citations_come_from_a_file_or_a_column(index, bert, tmp_path):
    path = tmp_path / "citations.tsv"
    path.write_text("".join(f"astro-{n:03}\tastro-{n + 1:03}\n" for n in range(1, 15)))
    arguments = ["adapt", index, "--out", tmp_path / "out", "--base", bert, *FEW]
    made = invoke(*arguments, "--citations", path, "--json")
    assert made.exit_code == 0, made.stderr
    found = json.loads(made.stdout)["material"]
    kinds = {**found["training_queries"], **found["held_out_queries"]}
    assert "citation" in kinds
    column = refused(*arguments[:3], tmp_path / "other", "--citation-column", "references")
    assert "has no column 'references'" in column


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--only", "bi-encoder"], "Name one: --encoder"),
        (["--only", "bi-encoder", "--base", "x"], "--base has no effect"),
        (["--only", "cross-encoder", "--encoder", "minilm"], "--encoder has no effect"),
        (["--set", "batch=3"], "Did you mean 'batch_size'?"),
        (["--base", "nosuchmodel"], "'nosuchmodel' is no alias"),
        (["--held-out", "2", "--n-queries", "1", "--resume"], "no run to go on with"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(index, tmp_path, flags, why):
    assert why in refused("adapt", index, "--out", tmp_path / "out", *flags)
    assert not (tmp_path / "out" / "cross-encoder").exists()


def test_a_place_without_an_index_is_refused(tmp_path):
    said = refused("adapt", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert "there is no index here" in said
    assert not (tmp_path / "out").exists()
