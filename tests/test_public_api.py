"""What `import searchkit` offers to Python, beside `build` and `open`."""

import subprocess
import sys

import pytest

import searchkit
from searchkit import sample
from searchkit.errors import ConfigError, CorpusError

GOOD = {"q": [("right", 2.0), ("wrong", 1.0)], "r": [("right", 1.0)]}
BAD = {"q": [("wrong", 2.0), ("right", 1.0)], "r": [("right", 1.0)]}
QRELS = {"q": {"right": 1}, "r": {"right": 1}}


def test_every_name_that_is_offered_is_there():
    for name in searchkit.__all__:
        assert callable(getattr(searchkit, name))
        assert name in dir(searchkit)
    assert searchkit.types.Doc is searchkit.Doc
    assert searchkit.errors.SearchkitError is searchkit.SearchkitError
    with pytest.raises(AttributeError, match="'searchkit' has no attribute 'serch'"):
        _ = searchkit.serch


def test_the_files_of_the_sample_are_read():
    queries = searchkit.read_queries(sample.queries_path())
    qrels = searchkit.read_qrels(str(sample.qrels_path()))
    assert len(queries) == 40
    assert {query.id for query in queries} == qrels.keys()
    assert queries[0].text


def test_hits_become_a_bibliography():
    docs = [searchkit.Doc("a", "T", "x", {"year": 2013}), searchkit.Doc("b", "U", "y")]
    assert searchkit.cite(docs).startswith("@misc{a,\n  title = {{T}},\n  year = {2013},")
    assert searchkit.cite(docs, "ris").count("ER  - ") == 2


def test_a_run_is_read_and_measured(tmp_path):
    path = tmp_path / "good.run"
    path.write_text("q Q0 right 1 2.0 me\nq Q0 wrong 2 1.0 me\nr Q0 right 1 1.0 me\n")
    found = searchkit.evaluate(searchkit.read_run(path), QRELS, measures=["RR@10", "P@1"])
    assert found.mean == {"RR@10": 1.0, "P@1": 1.0}


def test_queries_are_ranked_into_a_run_and_its_protocol_repeated(tmp_path):
    searchkit.build(sample.corpus_path(), out=tmp_path / "x", encoders=[])
    queries = searchkit.read_queries(sample.queries_path())
    with searchkit.open(tmp_path / "x", reranker=None) as searcher:
        found = searchkit.run(searcher, queries, k=5, protocol=tmp_path / "p.jsonl")
        assert found[queries[0].id] == searcher.rank([queries[0].text], k=5)[0]
    assert list(found) == [query.id for query in queries]
    again = searchkit.replay(tmp_path / "p.jsonl", index=tmp_path / "x")
    assert (again.is_same, again.n_identical) == (True, 40)


def test_two_runs_are_compared_by_the_same_queries():
    good, bad = (searchkit.evaluate(run, QRELS) for run in (GOOD, BAD))
    found = searchkit.compare(good, bad, measure="RR@10")
    assert found.difference == 0.25
    assert (found.n_better, found.n_worse, found.n_queries) == (1, 0, 2)


def test_what_cannot_be_done_is_a_sentence(tmp_path):
    with pytest.raises(CorpusError, match="no such file"):
        searchkit.read_run(tmp_path / "absent.run")
    with pytest.raises(ConfigError, match="unknown"):
        searchkit.evaluate(GOOD, QRELS, measures=["best"])


def test_the_rooms_of_the_same_name_do_not_hide_the_functions():
    code = (
        "import searchkit\n"
        "import searchkit.evaluate.tables, searchkit.tune.folds\n"
        "from searchkit.evaluate import measures\n"
        "print(callable(searchkit.evaluate), callable(measures.evaluate))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "True"]
