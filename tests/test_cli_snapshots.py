import json
import subprocess
import sys

import pytest
from cli_sample import invoke, refused

import searchkit
from searchkit.errors import ConfigError, QueryError
from searchkit.index.lock import writing

MAIN = "from searchkit.cli.main import main; main()"
OLD, NEW = ("old", "masers in a disc"), ("new", "masers in a ring")


def build(folder, corpus, doc, *flags):
    corpus.write_text(json.dumps({"_id": doc[0], "title": "", "text": doc[1]}) + "\n")
    built = invoke("index", corpus, "--out", folder, "--lexical-only", *flags)
    assert built.exit_code == 0, built.stderr


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Two generations of one document each, both of which can be opened."""
    folder = tmp_path_factory.mktemp("snapshots")
    build(folder / "i", folder / "corpus.jsonl", OLD)
    build(folder / "i", folder / "corpus.jsonl", NEW, "--replace", "--keep", "1")
    return folder / "i"


def ids(*arguments, stdin=None):
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return [name for name in ("old", "new") if name in result.stdout]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ([], ["new"]),
        (["--generation", "1"], ["old"]),
        (["--generation", "2"], ["new"]),
        (["--as-of", "2999-01-01"], ["new"]),
    ],
)
def test_every_verb_that_reads_opens_the_generation_that_is_named(index, tmp_path, flags, found):
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"_id": "1", "text": "masers"}\n')
    assert ids("search", index, "masers", "--json", *flags) == found
    assert ids("search", index, "masers", "--bm25", "k1=2", "--json", *flags) == found
    assert ids("export", index, *flags) == found
    assert ids("repl", index, *flags, stdin="masers\n:set k1=2\nmasers\n") == found
    invoke("run", index, "--queries", queries, "--out", tmp_path / "r", *flags)
    assert (tmp_path / "r").read_text().split()[2:3] == found
    facts = json.loads(invoke("info", index, "--json", *flags).stdout)
    assert facts["generation"] == {"old": 1, "new": 2}[found[0]]


def test_info_lists_the_snapshots(index):
    facts = json.loads(invoke("info", index, "--json").stdout)
    [snapshot] = facts["snapshots"]
    assert facts["keep"] == 1
    assert (snapshot["generation"], snapshot["documents"]) == (1, 1)
    shown = invoke("info", index).stdout
    assert f"snapshot    generation 1, {snapshot['written']}, 1 document" in shown


@pytest.mark.parametrize("verb", [["search", "masers"], ["export"], ["info"], ["repl"]])
def test_what_is_not_there_is_a_sentence(index, verb):
    name, *query = verb
    said = refused(name, index, *query, "--generation", "7")
    assert "has no generation 7. It has 2 (" in said
    said = refused(name, index, *query, "--as-of", "1999-12-31")
    assert "has no generation as old as 1999-12-31. It has 2 (" in said
    both = ["--generation", "1", "--as-of", "2999-01-01"]
    assert "exclude each other" in refused(name, index, *query, *both)
    assert "is no date. Write it as" in refused(name, index, *query, "--as-of", "May")


def test_a_snapshot_is_opened_in_python(index):
    with searchkit.open(index, generation=1) as old, searchkit.open(index) as new:
        assert [old.search("masers")[0].doc.id, new.search("masers")[0].doc.id] == ["old", "new"]
        assert not old.reload()
    with searchkit.open(index, as_of="2999-01-01") as new:
        assert new.index.generation.number == 2
    with pytest.raises(QueryError, match="has no generation 9"):
        searchkit.open(index, generation=9)
    with pytest.raises(ConfigError, match="exclude each other"):
        searchkit.open(index, generation=1, as_of="2999-01-01")


def test_a_writer_waits_for_another_where_it_is_told_to(tmp_path):
    (tmp_path / "c.jsonl").write_text('{"_id": "a", "title": "", "text": "masers"}\n')
    build = ["index", str(tmp_path / "c.jsonl"), "--out", str(tmp_path / "i"), "--lexical-only"]
    with writing(tmp_path / "i"):
        refusal = invoke(*build)
        assert refusal.exit_code == 1
        assert "Wait for it with --wait, or stop it." in refusal.stderr
        command = [sys.executable, "-c", MAIN, *build, "--wait"]
        waiter = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert any("waiting for it." in line for line in iter(waiter.stderr.readline, ""))
    assert waiter.communicate()[1]
    assert waiter.returncode == 0
