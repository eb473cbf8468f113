"""Versions of one work: found by the metadata, shown as one hit."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import searchkit
from searchkit.search.works import find_works

TITLE = "A maser distance to NGC 4258"
LISTS = pa.list_(pa.large_string())


def table(*rows):
    """Rows of (title, authors, year, doi, arxiv id), the last ones optional."""
    filled = [(*row, None, None, None, None)[:5] for row in rows]
    columns = list(zip(*filled, strict=True))
    kinds = (pa.large_string(), LISTS, pa.int64(), pa.large_string(), pa.large_string())
    names = ("title", "authors", "year", "doi", "arxiv_id")
    return pa.table(
        {
            name: pa.array(list(column), kind)
            for name, column, kind in zip(names, columns, kinds, strict=True)
        }
    )


def works(*rows, alive=None):
    return find_works(table(*rows), alive).ids.tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", None, None, "10.1234/A"), ("b", None, None, "https://doi.org/10.1234/a")),
        (("a", None, None, None, "arXiv:1301.01234v2"), ("b", None, None, None, "1301.01234")),
        (("a", None, None, None, "math.GT/0309136"), ("b", None, None, None, "math/0309136")),
        (("a", None, None, "10.48550/arXiv.1301.01234"), ("b", None, None, None, "1301.01234")),
        ((TITLE, ["Wenzel, Á."], 2012), (f"{TITLE}.", ["Ada WENZEL", "B, C"], 2015)),
        ((TITLE, ["van der Berg, O."], 2012), (TITLE.lower(), ["Otto van der Berg"], None)),
        (
            (r"The $\Lambda$CDM model and dust", ["Wenzel, A."], 2012),
            ("The ΛCDM model and dust", ["Wenzel, A."], 2012),
        ),
        (
            (TITLE, ["Wenzel, A."], 2012, "10.48550/arXiv.1301.01234"),
            (TITLE, ["Wenzel, A."], 2013, "10.1234/a"),
        ),
    ],
)
def test_two_versions_are_one_work(one, other):
    assert works(one, ("between", ["X, Y"]), other) == [0, 1, 0]
    assert works(other, ("between", ["X, Y"]), one) == [0, 1, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((TITLE, ["Wenzel, A."], 2012), (TITLE, ["Berg, A."], 2012)),
        ((TITLE, ["Wenzel, A."], 2012), (TITLE, ["Wenzel, A."], 2016)),
        ((TITLE, [], 2012), (TITLE, [], 2012)),
        (("Editorial", ["Wenzel, A."], 2012), ("Editorial", ["Wenzel, A."], 2012)),
        (("", ["Wenzel, A."], 2012), ("", ["Wenzel, A."], 2012)),
        ((TITLE, ["Wenzel, A."], 2012, "10.1234/a"), (TITLE, ["Wenzel, A."], 2012, "10.1234/b")),
        (("a", None, None, "n/a"), ("b", None, None, "n/a")),
    ],
)
def test_two_works_stay_two(one, other):
    assert works(one, other) == [0, 1]


def test_a_preprint_belongs_to_the_edition_that_follows_it():
    report = ("The report of the dust group", ["Dust Group"])
    assert works(
        (*report, 2000, "10.1234/a"),
        (*report, 2001),
        (*report, 2002, "10.1234/b"),
        (*report, 2009),
        (*report, 2010),
    ) == [0, 1, 1, 3, 3]


def test_a_deleted_version_is_none():
    rows = [(TITLE, ["Wenzel, A."]), (TITLE, ["Wenzel, A."]), (TITLE, ["Wenzel, A."])]
    assert works(*rows, alive=np.array([True, False, True])) == [0, 1, 0]


def test_a_table_without_the_columns_has_no_versions():
    assert find_works(pa.table({"title": [TITLE, TITLE]}), None).ids.tolist() == [0, 1]
    assert find_works(table((TITLE,)).slice(0, 0), None).largest == 1


def test_authors_and_years_may_be_text():
    columns = {"title": [TITLE] * 3, "authors": ["Wenzel, A.; B, C", "A. Wenzel and C. B", None]}
    found = find_works(pa.table(columns | {"year": ["2012", "2013-05", "x"]}), None)
    assert found.ids.tolist() == [0, 0, 2]


ids = st.lists(st.tuples(*[st.none() | st.integers(0, 5)] * 2), max_size=12)


@given(ids)
def test_works_are_what_is_connected(pairs):
    rows = [
        (
            "",
            None,
            None,
            None if doi is None else f"10.1234/{doi}",
            None if arxiv_id is None else f"1301.0000{arxiv_id}",
        )
        for doi, arxiv_id in pairs
    ]
    groups = list(range(len(pairs)))
    for _ in pairs:  # the slow way: the least row of all that share an id, until nothing changes
        for n, one in enumerate(pairs):
            for m, other in enumerate(pairs):
                if any(a is not None and a == b for a, b in zip(one, other, strict=True)):
                    groups[n] = groups[m] = min(groups[n], groups[m])
    assert (works(*rows) if rows else []) == groups


DOCS = [
    {"id": "pre", "title": TITLE, "text": "Masers, masers, masers.", "arxiv_id": "1301.01234"},
    {"id": "dust", "title": "Dust in discs", "text": "Masers and dust and more of both."},
    {"id": "pub", "title": TITLE, "text": "Masers in a disc.", "arxiv_id": "1301.01234", "year": 9},
    {"id": "late", "title": "Rings", "text": "Rings of dust, and one line on masers, at the end."},
]


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("works")
    (folder / "c.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in DOCS))
    searchkit.build(folder / "c.jsonl", out=folder / "x", encoders=[])
    with searchkit.open(folder / "x", reranker=None) as opened:
        yield opened


def test_a_work_is_one_hit_with_its_versions(searcher):
    plain = searcher.search("masers", k=4)
    assert [hit.doc.id for hit in plain] == ["pre", "pub", "dust", "late"]
    assert all(hit.versions == () for hit in plain)
    merged = searcher.search("masers", k=3, merge_versions=True)
    assert [(hit.rank, hit.doc.id) for hit in merged] == [(1, "pre"), (2, "dust"), (3, "late")]
    assert [doc.id for doc in merged[0].versions] == ["pub"]
    assert [hit.score for hit in merged] == [plain[0].score, plain[2].score, plain[3].score]
    assert merged[1].trace.stages["bm25"].rank == 3


def test_a_filter_leaves_versions_out(searcher):
    [hit, *_] = searcher.search("masers", merge_versions=True, where="year is null")
    assert (hit.doc.id, hit.versions) == ("pre", ())


def test_papers_like_one_are_not_its_versions(searcher):
    pub = searcher.index[searcher.index.row("pub")]
    assert "pre" in [hit.doc.id for hit in searcher.like(pub).hits]
    assert "pre" not in [hit.doc.id for hit in searcher.like(pub, merge_versions=True).hits]


def test_a_run_counts_documents(searcher):
    [found] = searcher.rank(["masers"], k=4)
    assert len(found) == 4
