"""Adapting to a made-up corpus whose queries share no word with their documents, only letters.

BM25 can only guess there, while vectors of pieces of words find most of them: what passes the gate
and what does not is known beforehand.
"""

import json
import random

import pytest
from tiny_models import save_bert, save_encoder

import searchkit
from searchkit.errors import ConfigError, CorpusError
from searchkit.index import generation as generations
from searchkit.index.build import BuildConfig, build_index
from searchkit.index.index import Index
from searchkit.models.sentences import split_sentences
from searchkit.train.cloze import KINDS, plain
from searchkit.tune.adapt import AdaptOptions, adapt
from searchkit.tune.adapt_model import Voice
from searchkit.tune.adapt_report import AdaptReport
from searchkit.tune.attempts import read_attempts
from searchkit.tune.known_items import build_known_items
from searchkit.tune.material import GatherOptions, gather
from searchkit.types import Doc

DRAW = random.Random(3)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
STEPS = ("max_steps=3", "max_tokens=48", "batch_size=4")


def paper(n):
    """Its roots come with another first letter in the title and in each sentence."""
    roots = ["".join(DRAW.choices(LETTERS, k=5)) for _ in range(4)]
    lines = [
        f"Galaxy {' '.join(letter + root for root in (*roots, *roots[::-1]))} light."
        for letter in "bdfh"
    ]
    title = f"Galaxy {' '.join('x' + root for root in roots)}"
    return Doc(f"d{n}", title, " ".join(lines), {"year": 1980 + n % 30})


DOCS = [paper(n) for n in range(60)]
GATHER = GatherOptions(n_queries=24, n_held_out=30, share=0.5)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("bases")
    return str(save_encoder(root / "encoder", max_tokens=64)), str(save_bert(root / "bert"))


@pytest.fixture
def index(tmp_path):
    build_index(tmp_path / "x", DOCS, BuildConfig())
    return tmp_path / "x"


@pytest.fixture
def opened(index):
    with Index.open(index) as held:
        yield held


def every_byte(index, *, but=("lock", "attempts.jsonl")):
    return {
        str(path.relative_to(index)): path.read_bytes()
        for path in sorted(index.rglob("*"))
        if path.is_file() and path.name not in but
    }


def test_no_document_trains_and_measures(opened):
    made = gather(opened, [], GATHER)
    held = {one.doc_id for one in made.held_out}
    assert len(made.split.held_out) == 30
    assert held == set(made.split.held_out)
    assert not held & {one.doc_id for one in made.train}
    assert made.split.by == "year"
    years = {doc.id: doc.meta["year"] for doc in DOCS}
    assert min(years[id_] for id_ in held) >= max(years[one.doc_id] for one in made.train)
    assert len(made.held_out) == 30  # one query each
    assert {one.kind for one in made.held_out} == {"title", "sentence"}
    assert made.to_dict()["training_queries"] == made.by_kind(made.train)
    assert sum(made.by_kind(made.train).values()) == 24


def test_citations_of_held_out_papers_measure_and_the_others_train(opened):
    citations = [(f"d{n}", f"d{(n + 7) % 60}") for n in range(60)]
    made = gather(opened, citations, GATHER)
    for one in made.train:
        if one.kind == "citation":
            assert not {one.query_id, one.doc_id} & made.split.held_out
    asking = {one.query_id for one in made.held_out if one.kind == "citation"}
    assert asking
    assert asking <= made.split.held_out
    assert not asking & {one.doc_id for one in made.held_out}
    assert list(made.by_kind(made.train)) == list(KINDS)


def test_what_is_asked_stands_nowhere_in_the_index_that_is_measured(opened, tmp_path):
    citations = [(f"d{n}", f"d{(n + 7) % 60}") for n in range(60)]
    made = gather(opened, citations, GATHER)
    pipeline = searchkit.search.pipeline.factory([])
    items = build_known_items(
        tmp_path / "known",
        opened,
        made,
        dense=[],
        pipeline=pipeline,
        watch=lambda phase: lambda done, total: None,
    )
    asking = {one.query_id for one in made.held_out if one.kind == "citation"}
    with Index.open(items.path) as small:
        docs = {doc.id: doc for doc in small}
    assert docs.keys() == {doc.id for doc in DOCS} - asking
    assert items.n_docs == len(docs)
    for query in items.queries:
        assert items.qrels[query.id].keys() <= docs.keys()
        if query.id not in asking:
            whole = " ".join(plain(f"{doc.title} {doc.text}") for doc in docs.values())
            assert plain(query.text) not in whole
    untitled = [doc for doc in docs.values() if not doc.title]
    assert 0.25 < len(untitled) / len(docs) < 0.75
    assert {len(split_sentences(doc.text)) for doc in docs.values() if doc.title} <= {3, 4}
    assert sum(map(len, items.kinds.values())) == len(items.queries)


def test_a_corpus_without_queries_is_refused(tmp_path):
    docs = [Doc(f"d{n}", "", "Too short.") for n in range(20)]
    build_index(tmp_path / "x", docs, BuildConfig())
    with Index.open(tmp_path / "x") as held, pytest.raises(CorpusError, match="give no query"):
        gather(held, [], GATHER)


