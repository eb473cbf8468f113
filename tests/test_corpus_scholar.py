"""Bibliographies and databases of works: one set of names, whatever the source."""

import gzip
import io
import json
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from searchkit.corpus.estimate import estimate
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.corpus.scholar.fields import arxiv_id_of, doi_of, year_of
from searchkit.corpus.scholar.json_values import read_values
from searchkit.corpus.scholar.latex import from_latex
from searchkit.corpus.scholar.names import family_first, split_people
from searchkit.errors import CorpusError


@pytest.fixture
def read(tmp_path):
    """Reads text or bytes as the named file; the documents and the ledger."""

    def _read(content, name, **options):
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        ledger = ReadLedger()
        docs = list(read_docs([str(tmp_path / name)], ReadOptions(**options), ledger=ledger))
        return docs, ledger

    return _read


BIB = r"""Kept by hand.
@string{maser = "Maser " # {Letters}}
@comment{ @article{no, title = {Nobody} } }

@article{wenzel2019,
  author    = {Wenzel, {\'A}da and {Deep Sky Survey} and van der Berg, Jr, Otto and Ma{\~n}e Ruiz},
  title     = "{Water} masers in {NGC} 4258, 5\% off $\Lambda$CDM",
  journal   = maser # { B},
  year = 2019, volume = {12}, number = 3, pages = {101--117}, month = jul,
  doi       = {https://doi.org/10.1234/ABC\_d.5},
  eprint = {1904.01234v2}, archivePrefix = {arXiv}, primaryClass = {astro-ph.GA},
  keywords  = {masers; black holes},
  abstract  = {A disc turns
               around a dark mass, as {\textit{expected}}, ask a@b.org.}
}
@misc{ivory, author = {Ivo Ry}, title = {{Discs}}, year = {2021},
  journal = {arXiv preprint arXiv:2101.00001}} @mastersthesis(late, title = {Late}, school = {Uni})
"""


def test_bibtex_becomes_documents_with_common_names(read):
    docs, ledger = read(BIB, "c.bib")
    assert [doc.id for doc in docs] == ["wenzel2019", "ivory", "late"]
    assert docs[0].title == r"Water masers in NGC 4258, 5% off $\Lambda$CDM"
    assert docs[0].text == "A disc turns around a dark mass, as expected, ask a@b.org."
    assert docs[0].meta == {
        "authors": ["Wenzel, Áda", "Deep Sky Survey", "van der Berg, Otto, Jr", "Ruiz, Mañe"],
        "year": 2019,
        "venue": "Maser Letters B",
        "doi": "10.1234/abc_d.5",
        "arxiv_id": "1904.01234",
        "type": "article-journal",
        "volume": "12",
        "number": "3",
        "pages": "101-117",
        "month": "jul",
        "primaryclass": "astro-ph.GA",
        "keywords": ["masers", "black holes"],
    }
    assert docs[1].meta["arxiv_id"] == "2101.00001"
    assert (docs[1].meta["venue"], docs[1].meta["type"]) == ("arXiv", "article")
    assert docs[2].meta == {"type": "thesis", "genre": "Master's thesis", "publisher": "Uni"}
    assert ledger.sentences()[1:] == []


def test_what_is_no_year_or_doi_is_kept_as_given(read):
    [doc], _ = read("@article{a, title={T}, year={in press}, doi={n/a}, journal={\\apj}}", "c.bib")
    assert doc.meta == {
        "venue": "The Astrophysical Journal",
        "type": "article-journal",
        "year_as_given": "in press",
        "doi_as_given": "n/a",
    }


def test_a_field_that_stands_there_twice_keeps_both(read):
    [doc], _ = read(
        "@book{a, title={T}, note={x}, note={y}, author={A, B}, author={C, D}}", "c.bib"
    )
    assert (doc.meta["note"], doc.meta["authors"]) == ("x; y", ["A, B", "C, D"])


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("x\n@book{a, title = {open,\n@book{b, title={T}}", 2, "'a' is not closed before the next"),
        ("@book{a, title={T}}\n@book{b, title = {open", 2, "'b' is not closed"),
        ("\n@book{, title={T}}", 2, "no key"),
        ("@book{a title={T}}", 1, "'a' is no BibTeX .expected comma"),
        ("@book\n{a, title={T}}", 1, "no brace behind its type"),
        ("@book{a, year={2019}}", 1, "neither title nor text"),
        ("@book{a, title={T}}\n@book{a, title={U}}", 2, "occurred before"),
        (b"@book{a,\n title={\xff}}", 2, "is not UTF-8"),
    ],
)
def test_a_bad_entry_is_a_sentence_with_its_line(read, content, line, why):
    with pytest.raises(CorpusError, match=why) as found:
        read(content, "c.bib")
    assert found.value.line == line


