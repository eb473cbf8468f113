import json

import pytest
from cli_sample import build_sample, invoke, refused

from searchkit import sample

QUERY = "heart attack drug prevention"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("replay") / "sample")


@pytest.fixture
def protocol(index, tmp_path):
    path = tmp_path / "search.jsonl"
    done = invoke("search", index, QUERY, "--stage", "bm25", "-k", 3, "--protocol", path)
    assert done.exit_code == 0, done.output
    return path


def test_a_search_is_repeated(index, protocol):
    done = invoke("replay", protocol)
    assert done.exit_code == 0, done.output
    assert "stage bm25, the first 3; repeated on" in done.stdout
    assert done.stdout.splitlines()[1] == (
        "The same ranking: 1 of 1 queries identical, scores equal to the last bit."
    )


def test_the_methods_are_printed_with_it(protocol):
    paragraph = invoke("replay", protocol, "--methods").stdout.splitlines()[-1]
    assert paragraph.startswith("1 query was ranked against 146 documents")
    as_json = json.loads(invoke("replay", protocol, "--methods", "--json").stdout)
    assert as_json["methods"] == paragraph
    assert (as_json["is_same"], as_json["n_queries"], as_json["first"]) == (True, 1, None)


def test_a_run_writes_its_file_and_a_protocol_of_all_queries(index, tmp_path):
    out, path = tmp_path / "x.run", tmp_path / "x.jsonl.gz"
    options = ["--where", "year >= 2005", "--bm25", "k1=0.9", "--protocol", path]
    done = invoke("run", index, "--queries", sample.queries_path(), "--out", out, *options)
    assert done.exit_code == 0, done.output
    assert f"Repeat it: searchkit replay {path}" in done.stderr
    assert out.read_text().count("\n") > 40
    said = invoke("replay", path, "--methods")
    assert "40 of 40 queries identical" in said.stdout
    assert "k1 = 0.9" in said.stdout
    assert "where year >= 2005" in said.stdout


def test_a_paper_as_the_query_is_recorded(index, tmp_path):
    path = tmp_path / "like.jsonl"
    like = ["--like", "bio-001", "--stage", "bm25", "-k", 4]
    shown = invoke("search", index, *like, "--json", "--protocol", path)
    ids = [json.loads(line)["id"] for line in shown.stdout.splitlines()]
    assert json.loads(path.read_text().splitlines()[1])["documents"] == ids
    assert invoke("replay", path).exit_code == 0


def test_another_ranking_is_one_sentence_and_status_1(index, protocol, tmp_path):
    rows = sample.corpus_path().read_text("utf-8").splitlines()
    best = json.loads(protocol.read_text().splitlines()[1])["documents"][0]
    corpus = tmp_path / "less.jsonl"
    corpus.write_text("\n".join(row for row in rows if f'"{best}"' not in row) + "\n", "utf-8")
    less = tmp_path / "less"
    assert invoke("index", corpus, "--out", less, "--lexical-only").exit_code == 0
    done = invoke("replay", protocol, "--index", less)
    assert done.exit_code == 1
    [line] = done.stderr.strip().splitlines()
    assert line.startswith(f"searchkit: {protocol}: another ranking: 1 of 1 queries differ")
    assert f"1 of 3 recorded documents gone from the index: {best}." in done.stdout
    assert "documents in the index: 146 then, 145 now." in done.stdout
    assert f"The first difference: query 1, rank 1: {best} (" in done.stdout
    facts = json.loads(invoke("replay", protocol, "--index", less, "--json").stdout)
    assert facts["first"]["then"]["doc"] == best
    assert not facts["is_same"]


def test_what_cannot_be_repeated_is_a_sentence(index, protocol, tmp_path):
    assert "no such file" in refused("replay", tmp_path / "absent")
    assert "--index PATH" in refused("replay", protocol, "--index", tmp_path)
    protocol.write_text(protocol.read_text().replace(QUERY, "another"))
    assert "changed after it was written" in refused("replay", protocol)
    assert "no protocol of a search" in refused("replay", sample.corpus_path())


def test_a_place_that_a_protocol_cannot_have_is_refused_before_any_work(index, tmp_path):
    assert "is a folder" in refused("search", index, QUERY, "--protocol", tmp_path)
    out = tmp_path / "x.run"
    run = ["run", index, "--queries", sample.queries_path(), "--out", out]
    assert "named twice" in refused(*run, "--protocol", out)
    queries = sample.queries_path()
    assert "named twice" in refused(*run, "--protocol", queries)
    assert list(tmp_path.iterdir()) == []
    assert queries.read_text("utf-8").startswith("{")


def test_a_search_that_is_refused_leaves_no_protocol(index, tmp_path):
    path = tmp_path / "p.jsonl"
    said = refused("search", index, QUERY, "--where", "yeer > 3", "--protocol", path)
    assert "yeer" in said
    assert list(tmp_path.iterdir()) == []
