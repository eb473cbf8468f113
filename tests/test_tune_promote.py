"""Judgements are what one random cross-encoder says, so that it is known to be the good one."""

import json
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import WORDS, save_cross_encoder, save_encoder

import searchkit
from searchkit.errors import (
    ConfigError,
    CorpusError,
    DamagedIndex,
    ModelError,
    ModelMismatch,
    StorageError,
)
from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.fuse import Fusion
from searchkit.index import generation as generations
from searchkit.index.index import Index
from searchkit.index.lock import writing
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.rerank import RerankOptions
from searchkit.search.pipeline import Pipeline, factory
from searchkit.tune.attempts import read_attempts
from searchkit.tune.candidates import advice, with_encoder, with_reranker
from searchkit.tune.measure import measure
from searchkit.tune.promote import PromoteOptions, promote
from searchkit.types import Query

TERMS = WORDS.split()
DRAW = random.Random(6)
QUERIES = [Query(f"q{n:02d}", " ".join(DRAW.sample(TERMS, 4))) for n in range(36)]
TEXTS = [query.text for query in QUERIES]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        name: str(save_cross_encoder(root / name, seed=seed))
        for seed, name in enumerate(("good", "bad"))
    }


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    return [str(save_encoder(root / name, seed=seed)) for seed, name in enumerate(("one", "two"))]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    rows = [{"_id": f"d{n}", "text": " ".join(DRAW.choices(TERMS, k=9))} for n in range(40)]
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def lexical(corpus, models):
    """An index without vectors; of what BM25 finds, what `good` likes best is relevant."""
    folder = corpus.with_name("lexical")
    searchkit.build(corpus, out=folder, encoders=[])
    with searchkit.open(folder, reranker=models["good"]) as searcher:
        found = searcher.rank(TEXTS, 1)
    return folder, {query.id: {hits[0][0]: 1} for query, hits in zip(QUERIES, found, strict=True)}


@pytest.fixture
def judged(lexical, tmp_path):
    return Path(shutil.copytree(lexical[0], tmp_path / "index")), lexical[1]


@pytest.fixture(scope="module")
def dense(corpus, encoders):
    """An index of two encoders; what the first finds best is relevant."""
    folder = corpus.with_name("dense")
    searchkit.build(corpus, out=folder, encoders=encoders)
    with searchkit.open(folder) as searcher:
        found = searcher.rank(TEXTS, 1, stage=encoders[0])
    return folder, {query.id: {hits[0][0]: 1} for query, hits in zip(QUERIES, found, strict=True)}


def ndcg(index, qrels):
    """What the index's own pipeline is worth, by a plain search."""
    with searchkit.open(index) as searcher:
        found = searcher.rank(TEXTS, 10)
    run = {query.id: hits for query, hits in zip(QUERIES, found, strict=True)}
    return evaluate(run, qrels, parse_measures(["nDCG@10"])).mean["nDCG@10"]


def live_bytes(index):
    number = generations.read(index).number
    return (index / "CURRENT").read_bytes(), generations.path_of(index, number).read_bytes()


def test_a_good_model_is_promoted_and_runs(judged, models):
    index, qrels = judged
    before, worth = generations.read(index), ndcg(index, qrels)
    promotion = promote(models["good"], index, QUERIES, qrels)
    assert promotion.written
    assert promotion.verdict.passed
    assert promotion.baseline == pytest.approx(worth)
    live = generations.read(index)
    assert (live.number, live.segments) == (before.number + 1, before.segments)
    kept = Pipeline.from_dict(live.pipeline)
    assert kept == promotion.pipeline
    assert (kept.reranker, kept.rerank.interpolation) == (models["good"], promotion.weight)
    for evidence in (
        "nDCG@10 +",
        "[+",
        "p 0.0",
        "36 queries",
        "attempt 1 on",
        promotion.qrels[:12],
    ):
        assert evidence in kept.why
    assert ndcg(index, qrels) > worth + 0.1
    with searchkit.open(index) as searcher:
        assert searcher.search(TEXTS[0])[0].trace.stages.keys() == {"bm25", "reranked"}


def test_a_random_model_is_refused_and_the_pipeline_stays(judged, models):
    index, qrels = judged
    before = live_bytes(index)
    promotion = promote(models["bad"], index, QUERIES, qrels)
    assert not promotion.written
    assert not promotion.verdict.passed
    assert live_bytes(index) == before
    [attempt] = read_attempts(index)
    assert (attempt.model, attempt.passed, attempt.n_queries) == (models["bad"], False, 36)