def test_bad_entries_are_counted_and_the_rest_is_read(read):
    content = (
        "@book{a, title = {open,\n@book{b, title={T}}\n@book{, title={U}}\n@book{c, title={V}}"
    )
    docs, ledger = read(content, "c.bib.gz", on_error="skip")
    assert [doc.id for doc in docs] == ["b", "c"]
    assert ledger.reasons == {"malformed entry": 1, "missing id": 1}


RIS = """Provider: a database\r
TY  - JOUR\r
AU  - Wenzel, Áda\r
AU  - King, Otto, Jr.\r
TI  - Water masers\r
  in a disc\r
PY  - 2019/07/03/\r
T2  - Maser Letters\r
DO  - 10.1234/ABC\r
AB  - A disc turns\r
around a dark mass.\r
KW  - masers; discs\r
KW  - black holes\r
SP  - 101\r
EP  - 117\r
SN  - 1234-5678\r
UR  - https://arxiv.org/abs/1904.01234v2\r
UR  - https://example.org/masers\r
C7  - 44\r
ER  - \r
\r
2.
TY  - THES
AU  - Deep Sky Survey
T1  - A catalogue
Y1  - 2001
ER  -
"""


@pytest.mark.parametrize("name", ["c.ris", "c.ris.gz"])
def test_ris_becomes_documents_with_common_names(read, name):
    docs, _ = read(RIS, name)
    assert (docs[0].id, docs[0].title) == ("10.1234/abc", "Water masers in a disc")
    assert docs[0].text == "A disc turns around a dark mass."
    assert docs[0].meta == {
        "authors": ["Wenzel, Áda", "King, Otto, Jr."],
        "year": 2019,
        "venue": "Maser Letters",
        "doi": "10.1234/abc",
        "arxiv_id": "1904.01234",
        "type": "article-journal",
        "keywords": ["masers", "discs", "black holes"],
        "pages": "101-117",
        "issn": "1234-5678",
        "url": "https://example.org/masers",
        "c7": "44",
    }
    assert docs[1].id.startswith("deep-sky-survey-2001-")
    assert docs[1].meta == {"authors": ["Deep Sky Survey"], "year": 2001, "type": "thesis"}


def test_an_id_that_ris_lacks_does_not_depend_on_the_place(read):
    record = RIS[RIS.index("TY  - THES") :]
    assert read(record, "c.ris")[0][0].id == read(RIS, "c.ris")[0][1].id


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("TY  - JOUR\nTI  - A\nTY  - JOUR\nTI  - B\nER  - \n", 1, "has no end"),
        ("TY  - JOUR\nTI  - A\nER  - \nTY  - JOUR\nTI  - B\n", 4, "has no end"),
        ("TI  - A\nER  - \n", 1, "belongs to no record"),
        ("TY  - \nTI  - A\nER  - \n", 1, "TY says no type"),
        ("TY  - JOUR\nPY  - 2019\nER  - \n", 1, "neither title nor text"),
        (b"TY  - JOUR\nTI  - \xe9\nER  - \n", 2, "is not UTF-8"),
        ("words\n", None, "there is no document in it"),
    ],
)
def test_a_bad_record_is_a_sentence_with_its_line(read, content, line, why):
    with pytest.raises(CorpusError, match=why) as found:
        read(content, "c.ris")
    assert found.value.line == line


