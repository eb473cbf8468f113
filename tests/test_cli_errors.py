"""What a user can do wrong: each is one sentence and exit status 1."""

import json

import pytest
from cli_sample import build_sample, invoke, refused

from searchkit import sample


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("errors") / "sample")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["search", "INDEX", "disc", "-k", 0], "k must be at least 1"),
        (["search", "INDEX", "disc", "--where", "yeer > 2"], "did you mean 'year'"),
        (["search", "INDEX", "disc", "--where", "year >"], "filter, position"),
        (["search", "INDEX", "disc", "--stage", "fussed"], "there is no stage 'fussed'"),
        (
            ["search", "INDEX", "disc", "--stage", "dense"],
            "no vectors. Add some: searchkit encoder add",
        ),
        (["search", "INDEX", "disc", "--stage", "reranked"], "no reranker is loaded"),
        (["search", "INDEX", "disc", "--reranker", "tinybrt"], "Did you mean tinybert"),
        (["search", "INDEX", "disc", "--bm25", "k9=1"], "there is no setting 'k9'"),
        (["search", "INDEX", "disc", "--like", "astro-001"], "one of the two"),
        (["search", "INDEX"], "one of the two"),
        (["search", "INDEX", "--like", "nobody"], "neither an id"),
        (["search", "TMP/nothing", "disc"], "there is no index here"),
        (["why-not", "INDEX", "disc", "nobody"], "there is no document 'nobody'"),
        (["why-not", "INDEX", "\udcff", "\udcff"], "there is no document"),
        (["search", "INDEX", "disc", "--where", "\udcff > 2"], "filter, position"),
        (["search", "INDEX", "--like", "\udcff"], "neither an id"),
        (["info", "TMP/nothing"], "there is no index here"),
        (["verify", "TMP"], "there is no index here"),
        (["export", "INDEX", "--out", "INDEX/lock/x.jsonl"], "x.jsonl: cannot be written"),
        (["repl", "TMP/nothing"], "there is no index here"),
        (["run", "INDEX", "--queries", "TMP/none.jsonl", "--out", "TMP/r"], "none.jsonl"),
        (["eval", "TMP/none.run", "--qrels", "QRELS"], "none.run"),
        (["eval", "TMP/none.run", "--qrels", "QRELS", "-m", "nDCC@10"], "did you mean nDCG"),
        (["index", "TMP/none.jsonl", "--out", "TMP/new"], "no such file"),
        (["index", "CORPUS", "--out", "INDEX"], "--replace"),
        (["index", "CORPUS", "--out", "TMP"], "holds other files"),
        (["index", "CORPUS", "--out", "TMP/new", "--analyzer", "english-ish"], "Did you mean"),
        (["index", "CORPUS", "--out", "TMP/new", "--encoder", "minilmm"], "Did you mean minilm"),
        (["index", "CORPUS", "--out", "TMP/new", "--encoder", "tinybert"], "cross-encoder"),
        (["index", "CORPUS", "--out", "TMP/new", "--lexical-only", "--encoder", "minilm"], "Drop"),
        (["index", "CORPUS", "--out", "TMP/new", "--column", "doi"], "not written like id=doi"),
        (["index", "CORPUS", "--out", "TMP/new", "--column", "author=a"], "no field 'author'"),
        (["index", "-", "--out", "TMP/new"], "--format"),
        (["index", "TMP/bad.jsonl", "--out", "TMP/new", "--lexical-only"], "bad.jsonl:2: "),
    ],
)
def test_a_mistake_is_one_sentence(index, tmp_path, arguments, why):
    (tmp_path / "bad.jsonl").write_text(json.dumps({"_id": "1", "text": "fine"}) + "\n{oops\n")
    places = {
        "INDEX": index,
        "TMP": tmp_path,
        "CORPUS": sample.corpus_path(),
        "QRELS": sample.qrels_path(),
    }
    spelled = []
    for argument in map(str, arguments):
        head, slash, rest = argument.partition("/")
        spelled.append(f"{places.get(head, head)}{slash}{rest}")
    result = invoke(*spelled)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("searchkit: ")
    assert why in last
    assert "Traceback" not in result.stderr
    assert "defect" not in result.stderr


def test_a_file_that_is_no_paper_is_refused(index, tmp_path):
    broken, empty, binary = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.txt"
    broken.write_text("{oops")
    empty.write_text("[]")
    blank, zeros = tmp_path / "d.json", tmp_path / "e.txt"
    blank.write_text(" \n")
    zeros.write_bytes(b"PK\0\0")
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is not JSON" in refused("search", index, "--like", broken)
    assert "has no title and no text" in refused("search", index, "--like", empty)
    assert "is not UTF-8" in refused("search", index, "--like", binary)
    assert "e.txt is not UTF-8 text" in refused("search", index, "--like", zeros)
    assert "d.json is empty" in refused("search", index, "--like", blank)
    assert "is a folder" in refused("search", index, "--like", tmp_path)
    broken.write_text(json.dumps({"title": " ", "text": ""}))
    assert "has no title and no text" in refused("search", index, "--like", broken)


def test_an_index_that_lost_a_file_is_refused_by_name(tmp_path):
    index = build_sample(tmp_path / "x")
    lost = next(index.glob("segments/*/meta.arrow"))
    lost.unlink()
    assert "meta.arrow: is missing" in refused("search", index, "disc")


def test_wrong_usage_is_status_2():
    assert invoke("search").exit_code == 2
    assert invoke("serch").exit_code == 2
    assert "Did you mean 'search'" in invoke("serch").stderr
    assert invoke("index", "x", "--out", "y", "--ann", "tree").exit_code == 2


def test_debug_shows_the_traceback_before_the_sentence(tmp_path):
    result = invoke("--debug", "info", tmp_path / "nothing")
    assert "Traceback" in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("searchkit: ")
