import subprocess
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from searchkit.analyze.analyzer import GrowingVocabulary, TextAnalyzer, analyzer_names, cut
from searchkit.analyze.scientific import strip_markers
from searchkit.analyze.strings import booleans, int64s, large_strings, numbers, truths
from searchkit.errors import ConfigError

ENGLISH = TextAnalyzer.named("english")
PLAIN = TextAnalyzer.named("plain")

SAME = [  # spellings of one thing, and the terms they all become under `plain`
    (["$\\Lambda$CDM", "ΛCDM", "LambdaCDM", "Lambda-CDM", "\\Lambda CDM"], "lambda cdm"),
    (["H_0", "$H_0$", "$H_{0}$", "H₀", "H0", "h0"], "h0"),
    (["TiO$_2$", "TiO2", "TiO_2", "TiO₂", "TiO-2"], "tio 2"),
    (["SARS-CoV-2", "SARS-CoV2", "SARS CoV 2", "sars\u2010cov\u20112"], "sars cov 2"),
    (["NGC 4258", "NGC4258", "NGC-4258", "(NGC 4258)"], "ngc 4258"),
    (["TGF-β1", "TGFβ1", "TGFbeta1", "TGF-beta 1", "TGF-$\\beta_1$"], "tgf beta 1"),
    (["H$\\alpha$", "Hα", "H-alpha", "Halpha", "H\\alpha"], "h alpha"),
    (["α-synuclein", "alpha-synuclein", "$\\alpha$-Synuclein"], "alpha synuclein"),
    (["p53", "P53", "(p53)", "p53,"], "p53"),
    (["IL-6", "IL6", "IL 6"], "il 6"),
    (["1,000", "1000"], "1000"),
    (["0.05", "0.05,", "(0.05)"], "0.05"),
    (["Alzheimer's", "Alzheimer’s", "alzheimer"], "alzheimer"),
    (["Poincaré", "Poincare", "Poincar\u0065\u0301"], "poincare"),
    (["[MATH_tex=z \\sim 2]", "[ MATH _ tex = z \\sim 2 ]", "$z \\sim 2$", "z 2"], "z 2"),
    (["gas <CIT> flows", "gas \\citep{Curie et al. 1903; Bell} flows", "gas flows"], "gas flows"),
    (["co-authored", "co authored"], "co authored"),
    (["max_pool", "max pool", "max-pool"], "max pool"),
    (["dark~matter", "dark matter", "dark\u00a0matter", "dark\u2009matter"], "dark matter"),
    (["\ufb01lament", "filament", "fila\u00adment"], "filament"),
    (["Ελλάδα"], "ελλαδα"),
    (["\\textit{in vitro}", "in vitro"], "in vitro"),
    (["5\\%", "5%", "5 %"], "5"),
    (["", " ", "...", "$", "\\", "{}", "\x1f", "\x00"], ""),
]


@pytest.mark.parametrize(("spellings", "terms"), SAME, ids=[terms for _, terms in SAME])
def test_spellings_of_one_thing_meet(spellings, terms):
    assert {" ".join(PLAIN.terms(text)) for text in spellings} == {terms}


@given(st.lists(st.text(max_size=60), max_size=8))
def test_a_text_has_the_same_terms_alone_and_in_a_batch(texts):
    starts, ids, vocabulary = ENGLISH.runs(pa.array(texts, type=pa.large_string()))
    batch = [[vocabulary[i] for i in ids[a:b]] for a, b in pairwise(starts)]
    assert batch == [ENGLISH.terms(text) for text in texts]


ascii_text = st.text(st.characters(max_codepoint=127), max_size=40) | st.lists(
    st.sampled_from(
        "Galphas betaX AB-alpha x's 1,000 0.5 H_0 $z$ \\Lambda \\citep{a} <i> ##ing [MATH_tex= "
        "a\x1fb IL6 \x1c the".split(" ")
    ),
    max_size=8,
).map(" ".join)


