import json

import pytest
from cli_sample import build_sample, invoke, refused

from searchkit import sample
from searchkit.cli.bench_table import tables
from searchkit.cli.screen import aligned
from searchkit.index import generation as generations

JUDGED = ["--queries", sample.queries_path(), "--qrels", sample.qrels_path()]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("bench") / "sample")


def test_a_bench_tells_its_verdict_its_table_and_its_caveats(index, tmp_path):
    out = tmp_path / "out"
    done = invoke("bench", index, *JUDGED, "--max-queries", 20, "--out", out)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("BM25 alone reaches nDCG@10 .")
    head = next(line for line in lines if line.startswith("stage"))
    assert head.split()[:5] == ["stage", "nDCG@10", "RR@10", "R@100", "p50"]
    assert "Holm" not in done.stdout  # nothing is compared
    assert "- 20 queries of the 40 judged ones, drawn by chance (seed 0)." in lines
    assert f"{out / 'report.html'}: the report" in done.stderr
    assert done.output.index("BM25 alone") < done.output.index("the report, with its")
    assert (out / "report.html").is_file()
    assert "queries.jsonl, qrels.tsv" in (out / "report.html").read_text("utf-8")


def test_json_is_one_object_and_a_known_item_says_what_it_is(index):
    done = invoke("bench", index, "--known-item", 8, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["asked"]["kind"] == "known items"
    assert done.stderr.startswith("First a small index of at most 146 documents, without what is")
    assert found["caveats"][0].startswith("These are no judgements of relevance")
    assert found["index"]["path"] == str(index)
    assert found["index"]["fingerprint"] == generations.read(index).fingerprint
    assert [one["name"] for one in found["stages"]] == ["bm25"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([], "bench needs judged queries"),
        (["--queries", sample.queries_path()], "bench needs judged queries"),
        (["--known-item", 5, *JUDGED], "--queries has no effect: --known-item makes the queries"),
        (["--known-item", 5, "--max-queries", 3], "--max-queries has no effect"),
        (["--known-item", 0], "the number of known items must be 1 to 5,000, not 0"),
        ([*JUDGED, "--sample", 0], "sample must be 1 or more, not 0"),
        ([*JUDGED, "--depth", 0], "depth must be 1 to 10,000, not 0"),
        ([*JUDGED, "--reranker", "nobody"], "nobody"),
        ([*JUDGED, "--reranker", "none"], "--reranker none has no effect"),
        ([*JUDGED, "--out", sample.qrels_path()], "is a file. Name a folder."),
        ([*JUDGED[:3], sample.queries_path()], "queries.jsonl:1:"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(index, more, why):
    assert why in refused("bench", index, *more)


def test_a_place_that_no_report_can_be_written_to_is_refused_before_the_work(index, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file/out", "n" * 250, "made/" + "n" * 250):
        said = refused("bench", index, *JUDGED, "--out", tmp_path / name)
        assert "no report can be written to" in said
        assert "about" not in said  # the forecast, which comes before what takes its time
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_queries_that_nobody_judged_are_named_by_their_file(index, tmp_path):
    (tmp_path / "q.tsv").write_text("stranger\twhat is this\n")
    said = refused("bench", index, "--queries", tmp_path / "q.tsv", *JUDGED[2:])
    assert said.startswith(f"searchkit: {tmp_path / 'q.tsv'}: none of its queries is judged")


def test_grades_that_are_all_nought_are_refused_by_the_name_of_their_file(index, tmp_path):
    (tmp_path / "q.tsv").write_text("q1\td1\t0\n")
    said = refused("bench", index, *JUDGED[:3], tmp_path / "q.tsv")
    assert said.startswith(f"searchkit: {tmp_path / 'q.tsv'}: no judgement is above 0")


def test_a_folder_without_an_index_is_one_sentence(tmp_path):
    assert "there is no index here" in refused("bench", tmp_path, *JUDGED)


def test_a_narrow_terminal_gets_quality_and_cost_apart(index):
    from searchkit.corpus.qrels import read_qrels
    from searchkit.corpus.queries import read_queries
    from searchkit.tune.bench.bench import BenchOptions, bench

    asked, judged = read_queries(sample.queries_path()), read_qrels(sample.qrels_path())
    found = bench(index, asked, judged, options=BenchOptions(max_queries=3))
    [whole] = tables(found, width=1000)
    quality, cost = tables(found, width=80)
    assert whole[0] == quality[0] + cost[0][1:]
    assert max(map(len, aligned(quality) + aligned(cost))) <= 80
