import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.models.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        (" \n ", []),
        ("Dust scatters light", ["Dust scatters light"]),
        ("Dust scatters. Gas does not! Why?", ["Dust scatters.", "Gas does not!", "Why?"]),
        ("As Lee et al. Found, it cools.", ["As Lee et al. Found, it cools."]),
        ("See Fig. 3 and Eq. 2. We agree.", ["See Fig. 3 and Eq. 2.", "We agree."]),
        ("E. coli grows. B. subtilis too.", ["E. coli grows.", "B. subtilis too."]),
        ("It rose to 3.5 mm. then fell.", ["It rose to 3.5 mm. then fell."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("We measure it (twice). $H_0$ is 70.", ["We measure it (twice).", "$H_0$ is 70."]),
        ("the gas cools . we see it .", ["the gas cools .", "we see it ."]),
        ("ما هو الضوء؟ هو موجة.", ["ما هو الضوء؟", "هو موجة."]),
        ("One.\n\nTwo.", ["One.", "Two."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, sentences):
    assert split_sentences(text) == sentences


@given(st.text(alphabet=' \n.!?")(aBé$1[', max_size=80))
def test_no_character_but_white_space_is_lost(text):
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)