WORK = {
    "id": "https://openalex.org/W99",
    "doi": "https://doi.org/10.1234/ABC",
    "title": "Water masers",
    "publication_year": 2019,
    "publication_date": "2019-07-03",
    "type": "article",
    "language": "en",
    "primary_location": {
        "landing_page_url": "https://doi.org/10.1234/ABC",
        "source": {"display_name": "Maser Letters", "type": "journal", "issn_l": "1234-5678"},
    },
    "locations": [{"landing_page_url": "http://arxiv.org/abs/1904.01234"}],
    "authorships": [
        {"author": {"display_name": "Áda Wenzel"}},
        {"author": {"display_name": "Otto van der Berg"}},
    ],
    "biblio": {"volume": "12", "issue": None, "first_page": "101", "last_page": "117"},
    "abstract_inverted_index": {"disc": [1, 4], "A": [0], "turns": [2], "the": [3]},
    "keywords": [{"display_name": "masers", "score": 0.9}],
    "cited_by_count": 7,
    "referenced_works": ["https://openalex.org/W1", "https://openalex.org/W2"],
}
OTHER_WORK = WORK | {"id": "https://openalex.org/W100", "abstract_inverted_index": None}
RECORD = {
    "id": "0704.0001",
    "submitter": "Ada",
    "authors": "\\'A. Wenzel, O. van der Berg",
    "title": "Water masers in\n  a Poincar\\'e disc",
    "comments": None,
    "journal-ref": "Maser Lett. 12 (2019) 101",
    "doi": "10.1234/ABC",
    "categories": "astro-ph.GA hep-ph",
    "abstract": "  A disc turns around\n50% of a dark mass $M_\\odot$.\n",
    "versions": [{"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"}],
    "update_date": "2008-11-26",
    "authors_parsed": [["Wenzel", "Á.", ""], ["van der Berg", "O.", "Jr", "Leiden"]],
}


def lines_of(*objects):
    return "".join(json.dumps(one) + "\n" for one in objects)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.jsonl", lines_of(WORK, OTHER_WORK)),
        ("c.jsonl.gz", "\ufeff" + lines_of(WORK, OTHER_WORK)),
        ("c.json", lines_of({"meta": {"count": 2}, "results": [WORK, OTHER_WORK]})),
        ("c.json", lines_of({"results": [WORK]}, {"results": []}, {"results": [OTHER_WORK]})),
        ("c.json", json.dumps([WORK, OTHER_WORK])),
        ("c.json.gz", json.dumps([WORK, OTHER_WORK], indent=2)),
        ("c.json", json.dumps({"meta": {}, "results": [WORK, OTHER_WORK]}, indent=2)),
        ("c.json", json.dumps(WORK, indent=1) + json.dumps(OTHER_WORK, indent=1)),
    ],
)
def test_works_of_openalex_are_known_in_every_shape(read, name, content):
    docs, ledger = read(content, name)
    assert [doc.id for doc in docs] == ["W99", "W100"]
    assert [doc.text for doc in docs] == ["A disc turns the disc", ""]
    assert docs[0].meta == {
        "authors": ["Wenzel, Áda", "van der Berg, Otto"],
        "year": 2019,
        "venue": "Maser Letters",
        "doi": "10.1234/abc",
        "arxiv_id": "1904.01234",
        "type": "article-journal",
        "date": "2019-07-03",
        "volume": "12",
        "pages": "101-117",
        "issn": "1234-5678",
        "language": "en",
        "keywords": ["masers"],
        "cited_by_count": 7,
        "references": ["W1", "W2"],
    }
    assert "holds works of OpenAlex; --format jsonl" in ledger.sentences()[1]


def test_records_of_arxiv_are_known_by_their_content(read):
    [doc], ledger = read(lines_of(RECORD), "snapshot.json")
    assert (doc.id, doc.title) == ("0704.0001", "Water masers in a Poincaré disc")
    assert doc.text == r"A disc turns around 50% of a dark mass $M_\odot$."
    assert doc.meta == {
        "authors": ["Wenzel, Á.", "van der Berg, O., Jr"],
        "year": 2007,
        "venue": "arXiv",
        "doi": "10.1234/abc",
        "arxiv_id": "0704.0001",
        "type": "article",
        "categories": ["astro-ph.GA", "hep-ph"],
        "date": "2007-04-02",
        "updated": "2008-11-26",
        "journal_ref": "Maser Lett. 12 (2019) 101",
    }
    assert "holds records of arXiv" in ledger.sentences()[1]


def test_an_old_record_tells_its_year_by_its_id(read):
    [doc], _ = read(lines_of(RECORD | {"id": "math.GT/9901001", "versions": []}), "c.json")
    assert (doc.id, doc.meta["arxiv_id"], doc.meta["year"]) == (
        "math.GT/9901001",
        "math/9901001",
        1999,
    )