def test_what_is_measured_is_what_a_search_ranks(judged, models):
    """The measured column of each weight is what the index gives once it runs that pipeline."""
    index, qrels = judged
    scorer = open_cross_encoder(models["good"])
    with searchkit.open(index) as searcher:
        baseline, candidates = with_reranker(searcher.pipeline, scorer.name, scorer.fingerprint)
        alone = next(one.pipeline for one in candidates if one.weight == 0)
        raw = next(one.pipeline for one in candidates if one.pipeline.rerank.scale == "raw")
        tried = [baseline, candidates[12].pipeline, raw, alone]
        seen = []
        values = measure(
            searcher,
            tried,
            QUERIES,
            qrels,
            scorers={scorer.name: scorer},
            progress=lambda *told: seen.append(told),
        )
        number = searcher.index.generation.number
    assert seen == [(n, 36) for n in range(1, 37)]
    for n, pipeline in enumerate(tried):
        with unchanged(index, number) as live:
            number = switch_pipeline(index, live, pipeline.to_dict()).number
        assert values[:, n].mean() == pytest.approx(ndcg(index, qrels))
    assert values[:, 3].mean() == 1  # the model alone finds what it judged


def test_fused_and_reranked_is_measured_as_it_is_searched(dense, models, tmp_path):
    index, qrels = Path(shutil.copytree(dense[0], tmp_path / "index")), dense[1]
    scorer = open_cross_encoder(models["bad"])
    with searchkit.open(index) as searcher:
        options = RerankOptions(depth=7)
        _, tried = with_reranker(searcher.pipeline, scorer.name, "", options=options)
        tried = [searcher.pipeline, tried[9].pipeline]
        scorers = {scorer.name: scorer, searcher.pipeline.reranker: searcher.stages.scorer.get()}
        values = measure(searcher, tried, QUERIES, qrels, scorers=scorers)
        assert values[:, 0].mean() == pytest.approx(ndcg(index, qrels))
        with unchanged(index, searcher.index.generation.number) as live:
            switch_pipeline(index, live, tried[1].to_dict())
    assert values[:, 1].mean() == pytest.approx(ndcg(index, qrels))


def test_attempts_are_counted_and_repetitions_are_not(judged, models):
    index, qrels = judged
    tried = [PromoteOptions(dry_run=True), PromoteOptions(dry_run=True, seed=1)]
    tried += [PromoteOptions(dry_run=True, depth=5), PromoteOptions(dry_run=True)]
    found = [promote(models["bad"], index, QUERIES, qrels, options=one).verdict for one in tried]
    assert [verdict.n_attempts for verdict in found] == [1, 2, 3, 3]
    assert [verdict.threshold for verdict in found[:3]] == [0.05, 0.05 / 2, 0.05 / 3]
    assert len(read_attempts(index)) == 3
    other = {query: {doc: 2 for doc in docs} for query, docs in qrels.items()}
    verdict = promote(models["bad"], index, QUERIES, other, options=tried[0]).verdict
    assert verdict.n_attempts == 1  # against other judgements
    good = promote(models["good"], index, QUERIES, qrels)
    assert good.verdict.n_attempts == 4
    assert "attempt 4 on" in good.pipeline.why


def test_a_dry_run_passes_and_switches_nothing_on(judged, models):
    index, qrels = judged
    before = live_bytes(index)
    dry = promote(models["good"], index, QUERIES, qrels, options=PromoteOptions(dry_run=True))
    assert (dry.verdict.passed, dry.written) == (True, False)
    assert live_bytes(index) == before
    wet = promote(models["good"], index, list(reversed(QUERIES)), qrels)
    assert (wet.verdict, wet.pipeline) == (dry.verdict, dry.pipeline)
    assert len(read_attempts(index)) == 1


def test_a_model_that_is_in_the_pipeline_is_compared_with_none(judged, models):
    index, qrels = judged
    first = promote(models["good"], index, QUERIES, qrels)
    again = promote(models["good"], index, QUERIES, qrels)
    assert again.verdict == first.verdict
    assert len(read_attempts(index)) == 1


def test_another_reranker_is_compared_with_the_one_that_runs(judged, models):
    index, qrels = judged
    worth = promote(models["good"], index, QUERIES, qrels)
    before = live_bytes(index)
    promotion = promote(models["bad"], index, QUERIES, qrels)
    assert promotion.baseline == pytest.approx(ndcg(index, qrels))
    assert promotion.baseline > worth.baseline
    assert not promotion.written
    assert live_bytes(index) == before


