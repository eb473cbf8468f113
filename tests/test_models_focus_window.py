"""A cross-encoder that reads the sentences first that share most with the query."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import save_bert
from transformers import AutoTokenizer

from searchkit.cli.hits import what_ran
from searchkit.errors import ModelError
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.focus import focus
from searchkit.models.names import resolve
from searchkit.models.pair_tokens import first_tokens, whole_tokens
from searchkit.models.quiet import quiet
from searchkit.models.serving import Serving, read_serving, write_serving
from searchkit.rerank import rerank
from searchkit.search.api import OpenOptions, build, open_searcher
from searchkit.search.trace import Ledger
from searchkit.types import Doc, Ranking

DOC = Doc("d", "Dust", "The cell is a model of bone. " * 3 + "A galaxy of stars in dust and light.")
QUERY = "light of a galaxy"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A BERT cross-encoder that reads 24 tokens, without settings."""
    from transformers import BertForSequenceClassification

    folder = save_bert(tmp_path_factory.mktemp("window") / "plain", positions=24)
    with quiet():
        model = BertForSequenceClassification.from_pretrained(folder, num_labels=1)
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def focused(plain, tmp_path_factory):
    folder = shutil.copytree(plain, tmp_path_factory.mktemp("window") / "focused")
    write_serving(folder, Serving(window="focus", max_tokens=20, depth=7, scale="raw"))
    return folder


@pytest.fixture(scope="module")
def scorer(focused):
    return open_cross_encoder(str(focused))


def test_the_settings_of_a_folder_are_in_force(focused, plain):
    spec = resolve(str(focused), "cross-encoder")
    assert (spec.window, spec.max_tokens) == ("focus", 20)
    assert spec.serving.rerank == {"depth": 7, "scale": "raw"}
    assert resolve(str(plain), "cross-encoder").window == "head"
    head = open_cross_encoder(str(focused), options=CrossEncoderOptions(window="head"))
    assert (head.window, head.max_tokens) == ("head", 20)


def test_a_window_is_part_of_the_fingerprint_and_a_depth_is_not(scorer, focused, tmp_path):
    folder = shutil.copytree(focused, tmp_path / "copy")
    write_serving(folder, Serving(window="focus", max_tokens=20, depth=50))
    assert open_cross_encoder(str(folder)).fingerprint == scorer.fingerprint
    write_serving(folder, Serving(max_tokens=20))
    assert open_cross_encoder(str(folder)).fingerprint != scorer.fingerprint


def test_the_passage_is_the_title_and_the_focused_text(scorer, plain):
    assert scorer.passage(QUERY, DOC) == focus(QUERY, DOC.title, DOC.text)
    assert scorer.passage(QUERY, DOC).startswith("Dust A galaxy of stars")
    assert open_cross_encoder(str(plain)).passage(QUERY, DOC) == f"Dust {DOC.text}"
    template = CrossEncoderOptions(template="{title} [SEP] {text}")
    written = open_cross_encoder(str(scorer.folder), options=template).passage(QUERY, DOC)
    assert written.startswith("Dust [SEP] A galaxy of stars")


def test_what_matters_is_read_although_it_stands_beyond_the_limit(scorer, focused):
    other = Doc("e", DOC.title, DOC.text.replace("galaxy of stars", "metal of glass"))
    head = open_cross_encoder(str(focused), options=CrossEncoderOptions(window="head"))

    def scores(reader):
        return reader.score(QUERY, [reader.passage(QUERY, doc) for doc in (DOC, other)])

    assert scores(head)[0] == scores(head)[1]
    assert scores(scorer)[0] != scores(scorer)[1]


def test_a_focused_score_does_not_depend_on_its_batch_mates(scorer):
    docs = [DOC, Doc("e", "", "Bone."), Doc("f", "Glass", "A cell. " * 30 + "Light of stars.")]
    passages = [scorer.passage(QUERY, doc) for doc in docs]
    together = scorer.score(QUERY, passages)
    alone = [scorer.score(QUERY, [passage])[0] for passage in passages]
    assert together == pytest.approx(alone, abs=1e-5)
    head = Ranking.top(np.arange(3), np.ones(3, np.float32), 3)
    [found] = rerank([QUERY], [head], scorer, docs)
    assert dict(found) == pytest.approx(dict(enumerate(alone)), abs=1e-5)


@settings(max_examples=80)
@given(st.lists(st.text() | st.sampled_from(["dust \x00 \x1f stars"]), max_size=4), st.data())
def test_the_first_tokens_are_the_first_of_all(scorer, texts, data):
    texts = [" ".join([text, *data.draw(st.lists(st.sampled_from(WORDS)))]) for text in texts]
    n = data.draw(st.integers(1, 12))
    for first, whole in zip(
        first_tokens(scorer.core, texts, n), whole_tokens(scorer.core, texts), strict=True
    ):
        assert first == whole[: len(first)]
        assert len(first) >= min(n, len(whole))


WORDS = ["stars", "galaxies-42", "\x00", "", "é", "漢字", "\u0301dust", "[SEP]"]


def test_the_footer_says_which_window_was_read_and_the_ledger_what_was_not(focused, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(json.dumps({"id": "d", "title": DOC.title, "text": DOC.text}) + "\n")
    build(corpus, out=tmp_path / "index", encoders=[])
    with open_searcher(tmp_path / "index", options=OpenOptions(reranker=str(focused))) as searcher:
        answer = searcher.answer(QUERY, explain=True)
        assert "the sentences first that share most with the query, 20 tokens" in what_ran(
            answer, searcher.stages
        )
        reader = searcher.stages.scorer.get()
        tokenizer = AutoTokenizer.from_pretrained(focused)
        whole = len(tokenizer(QUERY, f"{DOC.title} {DOC.text}")["input_ids"])
        assert answer.hits[0].trace.truncated == {reader.name: whole - 20}
        assert Ledger(searcher.index, searcher.stages).truncated(QUERY, 0, DOC) == {
            reader.name: whole - 20
        }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read"),
        ("[]", "must hold one JSON object"),
        ('{"windw": "focus"}', "no setting 'windw'. Did you mean 'window'"),
        ('{"window": "tail"}', "window cannot be 'tail'"),
        ('{"max_tokens": "64"}', "max_tokens cannot be '64'"),
        ('{"interpolation": 2}', "interpolation cannot be 2"),
        ('{"after": ["dense"]}', "after cannot be"),
        ('{"scale": true}', "scale cannot be True"),
        ('{"bound": 0}', "bound cannot be 0"),
    ],
)
def test_wrong_settings_are_one_sentence(plain, tmp_path, text, why):
    folder = shutil.copytree(plain, tmp_path / "model")
    (folder / "searchkit.json").write_text(text)
    with pytest.raises(ModelError, match=why.replace("?", r"\?")) as refusal:
        open_cross_encoder(str(folder))
    assert "\n" not in str(refusal.value)


def test_settings_survive_their_file(tmp_path):
    assert read_serving(tmp_path) == Serving()
    serving = Serving(window="focus", interpolation=0.0, after=("fused",), template="{text}")
    write_serving(tmp_path, serving)
    assert read_serving(tmp_path) == serving
