import json

import pytest

import searchkit
from searchkit.corpus.read import ReadOptions
from searchkit.errors import ConfigError, CorpusError
from searchkit.search.api import IndexOptions
from searchkit.types import Doc


def docs(*ids, **meta):
    return [Doc(id_, f"Paper {id_}", f"It is about {id_} and dust.", meta) for id_ in ids]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def index(tmp_path):
    rows = [{"doi": f"d{n}", "title": f"Paper {n}", "text": "dust", "year": n} for n in range(6)]
    corpus = lines(tmp_path / "corpus.jsonl", rows)
    options = IndexOptions(read=ReadOptions(columns={"id": "doi"}))
    searchkit.build(corpus, out=tmp_path / "index", encoders=[], options=options)
    return tmp_path / "index"


def ids(index):
    with searchkit.open(index, reranker=None) as searcher:
        return searcher.index.all_ids()


def test_documents_come_and_go(index):
    searchkit.add(index, docs("new"))
    searchkit.delete(index, ["d0", "d3"])
    searchkit.update(index, [Doc("d1", "Paper 1", "snow", {"year": 1})])
    searchkit.delete(index, where="year >= 5")
    assert ids(index) == ["d2", "d4", "new", "d1"]
    with searchkit.open(index, reranker=None) as searcher:
        assert [hit.doc.id for hit in searcher.search("dust")] == ["d2", "d4", "new"]
        assert [hit.doc.id for hit in searcher.search("dust", where="year < 3")] == ["d2"]


def test_ids_and_a_filter_delete_what_is_in_both(index):
    assert searchkit.delete(index, ["d1", "d5"], where="year >= 5").summary.deleted.ids == ["d5"]


def test_a_string_is_one_id_and_not_its_letters(index):
    searchkit.add(index, docs("d", "1"))
    assert searchkit.delete(index, "d1").summary.deleted.ids == ["d1"]
    assert searchkit.delete(index, (id_ for id_ in ["d", "d2"])).summary.deleted.n == 2
    assert ids(index) == ["d0", "d3", "d4", "d5", "1"]


def test_a_long_id_is_quoted_by_its_head(index, tmp_path):
    long = "x" * 100_000
    shown = f"'{'x' * 80}'..."
    with pytest.raises(ConfigError, match=f"no document {shown}\\. Ids"):
        searchkit.delete(index, long)
    rows = [{"doi": id_, "title": "", "text": text} for id_, text in [(long, "a"), (long, "b")]]
    with pytest.raises(CorpusError, match=f"the id {shown} occurred before"):
        searchkit.add(index, lines(tmp_path / "twice.jsonl", rows))
    with pytest.raises(CorpusError, match=f"document {shown} has neither"):
        searchkit.add(index, lines(tmp_path / "empty.jsonl", [rows[0] | {"text": ""}]))


def test_the_columns_of_the_build_are_those_of_every_change(index, tmp_path):
    rows = [{"doi": "d0", "title": "Paper 0", "text": "dust", "year": 0}]
    rows += [{"doi": f"n{n}", "title": "", "text": "rain"} for n in range(5)]
    changed = searchkit.sync(index, lines(tmp_path / "now.jsonl", rows), force=True)
    assert changed.summary.counts() == {"added": 5, "replaced": 0, "deleted": 5}
    assert changed.summary.unchanged.ids == ["d0"]


def test_a_sync_that_would_empty_an_index_asks_first(index, tmp_path):
    corpus = lines(tmp_path / "other.jsonl", [{"doi": "x", "title": "", "text": "rain"}])
    before = ids(index)
    with pytest.raises(ConfigError, match=r"6 of the 6 documents .* are not in the corpus"):
        searchkit.sync(index, corpus)
    assert ids(index) == before
    searchkit.sync(index, corpus, force=True)
    assert ids(index) == ["x"]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (searchkit.delete, "nothing says what to delete"),
        (lambda index: searchkit.delete(index, ["d0", "no"]), "holds no document 'no'"),
        (lambda index: searchkit.delete(index, ["d0", 1]), "id 2 to delete is a number"),
        (lambda index: searchkit.add(index, docs("a", "a")), "the id 'a' comes twice"),
        (lambda index: searchkit.update(index, docs("no")), "no document 'no' to update"),
        (lambda index: searchkit.delete(index, where="year >= 0"), "would leave no document"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(index, call, why):
    before = ids(index)
    with pytest.raises(ConfigError, match=why):
        call(index)
    assert ids(index) == before


def test_a_bad_row_changes_nothing(index, tmp_path):
    corpus = lines(tmp_path / "bad.jsonl", [{"doi": "x", "title": "", "text": "rain"}, {"doi": 1}])
    before = ids(index)
    with pytest.raises(CorpusError, match=r"bad\.jsonl:2"):
        searchkit.add(index, corpus)
    assert ids(index) == before


def test_an_open_searcher_goes_on_and_reloads_when_told(index):
    with searchkit.open(index, reranker=None) as searcher:
        assert not searcher.reload()
        searcher.search("dust", where="year < 3")  # whose mask must not outlive the generation
        searchkit.add(index, docs("new", year=2))
        searchkit.delete(index, ["d1"])
        assert [hit.doc.id for hit in searcher.search("dust")][:2] == ["d0", "d1"]
        assert searcher.reload()
        assert [hit.doc.id for hit in searcher.search("dust", where="year < 3")] == [
            "d0",
            "d2",
            "new",
        ]
        assert searcher.why_not("dust", "new", 2)
        with pytest.raises(searchkit.SearchkitError, match="no document 'd1'"):
            searcher.why_not("dust", "d1")
