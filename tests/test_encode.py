from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit import encode
from searchkit.encode import GRID, encode_texts, grids, split
from searchkit.models.fakes import HashEncoder
from searchkit.models.sentences import split_sentences
from searchkit.types import Doc

DUST = Doc("1", "Dust", "Dust scatters light. It reddens stars. We map it.")
BLANK = Doc("2", " ", "\n")
ENCODER = HashEncoder()


def silent(done, total):
    pass


def test_a_document_is_one_passage_by_the_encoders_template():
    assert split([DUST, BLANK], "document", ENCODER) == [[f"Dust {DUST.text}"], [""]]


def test_sentences_follow_the_title():
    assert split([DUST, BLANK, Doc("3", "Only a title", "")], "sentence", ENCODER) == [
        ["Dust", "Dust scatters light.", "It reddens stars.", "We map it."],
        [""],
        ["Only a title"],
    ]


def test_windows_repeat_the_title_and_overlap_by_half():
    windows = split([DUST, BLANK], "window", HashEncoder(max_tokens=7))
    assert windows == [
        ["Dust Dust scatters light. It reddens stars.", "Dust It reddens stars. We map it."],
        [""],
    ]


def test_a_text_that_fits_is_one_window():
    assert split([DUST], "window", ENCODER) == split([DUST], "document", ENCODER)


lengths = st.lists(st.integers(1, 12), max_size=12)


@given(lengths, st.integers(0, 3), st.integers(1, 20))
def test_windows_hold_every_sentence_in_order_and_fit_where_they_can(lengths, n_title, limit):
    sentences = [" ".join([f"W{n}", *"x" * (size - 1)]) + "." for n, size in enumerate(lengths)]
    doc = Doc("d", " ".join("t" * n_title), " ".join(sentences))
    assert split_sentences(doc.text) == sentences
    encoder = HashEncoder(max_tokens=limit)
    [windows] = split([doc], "window", encoder)
    held = [[int(w.strip(".")[1:]) for w in window.split() if w[0] == "W"] for window in windows]
    assert all(run == list(range(run[0], run[-1] + 1)) for run in held if lengths)
    assert sorted({n for run in held for n in run}) == list(range(len(lengths)))
    assert all(before[-1] < after[-1] for before, after in pairwise(held))
    for window, run in zip(windows, held, strict=True):
        assert encoder.n_tokens([window])[0] <= limit or len(run) <= 1


@pytest.mark.parametrize("mode", ["document", "sentence", "window"])
def test_grids_hold_all_passages_of_a_fixed_number_of_documents(mode):
    docs = [Doc(str(n), "", f"Dust is {n}. It is old.") for n in range(GRID + 5)]
    made = list(grids(iter(docs), mode, ENCODER))
    assert [len(grid.counts) for grid in made] == [GRID, 5]
    flat = [text for passages in split(docs, mode, ENCODER) for text in passages]
    assert [text for grid in made for text in grid.texts] == flat
    assert [grid.counts.sum() for grid in made] == [len(grid.texts) for grid in made]


@given(st.lists(st.text(alphabet="ab ", max_size=30), max_size=20))
def test_every_text_gets_its_own_vector_whatever_the_order_inside(texts):
    vectors = encode_texts(ENCODER, texts, ENCODER.n_tokens(texts), progress=silent)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, ENCODER.encode_docs(texts))


def test_progress_rises_to_the_number_of_tokens():
    n = encode.RUN_TOKENS // 100
    texts, seen = ["dust " * 200] * (2 * n) + ["dust"] * 3, []
    progress = lambda done, total: seen.append((done, total))  # noqa: E731
    encode_texts(ENCODER, texts, [200] * (2 * n) + [1] * 3, progress=progress)
    assert len(seen) > 2
    assert sorted(set(seen)) == seen
    assert seen[-1] == (400 * n + 3, 400 * n + 3)
