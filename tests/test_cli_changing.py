import json

import pytest
from cli_sample import build_sample, invoke, refused

from searchkit import sample
from searchkit.index import generation as generations


@pytest.fixture
def index(tmp_path):
    return build_sample(tmp_path / "index")


def rows():
    return [json.loads(line) for line in sample.corpus_path().read_text("utf-8").splitlines()]


def corpus(path, found):
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    return path


def test_a_corpus_and_its_index_are_brought_together(index, tmp_path):
    changed = rows()[:100]
    changed[3]["text"] += " A sentence more."
    changed.append({"_id": "extra", "title": "One more", "text": "About glaciers on Mars."})
    now = corpus(tmp_path / "now.jsonl", changed)
    said = invoke("sync", index, now, "--dry-run").stderr
    assert "To add: 1 document (extra)." in said
    assert "To replace: 1 document" in said
    assert "To delete: 46 documents (" in said
    assert "Nothing was changed" in said
    assert generations.read(index).number == 1
    result = invoke("sync", index, now)
    assert result.exit_code == 0, result.stderr
    assert "101 documents, generation 2, in" in result.stderr
    exported = invoke("export", index).stdout.splitlines()
    assert [json.loads(line)["_id"] for line in exported][-2:] == [changed[3]["_id"], "extra"]
    assert "there was nothing to change" in invoke("sync", index, now).stderr


def test_documents_come_through_standard_input(index):
    row = json.dumps({"_id": "x", "title": "", "text": "glaciers"})
    added = invoke("add", index, "-", "--format", "jsonl", stdin=row + "\n")
    assert added.exit_code == 0, added.stderr
    assert json.loads(invoke("search", index, "glaciers", "--json").stdout)["id"] == "x"
    assert "'x' already" in refused("add", index, "-", "--format", "jsonl", stdin=row + "\n")
    again = invoke("add", index, "-", "--format", "jsonl", "--existing", "skip", stdin=row + "\n")
    assert "To pass over: 1 document (x)." in again.stderr


def test_documents_are_deleted_by_id_by_file_and_by_filter(index, tmp_path):
    ids = [row["_id"] for row in rows()]
    (tmp_path / "ids.txt").write_text("\n".join(ids[2:4]) + "\n")
    result = invoke("delete", index, ids[0], ids[1], "--ids", tmp_path / "ids.txt")
    assert "To delete: 4 documents" in result.stderr
    assert "142 documents, generation 2" in result.stderr
    assert invoke("delete", index, "--where", "year < 2000").exit_code == 0
    held = [json.loads(line) for line in invoke("export", index).stdout.splitlines()]
    assert {row["_id"] for row in held} == {
        row["_id"] for row in rows()[4:] if not row.get("year", 9999) < 2000
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("delete", "{}"), "nothing says what to delete"),
        (("delete", "{}", "nobody"), "holds no document 'nobody'"),
        (("delete", "{}", "--where", "year <"), "filter, position"),
        (("delete", "{}-not", "x"), "there is no index here"),
        (("add", "{}", "nowhere.jsonl"), "there is no such file"),
        (("update", "{}", "-", "--format", "jsonl"), "no document 'x' to update"),
        (("sync", "{}", "-", "--format", "jsonl", "--rejects", "r"), "--rejects has no effect"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(index, arguments, why):
    row = json.dumps({"_id": "x", "title": "", "text": "glaciers"}) + "\n"
    assert why in refused(*(one.format(index) for one in arguments), stdin=row)
    assert generations.read(index).number == 1


def test_a_sync_with_the_wrong_corpus_is_stopped(index):
    row = json.dumps({"_id": "x", "title": "", "text": "glaciers"}) + "\n"
    result = invoke("sync", index, "-", "--format", "jsonl", stdin=row)
    assert result.exit_code == 1
    assert "146 of the 146 documents" in result.stderr.splitlines()[-1]
    assert generations.read(index).number == 1


def test_a_dry_run_refuses_what_the_change_would(index):
    row = json.dumps({"_id": "x", "title": "", "text": "glaciers"}) + "\n"
    result = invoke("sync", index, "-", "--format", "jsonl", "--dry-run", stdin=row)
    assert result.exit_code == 1
    assert "To delete: 146 documents" in result.stderr
    assert "--force" in result.stderr.splitlines()[-1]
    gone = invoke("delete", index, "--where", "year >= 0", "--dry-run")
    assert gone.exit_code == (1 if all("year" in row for row in rows()) else 0)


def test_a_row_that_was_skipped_has_not_vanished(index, tmp_path):
    now = corpus(tmp_path / "now.jsonl", rows())
    broken = now.read_text("utf-8").splitlines()
    now.write_text("\n".join([*broken[:3], broken[3][:-5], *broken[4:]]) + "\n", "utf-8")
    result = invoke("sync", index, now, "--on-error", "skip", "--dry-run")
    assert result.exit_code == 1
    assert "1 row skipped" in result.stderr
    assert "1 row of the corpus could not be read" in result.stderr.splitlines()[-1]
    assert generations.read(index).number == 1
    assert invoke("sync", index, now, "--on-error", "skip", "--force").exit_code == 0
    assert generations.read(index).n_docs == 145


def test_a_value_that_makes_a_column_text_is_told(index):
    row = json.dumps({"_id": "x", "title": "", "text": "glaciers", "year": "n.d."}) + "\n"
    said = invoke("add", index, "-", "--format", "jsonl", "--dry-run", stdin=row).stderr
    assert "Column year becomes text, by 'n.d.'" in said
    assert "becomes text" not in invoke("delete", index, rows()[0]["_id"]).stderr


def test_info_tells_the_build_and_what_came_since_apart(index, tmp_path):
    assert "\nchanges" not in invoke("info", index).stdout
    assert "\ndeleted" not in invoke("info", index).stdout
    invoke("delete", index, rows()[0]["_id"], rows()[1]["_id"])
    more = corpus(tmp_path / "more.jsonl", [{"_id": "x", "title": "", "text": "glaciers"}])
    invoke("add", index, more)
    out = invoke("info", index).stdout
    assert "\nwhen built  146 documents read (" in out
    assert "\nchanges     1 added, 2 deleted in 2 commits since\n" in out
    assert "\ndocuments   145 in " in out
    assert "\ndeleted     2 documents still on disk; `searchkit compact --all` takes " in out
    assert json.loads(invoke("info", index, "--json").stdout)["deleted"] == 2
    invoke("compact", index, "--all")
    assert "\ndeleted" not in invoke("info", index).stdout