@pytest.fixture(scope="module")
def adapted(models, tmp_path_factory):
    """Both families on a lexical index, the encoder named."""
    folder = tmp_path_factory.mktemp("adapted")
    build_index(folder / "x", DOCS, BuildConfig())
    encoder, bert = models
    said = []
    options = AdaptOptions(encoder=encoder, base=bert, settings=STEPS, gather=GATHER)
    voice = Voice(tell=said.append)
    return folder, adapt(folder / "x", folder / "out", options, voice=voice), said, options


def test_what_passes_the_gate_is_in_force_and_what_does_not_is_not(adapted):
    folder, report, _, _ = adapted
    encoder, reranker = report.models
    assert [one.family for one in report.models] == ["bi-encoder", "cross-encoder"]
    assert encoder.switched_on
    assert encoder.ndcg[1] > encoder.ndcg[0] + 0.1
    assert encoder.recall[1] >= encoder.recall[0]
    assert reranker.recall[0] == reranker.recall[1] == encoder.recall[1]
    assert reranker.ndcg[0] == pytest.approx(encoder.ndcg[1], abs=0.1)  # it is measured on top
    live = generations.read(folder / "x")
    assert live.number == 2
    assert live.pipeline["encoders"] == [str(folder / "out" / "bi-encoder")]
    used = str(folder / "out" / "cross-encoder") if reranker.switched_on else None
    assert live.pipeline["reranker"] == used
    with searchkit.open(folder / "x") as searcher:
        assert searcher.search("galaxy light", stage="fused")
        assert searcher.pipeline.why == report.pipeline
        assert "was promoted" in report.pipeline
    assert len(read_attempts(folder / "x")) == 2


def test_the_report_says_what_was_made_and_measured(adapted):
    folder, report, said, _ = adapted
    kept = json.loads((folder / "out" / "adapt.json").read_text())
    assert AdaptReport.from_dict(kept) == report
    assert "Known-item" in kept["measured"]
    assert len(said) == 2
    assert all("3 steps" in line and "here: about" in line for line in said)
    lines = "\n".join(report.lines())
    for word in ("title", "sentence", "nDCG@10", "R@100", "loss", "by year"):
        assert word in lines
    for one in report.models:
        assert one.n_triplets == one.mining["n_triplets"] > 0
        assert (folder / "out" / one.family / "README.md").is_file()
    assert not (folder / "out" / "held-out").exists()


def test_a_finished_run_is_reported_again_and_another_one_is_refused(adapted):
    folder, report, _, options = adapted
    before = every_byte(folder / "x")
    assert adapt(folder / "x", folder / "out", options, resume=True) == report
    assert every_byte(folder / "x") == before
    with pytest.raises(ConfigError, match="is not empty"):
        adapt(folder / "x", folder / "out", options)
    with pytest.raises(ConfigError, match="no run to go on with"):
        adapt(folder / "x", folder / "nothing", options, resume=True)
    other = AdaptOptions(encoder=options.encoder, settings=STEPS, gather=GATHER)
    with pytest.raises(ConfigError, match="another one: base changed"):
        adapt(folder / "x", folder / "out", other, resume=True)


def easy(n):
    """BM25 finds it by any of its words, so that nobody can do better."""
    words = [f"word{n}{letter}" for letter in LETTERS[:9]]
    lines = [f"{letter.upper()} {' '.join(words)}." for letter in LETTERS[:4]]
    return Doc(f"d{n}", f"Galaxy light {words[0]}", " Galaxy light. ".join(lines))


def test_a_refused_model_leaves_the_index_alone(models, tmp_path):
    index = tmp_path / "x"
    build_index(index, [easy(n) for n in range(60)], BuildConfig())
    before = every_byte(index)
    options = AdaptOptions(base=models[1], settings=STEPS, gather=GATHER)
    report = adapt(index, tmp_path / "out", options)
    [reranker] = report.models  # an index without vectors has no encoder to adapt
    assert reranker.ndcg[0] == 1
    assert not reranker.switched_on
    assert every_byte(index) == before
    [attempt] = read_attempts(index)
    assert not attempt.passed
    assert report.pipeline == "BM25 alone, because the index holds no vectors."


def test_a_stopped_run_goes_on_to_the_same_models(models, tmp_path):
    class Stop(Exception): ...

    def voice(stop):
        def watch(phase):
            def progress(done, total):
                if stop and phase == "train the cross-encoder" and done == 2:
                    raise Stop

            return progress

        return Voice(watch=watch)

    found = {}
    options = AdaptOptions(only="cross-encoder", base=models[1], settings=STEPS, gather=GATHER)
    for name in ("whole", "stopped"):
        build_index(tmp_path / name / "x", DOCS, BuildConfig())
        arguments = (tmp_path / name / "x", tmp_path / name / "out", options)
        if name == "stopped":
            with pytest.raises(Stop):
                adapt(*arguments, voice=voice(stop=True))
        adapt(*arguments, resume=name == "stopped", voice=voice(stop=False))
        [model] = (tmp_path / name / "out").glob("cross-encoder/model.safetensors")
        report = (tmp_path / name / "out" / "adapt.json").read_text()
        found[name] = (model.read_bytes(), report.replace(f"/{name}/", "/"))
    assert found["whole"] == found["stopped"]


def test_without_vectors_a_bi_encoder_needs_a_name(index, tmp_path):
    with pytest.raises(ConfigError, match="Name one: --encoder"):
        adapt(index, tmp_path / "out", AdaptOptions(only="bi-encoder", gather=GATHER))
    assert not (tmp_path / "out").exists()
