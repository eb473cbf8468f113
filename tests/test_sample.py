import json
from collections import Counter
from itertools import chain

import pytest

from searchkit import sample

FIELDS = {
    "astro": "astronomy",
    "ml": "machine learning",
    "bio": "biomedicine",
    "mat": "materials",
}
KINDS = {"kw": "keywords", "claim": "claim", "ask": "question", "paper": "paper"}


def read_rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def docs():
    return {row["_id"]: row for row in read_rows(sample.corpus_path())}


@pytest.fixture(scope="module")
def queries():
    return {row["_id"]: row for row in read_rows(sample.queries_path())}


@pytest.fixture(scope="module")
def judgements():
    header, *lines = sample.qrels_path().read_text("utf-8").splitlines()
    assert header.split("\t") == ["query-id", "corpus-id", "score"]
    return [(query, doc, int(grade)) for query, doc, grade in (line.split("\t") for line in lines)]


def test_every_id_is_unique():
    for path in (sample.corpus_path(), sample.queries_path()):
        ids = [row["_id"] for row in read_rows(path)]
        assert len(set(ids)) == len(ids)


def test_every_field_has_its_share(docs):
    assert len(docs) >= 120
    share = Counter(row["field"] for row in docs.values())
    assert share.keys() == set(FIELDS.values())
    assert min(share.values()) >= 20
    assert all(FIELDS[row["_id"].split("-")[0]] == row["field"] for row in docs.values())


def test_every_document_is_a_short_abstract_with_typed_metadata(docs):
    for row in docs.values():
        assert list(row) == ["_id", "title", "text", "year", "venue", "field", "authors"]
        assert type(row["year"]) is int
        assert 1990 <= row["year"] <= 2025
        assert row["venue"]
        assert row["authors"]
        assert all(isinstance(name, str) and name for name in row["authors"])
        assert 2 <= len(row["title"].split()) <= 15
        assert 60 <= len(row["text"].split()) <= 150


def test_no_two_documents_share_a_title_or_a_sentence(docs):
    assert len({row["title"] for row in docs.values()}) == len(docs)
    sentences = list(chain.from_iterable(row["text"].split(". ") for row in docs.values()))
    assert len(set(sentences)) == len(sentences)


def test_ten_queries_of_each_kind(queries):
    assert Counter(row["kind"] for row in queries.values()) == dict.fromkeys(KINDS.values(), 10)
    assert all(KINDS[row["_id"].split("-")[0]] == row["kind"] for row in queries.values())
    assert len({row["text"] for row in queries.values()}) == 40


def test_no_text_is_longer_than_a_model_reads(docs, queries):
    longest = max(len(row["text"].split()) for row in chain(docs.values(), queries.values()))
    assert longest <= 300


def test_every_judgement_names_a_query_and_a_document(docs, queries, judgements):
    pairs = [(query, doc) for query, doc, _ in judgements]
    assert len(set(pairs)) == len(pairs)
    assert {query for query, _ in pairs} <= queries.keys()
    assert {doc for _, doc in pairs} <= docs.keys()
    assert {grade for *_, grade in judgements} == {1, 2, 3}


def test_every_query_has_a_few_documents_and_a_best_one(queries, judgements):
    found = Counter(query for query, *_ in judgements)
    assert found.keys() == queries.keys()
    assert set(found.values()) <= set(range(2, 7))
    assert {query for query, _, grade in judgements if grade == 3} == queries.keys()


SYMBOLS = [
    "NGC 4258", "H_0", "$H_0$", "SARS-CoV-2", "MERS-CoV", "ΛCDM", r"$\Lambda$CDM",
    "α-synuclein", r"$\alpha$-synuclein", "Alpha-synuclein", "TiO2", "TiO$_2$", "LiFePO4",
    "LiFePO$_4$", "p53", "ΔNp63", r"\citep{", "<CIT>", r"[MATH_tex=z \sim 2]", "TNF-α",
]  # fmt: skip


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_symbols_of_the_literature_occur(docs, symbol):
    assert any(symbol in f"{row['title']} {row['text']}" for row in docs.values())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("kw-05", ["heart attack"]),
        ("kw-03", ["exoplanet"]),
        ("kw-08", ["TiO₂"]),
        ("ask-01", ["hydrogen"]),
        ("ask-02", ["heavy", "blow"]),
        ("claim-09", ["bowel", "clump"]),
        ("ask-10", ["germs", "medicine"]),
    ],
)
def test_the_best_documents_use_other_words_than_the_query(docs, judgements, query, words):
    best = [docs[doc] for name, doc, grade in judgements if name == query and grade == 3]
    texts = [f"{row['title']} {row['text']}".lower() for row in best]
    assert texts
    assert not [word for word in words for text in texts if word.lower() in text]


def test_the_card_counts_right_and_disclaims(docs, queries, judgements):
    card = (sample.corpus_path().parent / "README.md").read_text("utf-8")
    assert f"{len(docs)} abstracts, {len(queries)} queries and {len(judgements)} graded" in card
    assert "evidence for nothing" in card
    assert "invented" in card
