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


def read_rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def docs():
    return {row["_id"]: row for row in read_rows(sample.corpus_path())}


def test_every_id_is_unique():
    ids = [row["_id"] for row in read_rows(sample.corpus_path())]
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


SYMBOLS = [
    "NGC 4258", "H_0", "$H_0$", "SARS-CoV-2", "MERS-CoV", "ΛCDM", r"$\Lambda$CDM",
    "α-synuclein", r"$\alpha$-synuclein", "Alpha-synuclein", "TiO2", "TiO$_2$", "LiFePO4",
    "LiFePO$_4$", "p53", "ΔNp63", r"\citep{", "<CIT>", r"[MATH_tex=z \sim 2]", "TNF-α",
]  # fmt: skip


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_symbols_of_the_literature_occur(docs, symbol):
    assert any(symbol in f"{row['title']} {row['text']}" for row in docs.values())


def test_the_card_disclaims():
    card = (sample.corpus_path().parent / "README.md").read_text("utf-8")
    assert "evidence for nothing" in card
    assert "invented" in card