def test_a_subset_that_gets_worse_refuses_a_good_model(judged, models):
    index, qrels = judged
    with searchkit.open(index) as searcher:
        best = [hits[0][0] for hits in searcher.rank(TEXTS, 1)]
    spoiled = {  # what BM25 has on top is relevant: nothing can be better
        query.id: {doc: 1} if n < 6 else qrels[query.id]
        for n, (query, doc) in enumerate(zip(QUERIES, best, strict=True))
    }
    named = {"lexical": [query.id for query in QUERIES[:6]] + ["nobody"]}
    free = promote(models["good"], index, QUERIES, spoiled, options=PromoteOptions(dry_run=True))
    assert free.verdict.passed
    promotion = promote(models["good"], index, QUERIES, spoiled, subsets=named)
    assert not promotion.written
    assert "significantly worse on lexical" in promotion.verdict.why
    assert promotion.outside == {"lexical": 1}


def test_queries_without_judgement_or_text_are_left_out_and_counted(judged, models):
    index, qrels = judged
    asked = [*QUERIES[:20], Query("unjudged", "stars"), Query("nothing", "zzz")]
    judgements = {**qrels, "nothing": {"d1": 1}}
    promotion = promote(models["bad"], index, asked, judgements)
    assert (promotion.n_unjudged, promotion.n_missing) == (1, 16)
    assert promotion.verdict.overall.n_queries == 21  # one of which finds nothing and counts 0


@pytest.mark.parametrize(
    "case",
    [
        (QUERIES, {"other": {"d1": 1}}, CorpusError, "none of its queries is judged"),
        (QUERIES[:1], {"q00": {"d1": 1}}, ConfigError, "at least 2 judged queries"),
    ],
)
def test_judgements_that_say_nothing_are_refused(judged, models, case):
    queries, qrels, error, said = case
    with pytest.raises(error, match=said):
        promote(models["good"], judged[0], queries, qrels)
    assert read_attempts(judged[0]) == []


def test_a_subset_of_other_queries_is_refused(judged, models):
    with pytest.raises(ConfigError, match="the subset arabic has none of the judged queries"):
        promote(models["good"], *judged[:1], QUERIES, judged[1], subsets={"arabic": ["a1"]})


def test_an_index_that_is_written_or_damaged_is_known_before_the_work(judged, models):
    index, qrels = judged

    def never(phase):
        raise AssertionError(phase)

    with writing(index), pytest.raises(StorageError, match="is being written by"):
        promote(models["good"], index, QUERIES, qrels, watch=never)
    (index / "attempts.jsonl").write_text("{}\n")
    with pytest.raises(DamagedIndex, match="line 1 is no attempt"):
        promote(models["good"], index, QUERIES, qrels, watch=never)


def test_an_index_that_changes_meanwhile_is_left_alone(judged, models):
    index, qrels = judged

    def change(done, total):
        if done == 3:
            with unchanged(index, 1) as live:
                switch_pipeline(index, live, factory([]).to_dict())

    with pytest.raises(StorageError, match="was written meanwhile"):
        promote(models["good"], index, QUERIES, qrels, watch=lambda phase: change)
    assert generations.read(index).number == 2
    assert read_attempts(index) == []


def test_an_open_reader_keeps_the_pipeline_it_opened(judged, models):
    index, qrels = judged
    with Index.open(index) as reader:
        promote(models["good"], index, QUERIES, qrels)
        assert reader.generation.pipeline is None
        assert generations.path_of(index, 1).is_file()
        assert reader[0].id == "d0"
    assert generations.read(index).number == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from searchkit.index.switch import switch_pipeline, unchanged
def kill(event, given):
    if event == "open" and str(given[0]).endswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
index = Path(sys.argv[1])
with unchanged(index, 1) as live:
    switch_pipeline(index, live, {"why": "killed"})
