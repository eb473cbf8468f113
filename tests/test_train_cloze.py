"""What is made of documents: queries, their documents less what was asked, and an honest split."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import searchkit
from searchkit.errors import ConfigError, CorpusError
from searchkit.models.names import render
from searchkit.models.sentences import split_sentences
from searchkit.train.citations import citation_clozes, citations_in, read_citations
from searchkit.train.cloze import (
    ClozeCounts,
    ClozeOptions,
    body,
    cloze,
    clozes,
    drawn,
    plain,
    reduced,
)
from searchkit.train.cloze_triplets import Writing, cloze_triplets
from searchkit.train.held_out import Leakage, split_documents
from searchkit.train.mining import MineCounts, MineOptions
from searchkit.types import Doc

OPTIONS = ClozeOptions()
WORDS = "star dust light bone cell protein risk model data graph glass metal".split()
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(
    lambda words: " ".join(words).capitalize() + "."
)
titles = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
documents = st.builds(
    lambda n, title, text, repeats: Doc(f"d{n}", title, f"{title}. {text}" if repeats else text),
    st.integers(0, 10**6),
    titles,
    st.lists(sentences, max_size=7).map(" ".join),
    st.booleans(),
)
corpora = st.lists(documents, max_size=12, unique_by=lambda doc: doc.id)


def long(n, k=6):
    """A document of k sentences that all can ask; no two of them are alike."""
    draw = random.Random(n)
    text = " ".join(
        f"Sentence {i} of paper {n} says {' '.join(draw.choices(WORDS, k=9))}." for i in range(k)
    )
    return Doc(f"d{n}", f"Paper {n} on {' and '.join(draw.sample(WORDS, 3))}", text)


DOCS = [long(n) for n in range(30)]


@given(documents)
def test_what_is_asked_never_stands_in_the_document(doc):
    for one in cloze(doc, ClozeOptions(min_words=2, min_chars=5), ClozeCounts()):
        left = render("{title} {text}", one.document)
        assert plain(one.query) not in plain(left)
        assert left
        assert one.doc_id == one.document.id == doc.id
        assert one.document.title == ("" if one.kind == "title" else doc.title)


@given(documents)
def test_the_other_sentences_stay_in_order(doc):
    whole = split_sentences(body(doc))
    for one in cloze(doc, OPTIONS, ClozeCounts()):
        if one.kind == "sentence":
            n = int(one.query_id.rpartition(":")[2])
            assert one.query == whole[n]
            assert one.document.text == " ".join(whole[:n] + whole[n + 1 :])
            assert len(whole) >= 3
            assert len(one.query.split()) >= OPTIONS.min_words
            assert OPTIONS.min_chars <= len(one.query) <= OPTIONS.max_chars


@given(corpora, st.randoms(use_true_random=False))
def test_queries_depend_on_the_seed_and_the_ids_alone(docs, random):
    def made(docs):
        found = clozes(docs, OPTIONS, ClozeCounts())
        return {one.query_id: one for one in found}

    shuffled = list(docs)
    random.shuffle(shuffled)
    assert made(shuffled) == made(docs)


def test_another_seed_asks_with_other_sentences():
    def asked(seed):
        found = clozes(DOCS, ClozeOptions(n_sentences=1, seed=seed), ClozeCounts())
        return {one.query_id for one in found if one.kind == "sentence"}

    assert len(asked(1)) == len(asked(2)) == len(DOCS)
    assert asked(1) != asked(2)


@given(corpora)
def test_no_two_documents_give_the_same_query(docs):
    found = clozes(docs, ClozeOptions(min_words=2, min_chars=5), ClozeCounts())
    assert len({plain(one.query) for one in found}) == len(found)


def test_everything_that_gives_no_query_is_counted():
    counts = ClozeCounts()
    docs = [
        *DOCS[:2],
        Doc("same", DOCS[0].title, "Another text."),
        Doc("untitled", "", "One."),
        Doc("short", "Editorial", "Two."),
        Doc("empty", "A title of four", ""),
        Doc("echo", "dust of a star", "We saw the dust of a star there."),
    ]
    found = clozes(docs, OPTIONS, counts)
    assert counts.n_docs == 7
    assert counts.made == {"title": 1, "sentence": 4}
    assert [one.query for one in found if one.kind == "title"] == [DOCS[1].title]
    assert counts.left == {
        "queries that another document gives as well": 2,
        "documents of fewer than 3 sentences": 5,
        "documents without a title": 1,
        "titles that are too short": 1,
        "documents without a text": 1,
        "titles that stand in their text": 1,
    }


def test_only_the_documents_asked_for_give_queries_but_all_titles_count():
    twin = Doc("twin", DOCS[3].title.upper(), "Its text.")
    found = clozes([*DOCS, twin], OPTIONS, ClozeCounts(), among={"d3", "d4"})
    assert {one.doc_id for one in found} == {"d3", "d4"}
    assert [one.doc_id for one in found if one.kind == "title"] == ["d4"]


def test_a_text_that_repeats_its_title_loses_it():
    assert body(Doc("1", "On  dust", "on dust .\nIt falls.")) == "It falls."
    assert body(Doc("1", "On dust", "On dustbins.")) == "On dustbins."
    assert body(Doc("1", "", " It falls. ")) == "It falls."


@pytest.mark.parametrize("doc", DOCS[:5])
def test_the_others_are_written_as_the_answer_is(doc):
    assert reduced(doc, "title", OPTIONS) == Doc(doc.id, "", doc.text)
    less = reduced(doc, "sentence", OPTIONS)
    assert less.title == doc.title
    assert len(split_sentences(less.text)) == len(split_sentences(doc.text)) - 1
    assert reduced(doc, "citation", OPTIONS) is doc
    few = Doc("few", "Two sentences", "One. Two.")
    assert reduced(few, "sentence", OPTIONS) == few


def test_the_draw_keeps_pairs_together_and_does_not_see_the_order():
    found = clozes(DOCS, OPTIONS, ClozeCounts())
    few = drawn(found, 10, seed=1)
    assert few == drawn(found[::-1], 10, seed=1)
    assert len(few) == 10
    assert few != drawn(found, 10, seed=2)


@given(st.sets(st.integers(0, 999), min_size=10, max_size=60), st.booleans(), st.integers(0, 3))
def test_the_split_is_disjoint_whole_and_blind_to_order(numbers, dated, seed):
    ids = [f"d{n}" for n in numbers]
    years = [float(1990 + n % 7) if dated else None for n in numbers]
    split = split_documents(ids, years, share=0.3, most=12, seed=seed)
    again = split_documents(ids[::-1], years[::-1], share=0.3, most=12, seed=seed)
    assert split == again
    assert len(split.held_out) == min(12, int(0.3 * len(ids)))
    assert split.held_out < set(ids)
    if split.by == "year":
        of = dict(zip(ids, years, strict=True))
        assert min(of[id_] for id_ in split.held_out) == split.since
        assert max(of[id_] for id_ in set(ids) - split.held_out) <= split.since


def test_the_year_splits_where_nearly_all_have_one_and_it_tells_them_apart():
    ids = [f"d{n}" for n in range(20)]
    recent = split_documents(ids, list(range(2000, 2020)), share=0.25, most=99, seed=0)
    assert recent.by == "year"
    assert recent.held_out == {f"d{n}" for n in range(15, 20)}
    for years in ([2000.0] * 20, [None] * 5 + [2000.0 + n for n in range(15)]):
        assert split_documents(ids, years, share=0.25, most=99, seed=0).by == "document"
    with pytest.raises(ConfigError, match="too few"):
        split_documents(ids[:4], [None] * 4, share=0.25, most=99, seed=0)


def test_what_would_leak_is_removed_and_counted():
    held, trains = DOCS[:3], list(DOCS[3:8])
    asked = clozes(held, OPTIONS, ClozeCounts())
    sentences = split_sentences(held[0].text)
    retitled = Doc("retitled", held[1].title.upper(), trains[0].text)
    copied = Doc("copied", "Another title entirely", " ".join([*sentences[:3], "And."]))
    quoting = Doc("quoting", "A fourth paper", f"{sentences[0]} {DOCS[20].text}")
    leakage = Leakage(held, asked)
    whys = [leakage.why(doc) for doc in (*trains, retitled, copied, quoting)]
    assert whys == [""] * 5 + ["same title", "shared sentences", ""]
    repeats = next(one for one in asked if one.kind == "sentence")
    found = [*clozes([*trains, copied], OPTIONS, ClozeCounts()), repeats]
    kept, removed = leakage.remove(found, [*trains, copied])
    assert {one.doc_id for one in kept} == {doc.id for doc in trains}
    assert removed == {"shared sentences": 1, "same query": 3}  # its sentences ask for d0 as well


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloze")
    rows = [
        {"_id": doc.id, "title": doc.title, "text": doc.text, "cites": [f"d{n}", "gone", doc.id]}
        for n, doc in enumerate(DOCS[1:])
    ]
    rows.append({"_id": "d0", "title": "", "text": DOCS[0].text, "cites": ["d1"]})
    (folder / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    searchkit.build(folder / "c.jsonl", out=folder / "x", encoders=[])
    with searchkit.open(folder / "x") as searcher:
        yield searcher


def test_mined_texts_do_not_show_which_is_the_positive(index):
    found = drawn(clozes(index.index, OPTIONS, ClozeCounts()), 40, seed=0)
    counts, options = MineCounts(), MineOptions(n=2, first=1)
    triplets = list(
        cloze_triplets(
            index.index,
            found,
            rank=lambda queries, k: index.stages.run(queries, stage="bm25", k=k).rankings["bm25"],
            options=options,
            writing=Writing(clozes=OPTIONS),
            counts=counts,
        )
    )
    kinds = {one.query_id: one.kind for one in found}
    titles = {doc.id: doc.title for doc in DOCS}
    assert len(triplets) == counts.n_triplets > 40
    for one in triplets:
        assert plain(one.query) not in plain(one.positive)
        assert one.negative_id != one.positive_id
        titled = [text.startswith("Paper") for text in (one.positive, one.negative)]
        if kinds[one.query_id] == "title":
            assert titled == [False, False]
        elif one.positive_id != "d0":  # which has no title
            assert one.positive.startswith(titles[one.positive_id])
            assert len(split_sentences(one.negative)) == len(split_sentences(one.positive)) == 5


def test_citations_ask_with_the_citing_title(index, tmp_path):
    counts = ClozeCounts()
    found = citation_clozes(index.index, citations_in(index.index, "cites"), counts)
    assert [(one.query_id, one.doc_id) for one in found][:2] == [("d1", "d0"), ("d2", "d1")]
    assert found[0].query == DOCS[1].title
    assert counts.left == {
        "citations of or by what is not in the index": 29,
        "citing documents without a title": 1,
    }
    assert counts.made == {"citation": len(found)} == {"citation": 29}
    (tmp_path / "c.tsv").write_text("citing\tcited\nd1\td0\n\nd2\td1\n")
    (tmp_path / "c.csv").write_text("d1,d0\nd2,d1\n")
    for name in ("c.tsv", "c.csv"):
        assert (
            citation_clozes(index.index, read_citations(tmp_path / name), ClozeCounts())
            == found[:2]
        )


def test_citations_that_are_none_are_refused(index, tmp_path):
    path = tmp_path / "c.tsv"
    path.write_text("d1\td0\nd2 d1\n")
    with pytest.raises(CorpusError, match=r"c\.tsv:2: need two columns"):
        read_citations(path)
    path.write_text("citing\tcited\n")
    with pytest.raises(CorpusError, match="holds no citation"):
        read_citations(path)
    with pytest.raises(ConfigError, match="no column 'refs'"):
        list(citations_in(index.index, "refs"))
