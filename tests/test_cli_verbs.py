import json

import pytest
from cli_sample import build_sample, invoke, refused

from searchkit import sample
from searchkit.evaluate.sizes import spell_bytes
from searchkit.index import generation as generations

QUERY = "heart attack drug prevention"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("verbs") / "sample")


def test_building_says_what_was_read_and_what_comes_next(tmp_path):
    said = invoke("index", sample.corpus_path(), "--out", tmp_path / "x", "--lexical-only").stderr
    assert "146 documents, 11" in said  # the estimate, before
    assert "146 documents read" in said
    assert f"Next: searchkit search {tmp_path / 'x'}" in said


def test_a_corpus_may_come_through_standard_input_and_its_columns_be_named(tmp_path):
    row = {"doi": "10.1/x", "heading": "Water masers", "abstract": "A disc.", "year": 2013}
    options = ["--format", "jsonl", "--column", "id=doi", "--column", "title=heading"]
    out = tmp_path / "x"
    built = invoke(
        "index", "-", "--out", out, "--lexical-only", *options, stdin=json.dumps(row) + "\n"
    )
    assert built.exit_code == 0, built.stderr
    found = json.loads(invoke("search", out, "masers", "--json").stdout)
    assert (found["id"], found["title"], found["meta"]) == (
        "10.1/x",
        "Water masers",
        {"year": 2013},
    )


def test_an_analyzer_of_another_language_has_no_encoder_by_default(tmp_path):
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"_id": "1", "text": "الطاقة المظلمة"}\n', encoding="utf-8")
    built = invoke("index", corpus, "--out", tmp_path / "x", "--analyzer", "arabic")
    assert built.exit_code == 0, built.stderr
    assert "minilm reads English and the analyzer is arabic" in built.stderr
    assert invoke("search", tmp_path / "x", "الطاقة").stdout.startswith("1  (no title)")


def test_rows_that_are_skipped_are_counted(tmp_path):
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"_id": "1", "text": "fine"}\n{"_id": "1", "text": "again"}\n')
    options = ["--lexical-only", "--on-error", "skip", "--rejects", tmp_path / "rejects.jsonl"]
    said = invoke("index", corpus, "--out", tmp_path / "x", *options).stderr
    assert "1 row skipped: 1 duplicate id." in said
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 1


def test_hits_are_numbered_and_come_with_what_they_are(index):
    lines = invoke("search", index, QUERY, "-k", 2).stdout.splitlines()
    assert lines[0].startswith("1  Temperature control after cardiac arrest")
    assert lines[1].endswith("2021 · Clinical Evidence Digest · bio-008")
    assert lines[4].startswith("2  ")
    assert "\x1b" not in "".join(lines)


def test_json_is_one_hit_a_line(index):
    hits = [
        json.loads(line)
        for line in invoke("search", index, QUERY, "--json").stdout.split("\n")[:-1]
    ]
    assert [hit["rank"] for hit in hits] == list(range(1, 11))
    assert hits[0]["id"] == "bio-008"
    assert hits[0]["stages"]["bm25"] == {"rank": 1, "score": hits[0]["score"]}


def test_an_explained_hit_shows_ranks_and_terms(index):
    out = invoke("search", index, QUERY, "-k", 1, "--explain").stdout
    assert "stage  rank" in out
    assert "terms    heart 1.92  prevent 1.25" in out


def test_a_search_says_on_stderr_that_it_did_not_rerank(index):
    assert "Not reranked" in invoke("search", index, QUERY).stderr


def test_a_filter_is_kept(index):
    out = invoke("search", index, QUERY, "--where", "year < 2010", "--json").stdout
    assert all(json.loads(line)["meta"]["year"] < 2010 for line in out.splitlines())


def test_parameters_of_bm25_are_chosen_at_query_time(index):
    scores = [
        json.loads(invoke("search", index, "disc", "-k", 1, "--json", *options).stdout)["score"]
        for options in ([], ["--bm25", "k1=0.2,b=0"], ["--lexical", "rank-bm25"])
    ]
    assert len(set(scores)) == 3


def test_a_paper_can_be_the_query_by_its_id_or_a_file(index, tmp_path):
    by_id = invoke("search", index, "--like", "astro-001", "-k", 3, "--json").stdout
    assert "astro-001" not in [json.loads(line)["id"] for line in by_id.splitlines()]
    paper = tmp_path / "paper.json"
    paper.write_text(json.dumps({"title": "Water masers", "abstract": "A disc in NGC 4258."}))
    text = tmp_path / "paper.txt"
    text.write_text("Water masers A disc in NGC 4258.")
    for path in (paper, text):
        found = json.loads(invoke("search", index, "--like", path, "-k", 1, "--json").stdout)
        assert found["id"] == "astro-001"