def test_plain_jsonl_and_mapped_columns_stay_as_they_are(read):
    row = {"id": "https://openalex.org/W99", "title": "T", "text": "x", "publication_year": 2019}
    [doc], ledger = read(lines_of(row), "c.jsonl")
    assert (doc.id, doc.meta) == ("https://openalex.org/W99", {"publication_year": 2019})
    assert not ledger.recognised
    [doc], _ = read(lines_of(RECORD), "c.json", columns={"text": "abstract"})
    assert doc.text == RECORD["abstract"]
    [doc], _ = read(lines_of(RECORD), "c.json", format="jsonl")
    assert doc.meta["authors"] == RECORD["authors"]


def test_a_format_says_what_a_name_does_not(read):
    assert read(lines_of(WORK), "part_0000.gz", format="openalex")[0][0].id == "W99"
    assert read(lines_of({"id": "W5", "title": "T"}), "c.json", format="openalex")[0][0].id == "W5"
    assert read(BIB, "refs.txt", format="bibtex")[0][0].id == "wenzel2019"


def test_a_bibliography_comes_through_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(RIS.encode())))
    docs = list(read_docs(["-"], ReadOptions(format="ris"), ledger=ReadLedger()))
    assert len(docs) == 2


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (lines_of(WORK) + "{", 2, "this is not JSON"),
        (lines_of(WORK, {"id": "https://openalex.org/A1"}), 2, "no work of OpenAlex"),
        (lines_of(WORK, WORK | {"id": "W2", "abstract_inverted_index": [1]}), 2, "not written as"),
        (
            lines_of(WORK, WORK | {"id": "W2", "abstract_inverted_index": {"a": [-1]}}),
            2,
            "places from 0",
        ),
        (json.dumps([WORK], indent=1)[:-2] + ",\n 7]", 68, "not an object"),
        ("[\n" + json.dumps(WORK) + "\n,", 3, "this is not JSON"),
        ("[\n" + json.dumps(WORK) + "\n" + json.dumps(WORK), 3, "where , or ] belongs"),
        ("[\n" + json.dumps(WORK) + ',\n"\\ud800"]', 3, "not an object"),
        ("[\n" + json.dumps(WORK) + ',\n{"id": "W1", "title": "\\ud800"}]', 3, "cannot be kept"),
        ("[" + json.dumps(WORK) + "," + "[" * 200_000, 1, "without end|not JSON"),
    ],
)
def test_a_bad_work_is_a_sentence_with_its_line(read, content, line, why):
    with pytest.raises(CorpusError, match=why) as found:
        read(content, "c.json")
    assert found.value.line == line


@pytest.mark.parametrize(
    ("name", "content", "n_docs"),
    [
        ("c.bib", BIB, 3),
        ("c.ris", RIS, 2),
        ("c.json", json.dumps([WORK, OTHER_WORK], indent=2), 2),
        ("c.json", lines_of(RECORD, RECORD), 2),
        ("c.json", lines_of({"id": 1, "text": "x"}), 1),
    ],
)
def test_the_size_is_known_before(tmp_path, name, content, n_docs):
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = estimate([str(tmp_path / name)], ReadOptions())
    assert abs(found.n_docs - n_docs) <= 1  # two entries on one line count as one


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3)))
def test_values_are_found_wherever_blocks_end(value):
    whole = json.dumps([value, {"a": value}], indent=1).encode()
    every = [bytes([byte]) for byte in whole]
    found = list(read_values(iter(every)))
    assert found == list(read_values(iter([whole])))
    assert [item for _, item in found] == [value, {"a": value}]


@pytest.mark.parametrize(
    ("given_", "doi"),
    [
        ("https://doi.org/10.1000/ABC.1", "10.1000/abc.1"),
        ("http://dx.doi.org/10.1000/x(1)2", "10.1000/x(1)2"),
        ("doi: 10.1000/x.", "10.1000/x"),
        ("10.48550/arXiv.2101.00001", "10.48550/arxiv.2101.00001"),
        ("n/a", None),
        ("210.1000/x", None),
    ],
)
def test_a_doi_has_one_spelling(given_, doi):
    assert doi_of(given_) == doi


