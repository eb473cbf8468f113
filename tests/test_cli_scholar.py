"""Bibliographies on the command line: indexed, merged, cited, exported."""

import json

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


def test_a_protocol_has_no_merged_versions(index, tmp_path):
    options = ["--merge-versions", "--protocol", tmp_path / "p.jsonl"]
    assert "exclude each other" in refused("search", index, "maser", *options)
    assert not (tmp_path / "p.jsonl").exists()


def test_the_repl_merges_until_told_otherwise(index):
    said = invoke("repl", index, stdin=":merge\nmaser\n:merge\nmaser\n")
    assert said.stdout.count("versions 2013") == 1
    assert "versions of a work are one hit." in said.stderr
