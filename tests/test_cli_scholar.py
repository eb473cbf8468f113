"""Bibliographies on the command line: indexed, merged, cited, exported."""

import json
import shutil

import pytest
from cli_sample import invoke, refused

BIB = r"""
@article{pub, author = {Wenzel, {\'A}da and {Deep Sky Survey}},
  title = {A maser distance to {NGC} 4258},
  journal = {Galaxy Letters}, year = 2013, doi = {10.1234/GL.7}, eprint = {1301.01234},
  archiveprefix = {arXiv}, abstract = {Water masers circle the hole \& give $H_0$.}}
@misc{pre, author = {Wenzel, A.}, title = {A maser distance to NGC 4258}, year = 2012,
  eprint = {1301.01234v1}, archiveprefix = {arXiv}, abstract = {Water masers, masers, masers.}}
@book{dust, author = {Berg, Otto}, title = {Dust}, publisher = {Ring House}, year = 2001,
  abstract = {No maser but dust, in all of the chapters of this long book.}}
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scholar")
    (folder / "library.bib").write_text(BIB, encoding="utf-8")
    built = invoke("index", folder / "library.bib", "--out", folder / "x", "--lexical-only")
    assert built.exit_code == 0, built.stderr
    assert "3 documents" in built.stderr
    return folder / "x"


def ids(output):
    return [json.loads(line)["id"] for line in output.splitlines()]


def test_a_bad_entry_stops_the_build_with_its_line(tmp_path):
    (tmp_path / "c.bib").write_text("@book{a, title={T}}\n@book{b, title={open", encoding="utf-8")
    said = invoke("index", tmp_path / "c.bib", "--out", tmp_path / "x", "--lexical-only").stderr
    assert f"searchkit: {tmp_path / 'c.bib'}:2: the entry 'b' is not closed" in said
    assert not (tmp_path / "x").exists()


def test_typed_names_can_be_filtered(index):
    where = "authors contains 'Wenzel' and year >= 2013 and arxiv_id = '1301.01234'"
    assert ids(invoke("search", index, "maser", "--where", where, "--json").stdout) == ["pub"]


def test_versions_are_one_hit_where_asked(index):
    assert ids(invoke("search", index, "maser", "--json").stdout) == ["pre", "pub", "dust"]
    merged = invoke("search", index, "maser", "--merge-versions", "-k", 2, "--json").stdout
    assert ids(merged) == ["pre", "dust"]
    [version] = json.loads(merged.splitlines()[0])["versions"]
    assert (version["id"], version["meta"]["venue"]) == ("pub", "Galaxy Letters")
    shown = invoke("search", index, "maser", "--merge-versions").stdout
    assert "versions 2013 · Galaxy Letters · pub" in shown


def test_a_deleted_version_is_not_shown(index, tmp_path):
    shutil.copytree(index, tmp_path / "x")
    deleted = invoke("delete", tmp_path / "x", "pub")
    assert deleted.exit_code == 0, deleted.stderr
    found = invoke("search", tmp_path / "x", "maser", "--merge-versions", "--json").stdout
    assert ids(found) == ["pre", "dust"]
    assert "versions" not in json.loads(found.splitlines()[0])


def test_a_library_that_was_edited_is_synced(index, tmp_path):
    shutil.copytree(index, tmp_path / "x")
    edited = BIB.replace("Galaxy Letters", "Star Letters").replace("@book{dust", "@book{ring")
    (tmp_path / "library.bib").write_text(edited, encoding="utf-8")
    synced = invoke("sync", tmp_path / "x", tmp_path / "library.bib")
    assert synced.exit_code == 0, synced.stderr
    found = invoke("search", tmp_path / "x", "maser", "--where", "venue = 'Star Letters'", "--json")
    assert ids(found.stdout) == ["pub"]
    assert ids(invoke("search", tmp_path / "x", "dust", "--json").stdout) == ["ring"]


def test_a_protocol_has_no_merged_versions(index, tmp_path):
    options = ["--merge-versions", "--protocol", tmp_path / "p.jsonl"]
    assert "exclude each other" in refused("search", index, "maser", *options)
    assert not (tmp_path / "p.jsonl").exists()


def test_the_repl_merges_until_told_otherwise(index):
    said = invoke("repl", index, stdin=":merge\nmaser\n:merge\nmaser\n")
    assert said.stdout.count("versions 2013") == 1
    assert "versions of a work are one hit." in said.stderr


@pytest.mark.parametrize(("form", "name"), [("bibtex", "back.bib"), ("ris", "back.ris")])
def test_hits_are_cited_so_that_they_can_be_indexed_again(index, tmp_path, form, name):
    cited = invoke("search", index, "maser", "--cite", form)
    assert "ms" in cited.stderr
    (tmp_path / name).write_text(cited.stdout, encoding="utf-8")
    options = ["--out", tmp_path / "x", "--lexical-only"]
    assert invoke("index", tmp_path / name, *options).exit_code == 0
    again = invoke("search", tmp_path / "x", "maser", "--json").stdout.splitlines()
    first = invoke("search", index, "maser", "--json").stdout.splitlines()
    assert [json.loads(one)["meta"] for one in again] == [json.loads(one)["meta"] for one in first]


def test_a_merged_work_is_cited_once(index):
    cited = invoke("search", index, "maser", "--merge-versions", "--cite", "csl-json").stdout
    assert [item["id"] for item in json.loads(cited)] == ["pre", "dust"]


def test_no_hits_are_an_empty_bibliography(index):
    found = invoke("search", index, "zebra", "--cite", "csl-json")
    assert found.stdout == "[]\n"
    assert "No document matches" in found.stderr


@pytest.mark.parametrize("flag", ["--json", "--explain"])
def test_a_flag_that_a_bibliography_ignores_is_refused(index, flag):
    assert f"{flag} has no effect" in refused("search", index, "maser", "--cite", "ris", flag)


def test_an_index_is_exported_as_a_bibliography_as_far_as_it_passes(index, tmp_path):
    made = invoke("export", index, "--format", "bibtex", "--where", "year > 2005")
    assert made.stdout.startswith("@article{pub,")
    assert made.stdout.count("@") == 2
    assert made.stderr == "2 of 3 documents pass.\n"
    invoke("export", index, "--format", "csl-json", "--out", tmp_path / "all.json")
    assert len(json.loads((tmp_path / "all.json").read_text("utf-8"))) == 3
    lines = invoke("export", index, "--where", "year > 2005").stdout.splitlines()
    assert [json.loads(line)["_id"] for line in lines] == ["pub", "pre"]


def test_the_repl_writes_its_hits(index, tmp_path):
    path = tmp_path / "hits.ris"
    said = invoke("repl", index, stdin=f":cite\nmaser\n:cite ris {path}\n:cite mla\n:cite\n")
    assert "nothing was searched yet" in said.stderr
    assert f"{path}: 3 references." in said.stderr
    assert path.read_text("utf-8").count("ER  - ") == 3
    assert "there is no citation format 'mla'" in said.stderr
    assert "@book{dust," in said.stdout