@pytest.mark.parametrize(
    ("given_", "arxiv_id"),
    [
        ("arXiv:2101.00001v3", "2101.00001"),
        ("https://arxiv.org/pdf/0704.0001v1.pdf", "0704.0001"),
        ("arXiv:astro-ph/9901001v1", "astro-ph/9901001"),
        ("math.GT/0309136", "math/0309136"),
        ("2101.00001 [astro-ph.CO]", "2101.00001"),
        ("2101.000012", None),
        ("Physical Review 12", None),
    ],
)
def test_an_arxiv_id_has_one_spelling(given_, arxiv_id):
    assert arxiv_id_of(given_) == arxiv_id


def test_a_year_is_the_first_in_a_text():
    assert [year_of(t) for t in ("2014//", "July 3, 1999", "12345", "")] == [2014, 1999, None, None]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Áda Wenzel", "Wenzel, Áda"),
        ("Ludwig van Beethoven", "van Beethoven, Ludwig"),
        ("King, Jr, Otto", "King, Otto, Jr"),
        ("Plato", "Plato"),
        ("{Deep Sky Survey}", "{Deep Sky Survey}"),
    ],
)
def test_a_name_begins_with_its_family(name, ours):
    assert family_first(name) == ours


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"Garc\'{\i}a, \o\ss, {\"O}zt\"urk, \v{S} \c c", "García, øß, Öztürk, Š ç"),
        (r"Dust \& Rings & 5% and 5\% of \_x", "Dust & Rings & 5% and 5% of _x"),
        (r"{{Whole} \textit{of it}, \emph{x} {\em y z}}", "Whole of it, x y z"),
        (r"pages 1--2, ``so''~it", "pages 1–2, “so” it"),
        (
            r"$\Lambda$CDM \'a $a_{b} \% \mbox{if $x$}$ z",
            r"$\Lambda$CDM á $a_{b} \% \mbox{if $x$}$ z",
        ),
        (r"costs $5, {NGC} \'e", "costs $5, NGC é"),
        (r"\HI gas, H\textsubscript{2}O", "HI gas, H2O"),
        (
            r"see \url{http://x.y/a_b%20c} or \href{http://x}{this}",
            "see http://x.y/a_b%20c or this",
        ),
        ("{" * 2000 + "a" + "}" * 2000, "a"),
        (r"a \href", r"a \href"),
        (r"\'" + "{" * 2000 + "a", r"\'" + "{" * 2000 + "a"),
    ],
)
def test_latex_becomes_unicode(text, plain):
    assert from_latex(text) == plain


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (r"\'A Wenzel and \'Alvarez, J. AND {Rings and Dust}", 3),
        ("Sand, A.\n and\tB", 2),
        ("and and A", 2),
        ("", 0),
    ],
)
def test_names_stand_between_ands(text, names):
    found = split_people(text)
    assert len(found) == names
    assert all(name in text for name in found)


PIECES = [
    *(
        "@article{a,",
        "@book(",
        "@string{x=",
        "@comment{",
        "title={",
        'title = "',
        "author={A and B}",
    ),
    *("}", "{", '"', "#", ",", "=", ")", "\\", "\\'e", "\\href{a}", "\\frac", "$", "%", "~", "\n@"),
    *(
        "TY  - JOUR\n",
        "ER  - \n",
        "TI  - x\n",
        "AU  - A,,,B\n",
        "KW  - ;\n",
        "UR  - http\n",
        "SP  - ",
    ),
    *("\n", "\r\n", "\0", "\x85", "é", "a", " "),
]
fuzz = st.lists(
    st.one_of(st.sampled_from(PIECES).map(str.encode), st.binary(max_size=3)), max_size=30
).map(b"".join)


@pytest.mark.parametrize("name", ["c.bib", "c.ris", "c.json"])
@settings(max_examples=80)
@given(content=fuzz)
@example(content=b"@string{x=")
@example(content=b"@article{a, author={\\}, title={T}}")
@example(content=b"@article{a, author={, and ,}, title={T}}")
@example(content=b"[1")
def test_no_bytes_are_a_traceback(tmp_path_factory, name, content):
    path = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    path.write_bytes(content)
    for on_error in ("stop", "skip"):
        with suppress(CorpusError):
            docs = read_docs([str(path)], ReadOptions(on_error=on_error), ledger=ReadLedger())
            assert all(doc.title or doc.text for doc in docs)
        with suppress(CorpusError):
            assert estimate([str(path)], ReadOptions()).n_docs >= 0