def test_nothing_found_is_said_with_its_reason(index):
    why = "No document matches: the index does not hold the term zebra."
    assert invoke("search", index, "zebra").stdout == f"{why}\n"
    silent = invoke("search", index, "zebra", "--json")
    assert silent.stdout == ""
    assert why in silent.stderr


def test_ranks_of_papers_like_one_do_not_count_it(index):
    options = ["--like", "astro-001", "-k", 2, "--json"]
    hits = [json.loads(line) for line in invoke("search", index, *options).stdout.splitlines()]
    assert [(hit["rank"], hit["stages"]["bm25"]["rank"]) for hit in hits] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "query", ["(NGC AND", '"unbalanced', "a:b", "*", "[", "--where", "\\", "🔭", "\udcff"]
)
def test_no_character_of_a_query_is_syntax(index, query):
    assert invoke("search", index, "--", query).exit_code == 0


def test_why_not_names_the_stage_and_the_terms(index):
    out = invoke("why-not", index, QUERY, "bio-003", "-k", 1).stdout
    assert "bio-003 has rank 7 after bm25" in out
    assert "terms it holds: heart" in out
    found = json.loads(invoke("why-not", index, QUERY, "bio-003", "-k", 1, "--json").stdout)
    assert (found["lost_at"], found["findings"][0]["rank"]) == ("bm25", 7)


def test_a_run_is_written_measured_and_compared(index, tmp_path):
    runs = [tmp_path / "plain.run", tmp_path / "flat.run"]
    for path, bm25 in zip(runs, ["k1=1.2", "k1=0.1"], strict=True):
        made = invoke(
            "run", index, "--queries", sample.queries_path(), "--out", path, "--bm25", bm25
        )
        assert made.exit_code == 0, made.stderr
    assert runs[0].read_text().splitlines()[0].endswith("searchkit-bm25")
    table = tmp_path / "values.csv"
    options = ["--qrels", sample.qrels_path(), "--baseline", runs[0], "--per-query", table]
    out = invoke("eval", *runs, *options, "-m", "nDCG@10 P(rel=2)@5").stdout
    assert "unjudged@10" in out
    assert "randomisation" in out
    assert len(table.read_text().splitlines()) == 1 + 2 * 40
    rows = invoke("eval", *runs, *options[:4], "--json").stdout.splitlines()
    found = [json.loads(row) for row in rows]
    assert [row["kind"] for row in found[:5]] == [*["run"] * 2, *["comparison"] * 3]
    assert [row["measure"] for row in found[2:5]] == ["nDCG@10", "R@100", "RR@10"]
    assert {row["kind"] for row in found[5:]} == {"moved"}


def test_an_error_of_eval_names_the_run_or_the_judgements(index, tmp_path):
    good, bad, qrels = tmp_path / "good.run", tmp_path / "bad.run", tmp_path / "qrels.tsv"
    good.write_text("q1 Q0 d1 1 2.0 t\n")
    bad.write_text("other Q0 d1 1 2.0 t\n")
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    said = refused("eval", good, bad, "--qrels", qrels)
    assert f"searchkit: {bad}: none of its queries is judged" in said
    bad.write_text("q1 Q0 d1 1 2.0 t\nq1 Q0 d1 2 1.0 t\n")
    assert f"{bad}:2: " in refused("eval", good, bad, "--qrels", qrels)
    assert "--baseline has no effect" in refused("eval", good, "--qrels", qrels, "--baseline", good)


@pytest.mark.parametrize(
    ("n_bytes", "spelled"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1 kB"), (2_340_000, "2.3 MB")],
)
def test_a_size_has_a_unit_that_suits_it(n_bytes, spelled):
    assert spell_bytes(n_bytes) == spelled


def test_what_was_read_is_told_in_a_unit_that_suits_it(tmp_path):
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"_id": "1", "text": "A disc."}\n')
    said = invoke("index", corpus, "--out", tmp_path / "x", "--lexical-only").stderr
    assert "1 document read (32 bytes)." in said
    assert "1 document read (32 bytes)." in invoke("info", tmp_path / "x").stdout


