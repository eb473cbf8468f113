import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.cli.highlight import ELLIPSIS, excerpt, mark

ENGLISH = TextAnalyzer.named("english")
FILLER = "Nothing of interest was seen on that day. " * 8
LONG = f"{FILLER}The warped disc of NGC 4258 holds water masers. {FILLER}"

words = st.lists(
    st.sampled_from(
        "maser masers disc (NGC 4258), $H_0$ H₀ the and SARS-CoV-2. α-synuclein".split()
    ),
    max_size=60,
).map(" ".join)


def marked(text, query):
    passage = mark([text], query, ENGLISH)[0]
    return [passage.text[found.start : found.stop] for found in passage.marks]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Masers in (NGC 4258), a disc.", "ngc4258 maser", ["Masers", "NGC", "4258"]),
        ("It raises $H_0$ and H₀.", "H_0", ["$H_0$", "H₀"]),
        ("Spikes of SARS-CoV-2 bind.", "SARS-CoV2", ["SARS-CoV-2"]),
        ("The disc of the galaxy", "the of", []),
        ("", "disc", []),
    ],
)
def test_words_that_hold_a_term_of_the_query_are_marked(text, query, expected):
    assert marked(text, query) == expected


@given(words, words)
def test_a_marked_word_says_something_the_query_says(text, query):
    wanted = set(ENGLISH.terms(query))
    for word in marked(text, query):
        assert wanted & set(ENGLISH.terms(word))


@given(words, words)
def test_marks_do_not_overlap_and_come_in_order(text, query):
    ends = [0]
    for found in mark([text], query, ENGLISH)[0].marks:
        assert ends[-1] <= found.start < found.stop
        ends.append(found.stop)


def test_an_excerpt_shows_the_sentence_with_the_most_terms():
    found = excerpt(mark([LONG], "masers in a warped disc", ENGLISH)[0], 120)
    assert "The warped disc of NGC 4258 holds water masers." in found.text
    assert [found.text[m.start : m.stop] for m in found.marks] == ["warped", "disc", "masers"]
    assert found.text.startswith(ELLIPSIS)
    assert found.text.endswith(ELLIPSIS)


def test_an_excerpt_without_a_match_is_the_beginning():
    assert excerpt(mark([LONG], "zebra", ENGLISH)[0], 60).text.startswith("Nothing of interest")


@given(words, words, st.integers(20, 200))
def test_an_excerpt_is_a_piece_of_the_text_and_keeps_its_marks_in_place(text, query, size):
    whole = mark([text], query, ENGLISH)[0]
    found = excerpt(whole, size)
    assert found.text.strip(ELLIPSIS) in whole.text
    assert len(found.text) <= max(size, 20) + 2 * len(ELLIPSIS)
    inside = {whole.text[m.start : m.stop] for m in whole.marks}
    assert all(found.text[m.start : m.stop] in inside for m in found.marks)