@given(ascii_text, st.sampled_from(["english", "plain", "arabic", "french"]))
def test_a_short_query_has_the_terms_that_a_long_document_has(text, name):
    analyzer = TextAnalyzer.named(name)
    filler = " ".join(["graph"] * 200)  # long enough for the way of documents
    assert analyzer.terms(text) + analyzer.terms(filler) == analyzer.terms(f"{text} {filler}")


@given(st.lists(st.lists(st.sampled_from("graph IL-6 the neural 0.5 ΛCDM".split()), max_size=5)))
def test_a_vocabulary_that_grows_by_batches_gives_the_terms_of_each(batches):
    growing = GrowingVocabulary(ENGLISH)
    for batch in batches:
        starts, ids = growing.add(cut(pa.array([" ".join(batch)], type=pa.large_string())))
        assert starts.tolist() == [0, len(ids)]
        assert [growing.terms[i] for i in ids] == ENGLISH.terms(" ".join(batch))


def test_english_stems_and_drops_function_words():
    assert ENGLISH.terms("The galaxies were observed with telescopes") == [
        *Stemmer.Stemmer("english").stemWords(["galaxies", "observed", "telescopes"])
    ]


def test_arabic_spellings_meet():
    arabic = TextAnalyzer.named("arabic")
    assert arabic.terms("المَدْرَسَةُ") == arabic.terms("المدرسة") == arabic.terms("المـــدرسه")
    assert arabic.terms("أحمد") == arabic.terms("احمد")
    assert arabic.terms("٢٠١٨") == ["2018"]
    assert arabic.terms("في إلى من") == []


@pytest.mark.parametrize("name", analyzer_names())
def test_every_language_comes_back_from_its_config(name):
    analyzer = TextAnalyzer.named(name)
    again = TextAnalyzer.from_config(analyzer.config)
    text = "Searching 3 galaxies, naïve Häuser, les étoiles, исследования"
    assert again.terms(text) == analyzer.terms(text)
    assert len(analyzer.terms(text)) >= 4


def test_an_unknown_analyzer_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'english'"):
        TextAnalyzer.named("englich")


def test_long_words_are_cut_alike_on_both_sides():
    word = "ACGT" * 100
    assert PLAIN.terms(word) == PLAIN.terms(word + "TTTT") == [word[:64].lower()]
    assert len(PLAIN.terms("é" * 100)[0].encode()) <= 64


def test_no_text_gives_no_runs():
    starts, ids, vocabulary = ENGLISH.runs(pa.array([], type=pa.large_string()))
    assert starts.tolist() == [0]
    assert ids.dtype == np.int32
    assert (len(ids), vocabulary) == (0, [])


@given(st.lists(st.text(alphabet="a #<b/>\\cite{}MATH", max_size=12), max_size=8), st.data())
def test_markers_of_one_text_do_not_touch_another(texts, data):
    first = data.draw(st.integers(0, len(texts)))
    whole = pa.array(texts, pa.large_string())[first:]
    alone = [strip_markers(pa.array([text], pa.large_string()))[0].as_py() for text in texts]
    assert strip_markers(whole).to_pylist() == alone[first:]


def test_a_search_of_plain_text_does_not_import_pandas():
    code = (
        "import sys\n"
        "from searchkit.analyze.analyzer import TextAnalyzer\n"
        "from searchkit.analyze.strings import large_strings\n"
        "english = TextAnalyzer.named('english')\n"
        "english.runs(large_strings(['stellar winds', 'H$\\\\alpha$ of 3C 273 <b>é</b>'] * 9))\n"
        "print('pandas' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=5)))
def test_strings_made_of_bytes_are_those_of_arrow(texts):
    made = large_strings(texts)
    made.validate(full=True)
    assert made.equals(pa.array(texts, pa.large_string()))
    held = np.array([text is not None for text in texts], np.bool_)
    assert truths(booleans(held)).tolist() == held.tolist()
    assert truths(made.is_valid()[1:]).tolist() == held[1:].tolist()
    sizes = int64s(np.arange(len(texts)))
    assert numbers(sizes[1:]).tolist() == list(range(1, len(texts)))
