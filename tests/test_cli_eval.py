"""`searchkit eval`: what it takes, what it shows, and what it refuses."""

import gzip
import json
import os

import pytest
from cli_sample import build_sample, invoke, refused
from pyarrow import parquet

from searchkit import sample
from searchkit.corpus.qrels import read_qrels

QUERIES, QRELS = sample.queries_path(), sample.qrels_path()
JUDGED = ["--qrels", QRELS]
ASKED = [*JUDGED, "--queries", QUERIES]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("eval") / "index")


@pytest.fixture(scope="module")
def runs(index, tmp_path_factory):
    """The index's own run, and one that changes some of its rankings."""
    folder = tmp_path_factory.mktemp("runs")
    asked = ["run", index, "--queries", QUERIES, "--stage", "bm25", "-k", "100"]
    assert invoke(*asked, "--out", folder / "bm25.run").exit_code == 0
    assert invoke(*asked, "--bm25", "b=0,k1=0.2", "--out", folder / "flat.run").exit_code == 0
    return folder


def records(*arguments):
    result = invoke("eval", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def of_kind(kind, rows):
    return [row for row in rows if row["kind"] == kind]


def test_an_index_is_measured_like_the_run_it_writes(index, runs):
    names = ["-m", "nDCG@10 R@100 AP"]
    (own,), (file,) = (
        records(index, *ASKED, "-k", "100", *names),
        records(runs / "bm25.run", *JUDGED, *names),
    )
    assert own.pop("run") == str(index)
    assert file.pop("run") == str(runs / "bm25.run")
    assert own == file


def test_an_index_is_asked_for_what_the_measures_look_at(index):
    said = invoke("eval", f"{index}:bm25", *ASKED, "-m", "nDCG@20").stderr
    assert f"{index}:bm25: ranked here by stage bm25, 20 documents a query." in said
    assert "1,000 documents" in invoke("eval", index, *ASKED, "-m", "AP nDCG@20").stderr
    assert "30 documents" in invoke("eval", index, *ASKED, "-m", "AP", "-k", "30").stderr


def test_a_run_in_gzip_and_judgements_of_trec_are_read(runs, tmp_path):
    zipped, trec = tmp_path / "r.gz", tmp_path / "qrels.gz"
    zipped.write_bytes(gzip.compress((runs / "bm25.run").read_bytes()))
    lines = [
        f"{q} 0 {d} {g}\n" for q, grades in read_qrels(QRELS).items() for d, g in grades.items()
    ]
    trec.write_bytes(gzip.compress("".join(lines).encode()))
    (other,), (plain,) = records(zipped, "--qrels", trec), records(runs / "bm25.run", *JUDGED)
    assert {**other, "run": ""} == {**plain, "run": ""}


def test_a_run_is_written_in_gzip_where_its_name_says_so(index, runs, tmp_path):
    for name in ("one.run.gz", "two.run.gz"):
        asked = ["--queries", QUERIES, "--stage", "bm25", "--out", tmp_path / name]
        assert invoke("run", index, *asked).exit_code == 0
    one, two = ((tmp_path / name).read_bytes() for name in ("one.run.gz", "two.run.gz"))
    assert one == two
    assert gzip.decompress(one) == (runs / "bm25.run").read_bytes()


def test_a_run_of_other_documents_is_told(tmp_path):
    run = tmp_path / "other.run"
    run.write_text("kw-01 Q0 nothing-1 1 2.5 t\n")
    assert "no judged document stands among the first 10" in invoke("eval", run, *JUDGED).stderr


def test_a_folder_that_is_no_index_is_one_sentence(tmp_path):
    assert refused("eval", tmp_path, *JUDGED).startswith(
        f"searchkit: {tmp_path}: there is no index here."
    )


def test_ties_are_counted_in_the_table_and_said(tmp_path):
    run, qrels = tmp_path / "tied.run", tmp_path / "qrels"
    run.write_text("q Q0 a 1 1.0 t\nq Q0 c 2 1.0 t\nq Q0 b 3 1.0 t\nr Q0 a 1 1 t\n")
    qrels.write_text("q 0 b 1\ns 0 a 1\n")
    shown = invoke("eval", run, "--qrels", qrels, "-m", "RR P@1")
    head, row = (line.split() for line in shown.stdout.splitlines()[1:3])
    found = dict(zip(head, row, strict=True))
    assert (found["RR"], found["P@1"]) == ("0.2500", "0.0000")  # c, b, a; the other query is 0
    assert (found["missing"], found["ignored"], found["ties"]) == ("1", "1", "2")
    assert "2 documents have the score of the one before" in shown.stderr
    assert "judged queries without a result: 1 of 2. They count 0" in shown.stderr
    assert "queries without a judgement: 1. They count nothing" in shown.stderr


def test_runs_are_held_against_a_baseline(runs):
    files = [runs / "flat.run", runs / "bm25.run"]
    rows = records(*files, *ASKED, "--baseline", files[1], "-m", "nDCG@10 RR")
    assert [row["run"] for row in of_kind("run", rows)] == [str(file) for file in files]
    first, second = of_kind("comparison", rows)
    assert (first["run"], first["baseline"]) == (str(files[0]), str(files[1]))
    assert (first["measure"], second["measure"]) == ("nDCG@10", "RR")
    assert min(first["p_holm"], second["p_holm"]) == min(1, 2 * min(first["p"], second["p"]))
    assert first["better"] + first["same"] + first["worse"] == first["queries"] == 40
    moved = of_kind("moved", rows)
    assert {row["measure"] for row in moved} == {"nDCG@10"}
    assert all(row["text"] for row in moved)
    assert sum(row["difference"] > 0 for row in moved) == min(10, first["better"])
    assert sum(row["difference"] < 0 for row in moved) == min(10, first["worse"]) > 0
    assert moved[0]["difference"] == moved[0]["value"] - moved[0]["baseline_value"]


def test_the_tables_name_the_corrected_p_and_the_moved_queries(runs):
    files = [runs / "flat.run", "--baseline", runs / "bm25.run"]
    shown = invoke("eval", *files, *ASKED, "--moved", "2").stdout
    for part in ("p Holm", "detect.", "+/=/-", "corrected for all 3 comparisons", "low, high: 95%"):
        assert part in shown
    hurt = shown.partition("nDCG@10: most hurt")[2].strip().splitlines()
    assert hurt[1].split()[-1] == "text"
    assert len(hurt) == 4
    assert "most hurt" not in invoke("eval", *files, *JUDGED, "--moved", "0").stdout


def test_a_run_that_moves_nothing_says_so(runs, tmp_path):
    same = tmp_path / "same.run"
    same.write_bytes((runs / "bm25.run").read_bytes())
    shown = invoke("eval", same, *JUDGED, "--baseline", runs / "bm25.run", "-m", "RR").stdout
    assert "no query is hurt" in shown
    assert "0/40/0" in shown


def test_a_name_that_is_no_utf_8_is_spelled_in_json(runs, tmp_path):
    odd = tmp_path / os.fsdecode(b"a\xff.run")
    odd.write_bytes((runs / "bm25.run").read_bytes())
    (row,) = records(odd, *JUDGED)
    assert row["run"] == str(tmp_path / "a?.run")


def test_the_seed_decides_the_draws(runs):
    asked = [runs / "flat.run", *JUDGED, "--baseline", runs / "bm25.run"]
    first, again, other = (records(*asked, "--seed", seed) for seed in (3, 3, 4))
    assert first == again != other


def test_collections_are_filled_in_and_meant_both_ways(runs, tmp_path):
    qrels = read_qrels(QRELS)
    for name, part in (("one", list(qrels)[:30]), ("two", list(qrels)[30:])):
        folder = tmp_path / name
        folder.mkdir()
        lines = [f"{q} 0 {d} {g}" for q in part for d, g in qrels[q].items()]
        (folder / "qrels").write_text("\n".join(lines))
        for run in ("bm25.run", "flat.run"):
            (folder / run).write_bytes((runs / run).read_bytes())
    named = [tmp_path / "{}" / "flat.run", "--baseline", tmp_path / "{}" / "bm25.run"]
    several = ["--collection", "one", "--collection", "two", "-m", "RR@10"]
    asked = [*named, "--qrels", tmp_path / "{}" / "qrels", *several]
    rows = records(*asked)
    places = ["one", "two", "all queries alike", "all collections alike"]
    compared = of_kind("comparison", rows)
    assert [row["collection"] for row in compared] == places
    assert [row["queries"] for row in compared] == [30, 10, 40, 40]
    assert [row["collection"] for row in of_kind("run", rows)] == [p for p in places for _ in "ab"]
    assert compared[2]["difference"] == pytest.approx(
        0.75 * compared[0]["difference"] + 0.25 * compared[1]["difference"]
    )
    shown = invoke("eval", *asked, "--per-query", tmp_path / "q.parquet").stdout
    assert "two: judged queries: 10" in shown
    assert f"{named[0]} against {named[2]} by RR@10" in shown
    table = parquet.read_table(str(tmp_path / "q.parquet"))
    assert table.column_names == ["collection", "run", "query", "RR@10", "RR@10 difference"]
    assert len(table) == 2 * 40


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["r", *JUDGED, "--baseline", "r"], "--baseline has no effect"),
        (["r", *JUDGED, "--moved", "3"], "--moved has no effect: nothing is compared"),
        (["r", *JUDGED, "--seed", "3"], "--seed has no effect: nothing is compared"),
        (["r", *JUDGED, "-k", "10"], "-k has no effect: no RUN is an index"),
        (["r", *ASKED], "--queries has no effect: no RUN is an index, and no moved query is shown"),
        (["r", *ASKED, "--baseline", "s", "--moved", "0"], "--queries has no effect"),
        (["r", *JUDGED, "--collection", "a"], r"--collection: r does not hold {}"),
        (["r", *JUDGED, "--per-query", "t.xlsx"], "a table is written as .csv or .parquet"),
        (["r", *JUDGED, "-m", "P"], "needs a cutoff, as in P@10"),
        (["r", *JUDGED, "-m", " , "], "no measure is named"),
        (["r", *JUDGED], "r: there is no such file"),
        (["r", "--qrels", "q"], "q: there is no such file"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(arguments, why):
    assert why in refused("eval", *arguments)


def test_what_an_index_needs_is_one_sentence(index, tmp_path):
    assert "is an index, which needs queries" in refused("eval", index, *JUDGED)
    said = refused("eval", index, *ASKED, "-k", "20", "-m", "nDCG@10 R@100")
    assert "-k 20 is less than R@100 looks at" in said
    assert "there is no stage 'best'" in refused("eval", f"{index}:best", *ASKED)
    assert "there is no stage ''" in refused("eval", f"{index}:", *ASKED)
    assert "there is no index here" in refused("eval", tmp_path, *ASKED)
    other = tmp_path / "q.tsv"
    other.write_text("x\tsome words\n")
    said = refused("eval", index, *JUDGED, "--queries", other)
    assert f"{other}: none of its queries is judged" in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"kw-01 Q0 d 1 2.5 t\nkw-01 Q0 e 2 nan t\n", ":2: the score nan is not finite"),
        (b"kw-01 Q0 d 1 2.5 t\nkw-01 Q0 d 2 2.0 t\n", ":2: document 'd' occurs twice"),
        (b"kw-01 d 1 2.5 Q0 t\n", ":1: the rank '2.5' is not a whole number. The columns are"),
        (b"d 2.5\n", ":1: the line has 2 columns"),
        (b"kw-01 d Q0 1 2.5 t\n", ":1: the third column is Q0, which stands second"),
        (b"other Q0 d 1 2.5 t\n", "none of its queries is judged"),
        (b"", "there is no ranking in it"),
        (b"\n\n", "there is no ranking in it"),
        (b"\x1f\x8b\x08\x00junk", "the content is compressed with gzip"),
    ],
)
def test_a_bad_run_is_one_sentence_with_file_and_line(tmp_path, content, why):
    run = tmp_path / "bad.run"
    run.write_bytes(content)
    assert f"{run}{why}" in (said := refused("eval", run, *JUDGED)) or f"{run}: {why}" in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"kw-01\tastro-001\thigh\n", ":1: the grade 'high' is not a whole number"),
        (b"kw-01 0 astro-001 1\nkw-01 0 astro-001 2\n", ":2: document 'astro-001' has grade 1"),
        (b"kw-01 astro-001 1\n", ":1: the line has 3 columns"),
        (b"", ": there is no judgement in it"),
        (b"kw-01\tastro-001\t0\n", ": no judgement is above 0, so every measure would be 0"),
    ],
)
def test_bad_judgements_are_one_sentence_with_file_and_line(runs, tmp_path, content, why):
    qrels = tmp_path / "qrels"
    qrels.write_bytes(content)
    assert f"{qrels}{why}" in refused("eval", runs / "bm25.run", "--qrels", qrels)


def test_a_file_of_gzip_that_ends_too_early_is_one_sentence(runs, tmp_path):
    cut = tmp_path / "cut.run.gz"
    cut.write_bytes(gzip.compress((runs / "bm25.run").read_bytes())[:-200])
    said = refused("eval", cut, *JUDGED)
    assert "the gzip file ends too early" in said
    assert f"{cut}:" in said


def test_a_folder_where_a_file_belongs_is_one_sentence(runs, tmp_path):
    assert f"{tmp_path}: this is a folder" in refused(
        "eval", runs / "bm25.run", "--qrels", tmp_path
    )
    folder = tmp_path / "t.csv"
    folder.mkdir()
    said = refused("eval", runs / "bm25.run", *JUDGED, "--per-query", folder)
    assert f"{folder}: this is a folder" in said


def test_a_bad_file_leaves_no_table(tmp_path):
    (tmp_path / "bad.run").write_bytes(b"q\n")
    refused("eval", tmp_path / "bad.run", *JUDGED, "--per-query", tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.run"]
