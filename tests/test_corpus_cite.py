"""Documents -> BibTeX, RIS and CSL-JSON, and back."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.corpus.scholar.cite import citations
from searchkit.corpus.scholar.fields import joined
from searchkit.corpus.scholar.latex import from_latex, to_latex
from searchkit.errors import ConfigError
from searchkit.types import Doc

# letters, signs that LaTeX acts on, and anything else that a line of text can hold
SIGNS = r"""\{}$&%#_^~-`'"<>?!,. aé()=@[]|/*+:;i"""
texts = st.text(
    st.one_of(st.sampled_from(SIGNS), st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"))),
    max_size=20,
).map(joined)
words = (
    st.text(st.sampled_from("abcXYZéøßΛ&_%'-. "), min_size=1, max_size=8).map(joined).filter(bool)
)
names = (
    st.lists(words.filter(lambda w: re.search(r"\w", w)), min_size=1, max_size=3)
    .map(", ".join)
    .filter(lambda name: not re.search(r"\band\b", name))
)
TYPES = (
    *("article-journal", "book", "chapter", "dataset", "document", "manuscript", "pamphlet"),
    *("paper-conference", "patent", "report", "software", "webpage", "thesis"),
)
marked = st.text(st.sampled_from("abz09.-_/()%~"), min_size=1, max_size=8)


@st.composite
def works(draw):
    """A document as the readers make it."""
    meta = {
        "authors": draw(st.lists(names, max_size=3)),
        "year": draw(st.none() | st.integers(1000, 2099)),
        "venue": draw(texts.filter(lambda text: "arxiv" not in text.lower())),
        "doi": draw(st.none() | marked.map(lambda text: f"10.1234/a{text}b")),
        "type": draw(st.sampled_from(TYPES)),
        "editors": draw(st.lists(names, max_size=2)),
        "genre": draw(words),
        "volume": draw(texts),
        "number": draw(texts),
        "pages": draw(st.sampled_from(["", "7", "101-117", "S1-1-2"])),
        "publisher": draw(texts),
        "url": draw(st.none() | marked.map(lambda text: f"https://example.org/{text}")),
        "language": draw(texts),
        "note": draw(texts),
        "keywords": draw(st.lists(words, max_size=3)),
    }
    if draw(st.booleans()):
        meta |= {"arxiv_id": "1301.01234"}
        meta["type"] = "article" if meta["type"] == "document" else meta["type"]
    kept = {name: value for name, value in meta.items() if value not in (None, "", [])}
    if kept["type"] == "thesis":
        kept["genre"] = "PhD thesis"
    title = draw(texts.filter(bool))
    return Doc(draw(st.sampled_from(["a", "b:2", "10.1234/x"])), title, draw(texts), kept)


def read_back(tmp_path_factory, docs, form, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_text("".join(citations(docs, form)), encoding="utf-8")
    return list(read_docs([str(path)], ReadOptions(), ledger=ReadLedger()))


@pytest.mark.parametrize(("form", "name"), [("bibtex", "back.bib"), ("ris", "back.ris")])
@settings(max_examples=60)
@given(work=works())
@example(work=Doc("a", r"$\Lambda$CDM at 5% & {H}_0", "", {"type": "book"}))
@example(
    work=Doc("a", "T", "one $5 and $ sign {", {"type": "book", "authors": ["a and b", "et al"]})
)
def test_what_is_written_is_read_back(tmp_path_factory, form, name, work):
    [found] = read_back(tmp_path_factory, [work], form, name)
    assert found == work
    assert found.meta == work.meta


@pytest.mark.parametrize(("form", "name"), [("bibtex", "back.bib"), ("ris", "back.ris")])
def test_a_year_and_a_doi_that_are_none_are_read_back_as_given(tmp_path_factory, form, name):
    meta = {"type": "book", "year_as_given": "in press", "doi_as_given": "to come"}
    [found] = read_back(tmp_path_factory, [Doc("a", "T", "", meta)], form, name)
    assert found.meta == meta


def test_ris_has_no_place_for_other_fields(tmp_path_factory):
    """As the README says."""
    meta = {"type": "book", "month": "July", "c1": "kept"}
    [found] = read_back(tmp_path_factory, [Doc("a", "T", "", meta)], "ris", "lost.ris")
    assert found.meta == {"type": "book", "c1": "kept"}


def test_others_are_of_bibtex_alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("others") / "x.bib"
    path.write_text("@book{a, author = {Curie, M. and others}, editor = {others}, title = {T}}")
    given_ = list(read_docs([str(path)], ReadOptions(), ledger=ReadLedger()))
    [held] = read_back(tmp_path_factory, given_, "bibtex", "others.bib")
    assert held.meta == given_[0].meta
    assert held.meta["authors"] == ["Curie, M.", "others"]
    [found] = read_back(tmp_path_factory, given_, "ris", "others.ris")
    assert found.meta["authors"] == ["Curie, M."]
    assert "editors" not in found.meta
    [item] = json.loads("".join(citations(given_, "csl-json")))
    assert item["author"] == [{"family": "Curie", "given": "M."}]
    assert "editor" not in item


@given(texts)
def test_latex_is_read_back(text):
    assert from_latex(to_latex(text)) == text


def test_an_entry_is_as_bibtex_wants_it():
    meta = {
        "authors": ["Wenzel, Áda", "King, Otto, Jr", "Deep Sky Survey", "others"],
        "year": 2013,
        "venue": "Galaxy & Letters",
        "doi": "10.1234/gl_7",
        "arxiv_id": "1301.01234",
        "type": "article-journal",
        "pages": "101-117",
        "cited_by_count": 7,
    }
    [entry] = citations([Doc("10.1/(x) y", "The H_0 of $H_0$", "", meta)], "bibtex")
    assert entry == (
        "@article{10.1/-x-y,\n"
        "  author = {Wenzel, Áda and King, Jr, Otto and {Deep Sky Survey} and others},\n"
        "  title = {{The H\\_0 of $H_0$}},\n"
        "  year = {2013},\n"
        "  journal = {Galaxy \\& Letters},\n"
        "  pages = {101--117},\n"
        "  doi = {10.1234/gl_7},\n"
        "  eprint = {1301.01234},\n"
        "  archiveprefix = {arXiv},\n"
        "  cited_by_count = {7},\n"
        "}\n"
    )


@given(st.lists(st.text(max_size=4), max_size=8))
def test_keys_are_unique_and_plain(ids):
    docs = [Doc(id_, "T", "") for id_ in ids]
    keys = [re.match(r"@misc\{(.*),", entry)[1] for entry in citations(docs, "bibtex")]
    assert len({key.lower() for key in keys}) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9:._/+-]+", key) for key in keys)


def test_metadata_under_other_names_is_cited_too():
    meta = {"author": "Curie, M.; Curie, P.", "year": "1898", "journal": "Comptes", "kind": "x"}
    [item] = json.loads("".join(citations([Doc("1", "On a\nsubstance", "", meta)], "csl-json")))
    assert item == {
        "id": "1",
        "type": "article-journal",
        "title": "On a substance",
        "author": [{"family": "Curie", "given": "M."}, {"family": "Curie", "given": "P."}],
        "issued": {"date-parts": [[1898]]},
        "container-title": "Comptes",
    }


# the types, and of what kind each field is, by the CSL-JSON schema 1.0.2
CSL_TYPES = set(
    "article article-journal article-magazine article-newspaper bill book broadcast chapter "
    "classic collection dataset document entry entry-dictionary entry-encyclopedia event figure "
    "graphic hearing interview legal_case legislation manuscript map motion_picture "
    "musical_score pamphlet paper-conference patent performance periodical "
    "personal_communication post post-weblog regulation report review review-book software song "
    "speech standard thesis treaty webpage".split()
)
CSL_TEXTS = set(
    "title container-title volume issue number page publisher publisher-place URL ISBN ISSN "
    "language genre edition note DOI keyword abstract archive archive_location".split()
)


def check_csl(item):
    assert isinstance(item["id"], str)
    assert item["type"] in CSL_TYPES
    for name, value in item.items():
        if name in ("author", "editor"):
            assert value
            assert all(set(one) <= {"family", "given", "suffix", "literal"} for one in value)
            assert all(isinstance(part, str) and part for one in value for part in one.values())
        elif name == "issued":
            [date] = value["date-parts"]
            assert 1 <= len(date) <= 3
            assert all(type(part) is int for part in date)
        elif name not in ("id", "type"):
            assert name in CSL_TEXTS
            assert isinstance(value, str)


@given(st.lists(works(), max_size=3))
def test_csl_json_keeps_to_its_schema(docs):
    items = json.loads("".join(citations(docs, "csl-json")))
    assert [item["id"] for item in items] == [doc.id for doc in docs]
    for item, doc in zip(items, docs, strict=True):
        check_csl(item)
        assert item["title"] == doc.title
        assert item.get("issued", {"date-parts": [[None]]})["date-parts"][0][0] == doc.meta.get(
            "year"
        )


def test_a_day_is_issued_where_it_is_of_the_year():
    docs = [
        Doc("a", "T", "", {"year": 2013, "date": "2013-07-03"}),
        Doc("b", "T", "", {"year": 2013, "date": "2012-07-03"}),
    ]
    items = json.loads("".join(citations(docs, "csl-json")))
    assert [item["issued"]["date-parts"] for item in items] == [[[2013, 7, 3]], [[2013]]]


def test_no_documents_are_an_empty_bibliography():
    assert ["".join(citations([], form)) for form in ("bibtex", "ris", "csl-json")] == [
        "",
        "",
        "[]\n",
    ]


def test_another_form_is_refused_at_once():
    with pytest.raises(ConfigError, match="no citation format"):
        citations([], "mla")