"""


@pytest.mark.parametrize("at", ["000002.json.draft", ".CURRENT.draft"])
def test_a_kill_between_draft_and_commit_leaves_the_old_pipeline(judged, models, at):
    index, qrels = judged
    before = live_bytes(index)
    command = [sys.executable, "-c", KILLED, str(index), at]
    run = subprocess.run(command, check=False, capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert live_bytes(index) == before
    assert generations.read(index).pipeline is None
    assert promote(models["good"], index, QUERIES, qrels).written
    assert len(list((index / "generations").glob("*.json"))) == 1


def test_a_promoted_model_that_is_gone_or_another_is_refused_with_the_cure(
    judged, models, tmp_path
):
    index, qrels = judged
    folder = Path(shutil.copytree(models["good"], tmp_path / "mine"))
    assert promote(str(folder), index, QUERIES, qrels).written
    folder.rename(tmp_path / "away")
    with (
        searchkit.open(index) as searcher,
        pytest.raises(ModelError, match=r"mine, which was promoted into .* is not there\. Bring"),
    ):
        searcher.search("star")
    shutil.copytree(models["bad"], folder)
    with (
        searchkit.open(index) as searcher,
        pytest.raises(ModelMismatch, match="is not what was promoted into"),
    ):
        searcher.search("star")
    with searchkit.open(index, reranker=None) as searcher:
        assert searcher.search("star")
    with searchkit.open(index, reranker=str(folder)) as searcher:  # asked for by name
        assert searcher.search("star")


def test_an_encoder_that_the_index_holds_is_promoted_into_the_fusion(dense, encoders, tmp_path):
    index, qrels = Path(shutil.copytree(dense[0], tmp_path / "index")), dense[1]
    only_two = factory(encoders[1:]).to_dict()
    with unchanged(index, 1) as live:
        switch_pipeline(index, live, only_two)
    worth = ndcg(index, qrels)
    promotion = promote(encoders[0], index, QUERIES, qrels)
    assert promotion.baseline == pytest.approx(worth)
    assert promotion.written
    kept = Pipeline.from_dict(generations.read(index).pipeline)
    assert kept.encoders == (encoders[1], encoders[0])
    weights = kept.fusion.weights
    assert weights[encoders[0]] == promotion.weight
    assert weights["bm25"] == weights[encoders[1]]  # as they were among each other
    assert sum(weights.values()) == pytest.approx(1)
    assert ndcg(index, qrels) > worth
    again = promote(encoders[0], index, QUERIES, qrels)
    assert again.verdict == promotion.verdict
    assert len(read_attempts(index)) == 1


def test_an_encoder_without_vectors_is_refused_with_the_cure(judged, encoders):
    index, qrels = judged
    cure = rf"no vectors of {encoders[0]}.*searchkit encoder add {index} {encoders[0]}"
    with pytest.raises(ConfigError, match=cure):
        promote(encoders[0], index, QUERIES, qrels)
    with pytest.raises(ConfigError, match="no vectors of minilm"):
        promote("minilm", index, QUERIES, qrels)


def test_a_depth_means_nothing_to_an_encoder(dense, encoders):
    with pytest.raises(ConfigError, match="the depth has no effect"):
        promote(encoders[0], *dense[:1], QUERIES, dense[1], options=PromoteOptions(depth=9))


def test_without_an_encoder_the_others_keep_their_proportions():
    fusion = Fusion(kind="convex", weights={"bm25": 0.2, "a": 0.3, "b": 0.5})
    pipeline = replace(factory(["a", "b"]), fusion=fusion)
    baseline, candidates = with_encoder(pipeline, "b", is_factory=False)
    assert baseline.encoders == ("a",)
    assert baseline.fusion.weights == pytest.approx({"bm25": 0.4, "a": 0.6})
    half = next(one for one in candidates if one.weight == 0.5).pipeline
    assert half.fusion.weights == pytest.approx({"bm25": 0.2, "a": 0.3, "b": 0.5})
    alone, _ = with_encoder(factory(["a"]), "a", is_factory=True)
    assert (alone.encoders, alone.fusion) == ((), Fusion())
    fresh, tried = with_encoder(factory([]), "a", is_factory=False)
    assert fresh == factory([])
    assert tried[0].pipeline.fusion.kind == "convex"
    only = replace(factory(["a"]), fusion=Fusion(weights={"bm25": 0.0, "a": 1.0}))
    with pytest.raises(ConfigError, match="all that weighs"):
        with_encoder(only, "a", is_factory=False)


def test_what_a_model_advises_is_tried_first(models, tmp_path):
    folder = Path(shutil.copytree(models["bad"], tmp_path / "mine"))
    said = {"depth": 30, "interpolation": 0.83, "scale": "raw"}
    (folder / "searchkit.json").write_text(json.dumps(said))
    pipeline = factory([])
    advised = advice(str(folder), pipeline.rerank, depth=None)
    assert advised == RerankOptions(**said)
    assert advice(str(folder), pipeline.rerank, depth=5).depth == 5
    assert advice(models["bad"], RerankOptions(depth=40), depth=None) == RerankOptions(depth=40)
    _, candidates = with_reranker(pipeline, "mine", "f", options=advised)
    assert candidates[0].pipeline.rerank == advised
    assert {one.pipeline.rerank.depth for one in candidates} == {30}
    weights = [(one.weight, one.pipeline.rerank.scale) for one in candidates]
    assert len(set(weights)) == len(weights)
    assert {scale for _, scale in weights} == {"raw", "min-max"}
