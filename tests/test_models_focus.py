"""The window that a small cross-encoder reads: what shares most with the query comes first."""

from hypothesis import given
from hypothesis import strategies as st

from searchkit.models.focus import focus, topics

TEXT = (
    "We observed forty galaxies. Dust hides young stars in spirals. "
    "Maser discs weigh black holes. The survey took three years."
)


def test_what_is_asked_comes_right_after_the_title():
    found = focus("the weight of a black hole from masers", "Nearby galaxies", TEXT)
    assert found.startswith("Nearby galaxies Maser discs weigh black holes. We observed")


def test_endings_do_not_matter_and_empty_words_do_not_count():
    assert topics("Observed observations") == topics("observing")
    assert topics("which of these have been with us") == set()


def test_a_query_without_topics_leaves_the_order():
    assert focus("of the", "Title", TEXT) == f"Title {TEXT}"


def test_equal_shares_keep_their_order():
    assert focus("galaxies", "", "One galaxy here now. Two galaxies here now.").startswith("One")


def test_a_short_sentence_goes_before_a_long_one_that_shares_as_much():
    long = (
        "Galaxies were then, as far as anybody could tell from plates, counted by hand for years."
    )
    assert focus("galaxies", "", f"{long} Galaxies rotate.").startswith("Galaxies rotate.")


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=200))
def test_no_word_is_lost(query, title, text):
    assert sorted(focus(query, title, text).split()) == sorted(f"{title} {text}".split())
