import json

import pytest
from cli_sample import build_sample, invoke, refused

from searchkit import sample
from searchkit.index import generation as generations
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.search.pipeline import Pipeline
from searchkit.tune.attempts import read_attempts


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("sample") / "index")


FILES = ["--queries", sample.queries_path(), "--qrels", sample.qrels_path()]


def test_tuning_shows_both_pipelines_and_how_sure_the_choice_is(built, tmp_path):
    before = generations.read(built).number
    done = invoke("tune", built, *FILES, "--dry-run", "--report", tmp_path / "tuned.md")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(("Not tuned: ", "Would be tuned: "))
    assert "cross-validated over 5 folds." in lines[1]
    assert "(fitted)" in lines[2]
    assert lines[4].split() == ["setting", "current", "tuned"]
    assert lines[5].split()[:2] == ["k1", "1.2"]
    assert "48 first stages on 40 queries" in lines[-1]
    assert (tmp_path / "tuned.md").read_text().startswith("# Tuning")
    assert f"{tmp_path / 'tuned.md'}: the report." in done.stderr
    assert generations.read(built).number == before
    assert [one.model for one in read_attempts(built)] == ["tune"]


def test_json_is_one_object_with_all_of_it(built):
    done = invoke("tune", built, *FILES, "--dry-run", "--json", "--measure", "RR@5", "--folds", 3)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["measure"], len(found["folds"]), len(found["per_query"])) == ("RR@5", 3, 40)
    assert found["quality"] <= found["fitted"]
    assert found["optimism"] == pytest.approx(found["fitted"] - found["quality"])
    assert found["current"]["bm25"]["k1"] == 1.2
    assert found["verdict"]["overall"]["n_queries"] == 40


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--max-ms", 0], "an answer cannot take 0 ms"),
        (["--max-ms", -1], "an answer cannot take -1 ms"),
        (["--max-ms", "nan"], "an answer cannot take nan ms"),
        (["--folds", 1], "at least 2 folds, not 1"),
        (["--measure", "AP"], "AP looks at the whole ranking"),
        (["--measure", "best"], "the measure 'best' is unknown"),
        (["--report", "tuned.pdf"], "a report is written as .json or .md"),
        (["--reranker", "nobody"], "nobody"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_a_sentence(built, more, said):
    assert said in refused("tune", built, *FILES, *more)


def test_queries_that_nobody_judged_are_refused_by_their_file(built, tmp_path):
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"_id": "other", "text": "bone"}\n')
    said = refused("tune", built, "--queries", asked, "--qrels", sample.qrels_path())
    assert said == f"searchkit: {asked}: none of its queries is judged; is it the right qrels file?"
    first = sample.queries_path().read_text("utf-8").splitlines()[0]
    asked.write_text(first + "\n")
    said = refused("tune", built, "--queries", asked, "--qrels", sample.qrels_path())
    assert "at least 2 judged queries" in said


def test_a_report_that_cannot_be_written_is_refused_before_the_work(built, tmp_path):
    (tmp_path / "file").touch()
    attempts = read_attempts(built)
    said = refused("tune", built, *FILES, "--report", tmp_path / "file" / "tuned.md")
    assert "cannot be written" in said
    assert read_attempts(built) == attempts
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_judgements_without_a_relevant_document_are_refused_by_their_file(built, tmp_path):
    qrels = tmp_path / "zero.tsv"
    qrels.write_text(sample.qrels_path().read_text("utf-8"))
    rows = [line.split("\t") for line in qrels.read_text().splitlines()]
    qrels.write_text("\n".join("\t".join([*row[:2], "0"]) for row in rows[1:]) + "\n")
    said = refused("tune", built, "--queries", sample.queries_path(), "--qrels", qrels)
    assert said.startswith(f"searchkit: {qrels}: no judgement is above 0")


def test_a_new_build_says_that_the_tuned_pipeline_is_gone(tmp_path):
    index = build_sample(tmp_path / "index")
    again = ["index", sample.corpus_path(), "--out", index, "--lexical-only", "--replace"]
    assert "pipeline that was chosen" not in invoke(*again).stderr
    live = generations.read(index)
    with unchanged(index, live.number) as generation:
        switch_pipeline(index, generation, Pipeline().to_dict())
    assert "The old index had a pipeline that was chosen for it" in invoke(*again).stderr


def test_more_folds_than_queries_are_as_many_as_queries_and_it_is_said(built, tmp_path):
    asked = tmp_path / "asked.jsonl"
    lines = sample.queries_path().read_text("utf-8").splitlines(keepends=True)
    asked.write_text("".join(lines[:4]), "utf-8")
    done = invoke("tune", built, "--queries", asked, *FILES[2:], "--dry-run", "--folds", 9)
    assert "4 folds instead of 9" in done.output
    assert "cross-validated over 4 folds." in done.stdout
