import json
from datetime import date

import numpy as np
import pytest

import searchkit
from searchkit.corpus.read import ReadLedger, ReadOptions
from searchkit.errors import ConfigError, CorpusError
from searchkit.index.collect import CommitOptions
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
        (lambda index: searchkit.add(index, docs("d0"), existing="x"), "existing is one of refuse"),
        (lambda index: searchkit.update(index, docs("no"), missing="x"), "missing is one of"),
        (lambda index: searchkit.delete(index, ["no"], missing="add"), "missing is one of"),
        (lambda index: searchkit.delete(index, ["d0", 1]), "id 2 to delete is a number"),
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


BAD = [
    (Doc(1, "", "x"), "the id is a number"),
    (Doc(None, "", "x"), "the id is None"),
    (Doc("", "", "x"), "the id is empty"),
    (Doc("a\nb", "", "x"), "the id 'a.*' holds a control character"),
    (Doc("\ud800", "", "x"), "the id holds half a surrogate pair"),
    (Doc("a", "", "x\udfff"), "the text holds half a surrogate pair"),
    (Doc("a", None, "x"), "the title is None"),
    (Doc("a", "", ["x"]), "the text is a list"),
    (Doc("a", "", " "), "document 'a' has neither title nor text"),
    (Doc("good", "", "x"), "the id 'good' occurred before"),
    (Doc("a", "", "x", None), "the metadata is None"),
    (Doc("a", "", "x", {1: 2}), "a name in the metadata is a number"),
    (Doc("a", "", "x", {"y": float("nan")}), "metadata 'y' is nan"),
    (Doc("a", "", "x", {"y": {"z": 1}}), "metadata 'y' is of type dict"),
    (Doc("a", "", "x", {"y": np.float64(1)}), "metadata 'y' is of type float64"),
    (Doc("a", "", "x", {"y": ["z", 1]}), "an item of metadata 'y' is a number"),
    (Doc("a", "", "x", {"y": "\ud800"}), "metadata 'y' holds half a surrogate pair"),
    (Doc("a", "", "x", {"y": date(2020, 1, 1)}), "metadata 'y' is of type date"),
    ({"id": "a", "text": "x"}, "this is an object, and not a Doc"),
    ("a", "this is a string, and not a Doc"),
]


@pytest.mark.parametrize(("doc", "why"), BAD)
def test_a_given_document_is_checked_like_a_row(index, tmp_path, doc, why):
    good, before = Doc("good", "", "dust"), ids(index)
    for change in (searchkit.add, searchkit.update, searchkit.sync):
        options = {"missing": "add"} if change is searchkit.update else {}
        with pytest.raises(CorpusError, match=f"documents:2: {why}"):
            change(index, [good, doc], **options)
    with pytest.raises(CorpusError, match=f"documents:2: {why}"):
        searchkit.build(iter([good, doc]), out=tmp_path / "new", encoders=[])
    assert ids(index) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("corpus", [Doc("a", "", "x"), None, 5])
def test_what_is_no_corpus_is_refused(index, tmp_path, corpus):
    for change in (searchkit.add, searchkit.sync):
        with pytest.raises(ConfigError, match="the corpus is"):
            change(index, corpus)
    with pytest.raises(ConfigError, match="the corpus is"):
        searchkit.build(corpus, out=tmp_path / "new", encoders=[])


def test_given_documents_are_built_as_those_of_a_file(index, tmp_path):
    meta = {
        "_id": "of another",
        "text": "other",
        "n": 1,
        "x": 0.5,
        "b": True,
        "l": ["p"],
        "no": None,
    }
    given = [Doc("a", "T", "dust", meta), *docs("b c")]
    ledger = ReadLedger()
    searchkit.build(given, out=tmp_path / "new", encoders=[], ledger=ledger)
    assert (ledger.n_docs, ledger.n_blank_ids) == (2, 1)
    with searchkit.open(tmp_path / "new", reranker=None) as searcher:
        held = list(searcher.index)
    assert held == given
    assert held[0].meta == {name: value for name, value in meta.items() if value is not None}
    assert not searchkit.sync(tmp_path / "new", held).summary.changes


def test_bad_given_documents_are_skipped_and_counted_when_told(index):
    ledger = ReadLedger()
    searchkit.add(index, [*docs("a", "a"), 5], read=ReadOptions(on_error="skip"), ledger=ledger)
    assert ids(index)[-1] == "a"
    assert ledger.reasons == {"duplicate id": 1, "no document": 1}


@pytest.mark.parametrize("change", [searchkit.add, searchkit.update])
def test_no_document_changes_nothing(index, change):
    changed = change(index, [])
    assert changed.generation is None
    assert (changed.summary.changes, changed.summary.n_after) == (False, 6)
    with pytest.raises(ConfigError, match="would leave no document"):
        searchkit.sync(index, [], force=True)


CHANGES = {
    "add": lambda index, **options: searchkit.add(index, docs("new"), **options),
    "update": lambda index, **options: searchkit.update(index, docs("d1"), **options),
    "delete": lambda index, **options: searchkit.delete(index, "d1", **options),
    "sync": lambda index, **options: searchkit.sync(index, docs("d1"), force=True, **options),
}


@pytest.mark.parametrize("verb", CHANGES)
def test_every_change_takes_keep_and_wait_and_names_what_it_does_not_take(index, verb):
    change, before = CHANGES[verb], ids(index)
    with pytest.raises(
        TypeError, match=rf"^{verb}\(\) has no option 'kep', only read, .*keep, wait"
    ):
        change(index, kep=1)
    with pytest.raises(TypeError, match=rf"^{verb}\(\) has no option 'keep'"):
        change(index, keep=1, commit=CommitOptions())  # which says it
    with pytest.raises(ConfigError, match="keep must be at least 0, not -1"):
        change(index, keep=-1)
    assert ids(index) == before
    assert change(index, keep=2, wait=True).generation.keep == 2


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
