"""Remembered chunks and terms weigh queries as if each was analysed alone, the first time."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.analyze.analyzer import TextAnalyzer, cut
from searchkit.analyze.scientific import chunks_of
from searchkit.analyze.strings import large_strings
from searchkit.retrieve import bm25_queries
from searchkit.retrieve.bm25_queries import QueryTerms

ANALYZER = TextAnalyzer.named("english")
WORDS = ["galaxies", "Galaxy", "of", "SARS-CoV-2", "$H_{0}$", "naïve", "ΛCDM", "zeta", "z\x1f"]
SIGNS = ["<b>x</b>", "\\cite{a b}", "##ing", "[MATH_tex= x", "\x1c", "\u2003", "", "1,000"]
TEXTS = st.lists(st.sampled_from(WORDS + SIGNS) | st.text(max_size=5), max_size=12).map(" ".join)


def find(terms):
    """Two segments: which terms they hold follows from their spelling; none has a z in it."""
    sizes = np.array([0 if "z" in term else len(term) for term in terms], np.int64)
    held = sizes > 0
    return np.stack([np.where(held, sizes, -1), np.where(held, 2 * sizes, -1)]), sizes


def fresh():
    return QueryTerms(ANALYZER, 2, find=find, idf=lambda df: 1 / df)


def as_lists(weighted):
    return [(q.terms, q.weights.tolist(), q.ids.tolist()) for q in weighted]


def by_definition(text):
    counted = Counter(term for term in ANALYZER.terms(text) if "z" not in term)
    weights = [times * (1 / len(term)) for term, times in counted.items()]
    sizes = [len(term) for term in counted]
    return tuple(counted), weights, [sizes, [2 * size for size in sizes]]


@given(TEXTS)
def test_one_text_is_cut_as_many_are(text):
    parts = cut(large_strings([text]))
    spelled = parts.dictionary.to_pylist()
    assert [chunk for chunk in chunks_of(text) if chunk] == [
        spelled[n] for n in parts.ids.tolist() if spelled[n]
    ]


@given(st.lists(TEXTS, max_size=6), st.integers(0, 6))
def test_what_was_remembered_changes_no_query(texts, at):
    remembering = fresh()
    found = as_lists(remembering.weigh(texts[:at])) + as_lists(remembering.weigh(texts[at:]))
    assert found == [by_definition(text) for text in texts]
    assert as_lists(remembering.weigh(texts)) == found


def test_what_is_remembered_has_a_bound(monkeypatch):
    monkeypatch.setattr(bm25_queries, "_REMEMBERED", 2 * 5)
    remembering = fresh()
    for n in range(20):
        text = f"galaxies word{n} other{n}"
        assert as_lists(remembering.weigh([text])) == [by_definition(text)]
        assert len(remembering._chunk_terms) <= 5
    assert math.isclose(remembering.weigh(["galaxies"])[0].weights[0], 1 / len("galaxi"))


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(UnicodeEncodeError):
        fresh().weigh(["galaxies \ud800"])
