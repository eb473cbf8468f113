import json

import pytest
from cli_sample import build_sample, invoke, refused
from tiny_models import save_cross_encoder

from searchkit import sample
from searchkit.corpus.queries import read_queries
from searchkit.index import generation as generations

DEPTH = ["--rerank-depth", 6]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "mine")


@pytest.fixture
def index(tmp_path):
    return build_sample(tmp_path / "sample")


@pytest.fixture(scope="module")
def liked(tmp_path_factory, model):
    """Judgements that the model itself has made: the sample's queries, and what it ranks first."""
    folder = tmp_path_factory.mktemp("liked")
    index, run = build_sample(folder / "index"), folder / "model.run"
    asked = ["--queries", sample.queries_path(), "--out", run, "-k", 1, "--reranker", model]
    asked += DEPTH
    assert invoke("run", index, *asked).exit_code == 0
    lines = [line.split() for line in run.read_text().splitlines()]
    (folder / "qrels.tsv").write_text("".join(f"{line[0]}\t{line[2]}\t1\n" for line in lines))
    return folder / "qrels.tsv"


def promote(model, index, qrels, *more):
    asked = ["--queries", sample.queries_path(), "--qrels", qrels, *DEPTH]
    return invoke("promote", model, index, *asked, *more)


def test_a_model_that_passes_is_switched_on_and_named_with_its_evidence(model, index, liked):
    done = promote(model, index, liked)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Promoted: nDCG@10 +")
    assert "40 queries" in lines[0]
    assert lines[1].endswith("weight of the first stage 0.")
    info = invoke("info", index).stdout
    assert f"the first 6 reranked by {model}" in info
    assert "was promoted: nDCG@10 +" in info
    found = invoke("search", index, "vitamin D and bone", "-k", 1)
    assert "was promoted" in found.stderr
    assert json.loads(invoke("search", index, "bone", "-k", 1, "--json").stdout)[
        "stages"
    ].keys() == {
        "bm25",
        "reranked",
    }


def test_a_model_that_fails_says_so_and_leaves_the_pipeline_alone(model, index):
    before = (index / "CURRENT").read_bytes()
    done = promote(model, index, sample.qrels_path())
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Not promoted: nDCG@10 ")
    assert (index / "CURRENT").read_bytes() == before
    assert generations.read(index).pipeline is None
    again = promote(model, index, sample.qrels_path(), "--seed", 1)
    assert "attempt 2 on these judgements" in again.stdout


def test_json_is_one_object_with_all_of_it(model, index, liked, tmp_path):
    half = [query.id for query in read_queries(sample.queries_path())][:20]
    (tmp_path / "half.txt").write_text("\n".join([*half, "nobody", ""]))
    done = promote(
        model, index, liked, "--json", "--dry-run", "--subset", f"half={tmp_path / 'half.txt'}"
    )
    found = json.loads(done.stdout)
    assert found["written"] is False
    assert found["verdict"]["passed"] is True
    assert found["verdict"]["subsets"]["half"]["n_queries"] == 20
    assert found["pipeline"]["reranker"] == str(model)
    assert "1 query of the subset half did not take part." in done.stderr
    assert generations.read(index).number == 1
    table = promote(model, index, liked, "--dry-run", "--subset", f"half={tmp_path / 'half.txt'}")
    assert table.stdout.startswith("Would be promoted: ")
    assert table.stdout.splitlines()[3].split()[:2] == ["subset", "queries"]


@pytest.mark.parametrize(
    "mistake",
    [
        (["promote", "TMP/gone", "INDEX", "QUERIES", "QRELS"], "is no alias, folder or hub name"),
        (["promote", "MODEL", "TMP/none", "QUERIES", "QRELS"], "there is no index here"),
        (["promote", "minilm", "INDEX", "QUERIES", "QRELS"], "searchkit encoder add"),
        (["promote", "MODEL", "INDEX", "QUERIES", "--qrels=TMP/other"], "none of its queries is"),
        (["promote", "MODEL", "INDEX", "QUERIES", "--qrels=TMP/bad"], "bad:2: "),
        (["promote", "MODEL", "INDEX", "QUERIES", "--qrels=TMP/none"], "no such file"),
        (["promote", "MODEL", "INDEX", "QUERIES", "QRELS", "--subset=x"], "not written like"),
        (["promote", "MODEL", "INDEX", "QUERIES", "QRELS", "--subset=x=TMP/empty"], "no id in it"),
        (["promote", "MODEL", "INDEX", "QUERIES", "QRELS", "--subset=x=TMP/ids"], "none of the"),
    ],
)
def test_a_mistake_is_one_sentence_and_no_attempt(model, index, tmp_path, mistake):
    arguments, why = mistake
    (tmp_path / "other").write_text("query-id\tcorpus-id\tscore\nzzz\td1\t1\n")
    (tmp_path / "bad").write_text("q1\td1\t1\nq1\td1\tx\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "ids").write_text("zzz\n")
    places = {
        "MODEL": model,
        "INDEX": index,
        "QUERIES": f"--queries={sample.queries_path()}",
        "QRELS": f"--qrels={sample.qrels_path()}",
    }
    spelled = [str(places.get(one, one)).replace("TMP", str(tmp_path)) for one in arguments]
    assert why in refused(*spelled)
    assert not (index / "attempts.jsonl").exists()


def test_a_promoted_folder_that_is_gone_is_one_sentence(model, index, liked, tmp_path):
    folder = model.rename(tmp_path / "moved")
    try:
        assert promote(folder, index, liked).stdout.startswith("Promoted")
    finally:
        folder.rename(model)
    said = refused("search", index, "bone")
    assert "which was promoted into" in said
    assert "--reranker none" in said
    assert invoke("search", index, "bone", "--reranker", "none").exit_code == 0