def test_an_export_builds_the_same_index_again(index, tmp_path):
    exported, again = tmp_path / "papers.jsonl", tmp_path / "again"
    assert invoke("export", index, "--out", exported).exit_code == 0
    assert invoke("export", index).stdout == exported.read_text("utf-8")
    invoke("index", exported, "--out", again, "--lexical-only")
    first, second = generations.read(index), generations.read(again)
    assert first.segments == second.segments


def test_a_metadata_column_called_like_ours_survives_the_export(tmp_path):
    row = {"key": "a", "_id": "other", "text": "A disc.", "title": ""}
    corpus = tmp_path / "c.jsonl"
    corpus.write_text(json.dumps(row))
    first, again, exported = tmp_path / "first", tmp_path / "again", tmp_path / "e.jsonl"
    invoke("index", corpus, "--out", first, "--lexical-only", "--column", "id=key")
    said = invoke("export", first, "--out", exported).stderr
    assert "--column id=_id_" in said
    invoke("index", exported, "--out", again, "--lexical-only", "--column", "id=_id_")
    assert generations.read(first).segments == generations.read(again).segments


def test_info_tells_documents_pipeline_and_sizes(index):
    out = invoke("info", index).stdout
    assert "146 in 1 segment" in out
    assert "year (whole number)" in out
    assert "BM25 (lucene, k1 1.2, b 0.75), not reranked." in out
    facts = json.loads(invoke("info", index, "--json").stdout)
    assert facts["bytes"]["total"] == facts["bytes"]["documents"] + facts["bytes"]["postings"]
    assert facts["read"]["read"]["n_docs"] == 146


def test_verify_names_a_damaged_file_and_the_documents_it_touches(tmp_path):
    index = build_sample(tmp_path / "x")
    assert "146 documents are sound" in invoke("verify", index).stdout
    said = invoke("verify", index, "--full", "--json")
    assert said.stderr == ""
    assert json.loads(said.stdout) == {
        "index": str(index),
        "sound": True,
        "generation": 1,
        "files": 13,
        "documents": 146,
        "full": True,
        "sampled": 32,
    }
    damaged = next(index.glob("parts/postings/*/rows.npy"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    result = invoke("verify", index)
    assert result.exit_code == 1
    assert f"{damaged.relative_to(index)} is damaged" in result.stdout
    assert "touches 146 documents" in result.stdout
    assert "1 of 13 files are damaged" in result.stderr
    missing = next(index.glob("segments/*/docs.arrow"))
    missing.unlink()
    faults = [json.loads(line) for line in invoke("verify", index, "--json").stdout.splitlines()]
    assert {fault["file"] for fault in faults} == {
        str(path.relative_to(index)) for path in (damaged, missing)
    }


def test_models_and_doctor_give_a_line_each(index):
    names = [json.loads(line)["name"] for line in invoke("models", "--json").stdout.splitlines()]
    assert names[0] == "minilm"
    assert "minilm" in invoke("models").stdout
    findings = [json.loads(line) for line in invoke("doctor", "--json").stdout.splitlines()]
    assert {"python", "faiss", "torch", "home"} <= {finding["subject"] for finding in findings}
    assert all(finding["is_sound"] or finding["cure"] for finding in findings)


def test_models_tells_all_about_one_and_exports_it(tmp_path):
    facts = json.loads(invoke("models", "show", "minilm", "--json").stdout)
    assert (facts["licence"], facts["dimensions"], facts["parameters"]) == (
        "apache-2.0",
        384,
        22_713_216,
    )
    assert "ms_marco" in facts["trained_on"]
    absent = json.loads(invoke("models", "show", "tinybert", "--json").stdout)
    assert (absent["where"], "parameters" in absent) == ("needs a download", False)
    out = tmp_path / "folder" / "minilm"
    assert invoke("models", "export", "minilm", str(out)).exit_code == 0
    assert (out / "model.safetensors").is_file()
    assert [path.name for path in out.parent.iterdir()] == ["minilm"]


@pytest.mark.parametrize(
    ("arguments", "why", "status"),
    [
        (["export", "minilm"], "name the folder", 2),
        (["show"], "name the model", 2),
        (["show", "minilm", "out"], "one too many", 2),
        (["export", "minilm", "."], "exists already", 1),
        (["export", "minilma", "out"], "Did you mean minilm?", 1),
    ],
)
def test_models_refuses_what_it_cannot_do(arguments, why, status):
    refused = invoke("models", *arguments)
    assert refused.exit_code == status
    assert why in refused.stderr
