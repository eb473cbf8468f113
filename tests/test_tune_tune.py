"""Corpora are made so that it is known which setting is right, or that none is."""

import json
import random
import shutil
from pathlib import Path

import pytest
from tiny_models import WORDS, save_cross_encoder, save_encoder

import searchkit
from searchkit.errors import ConfigError, CorpusError, StorageError
from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.index import generation as generations
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.search.pipeline import Pipeline, factory
from searchkit.tune.attempts import read_attempts
from searchkit.tune.stopwatch import Costs, parts_of
from searchkit.tune.tune import TuneOptions, tune
from searchkit.types import Query

TERMS = WORDS.split()
DRAW = random.Random(11)
TOPICS = [f"topic{n}" for n in range(30)]
QUERIES = [Query(f"q{n:02d}", topic) for n, topic in enumerate(TOPICS)]
MIXED = [Query(f"q{n:02d}", " ".join(DRAW.sample(TERMS, 4))) for n in range(36)]


def build(folder, rows, encoders=()):
    corpus = folder.with_name(f"{folder.name}.jsonl")
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    searchkit.build(corpus, out=folder, encoders=list(encoders))
    return folder


@pytest.fixture(scope="module")
def titled_index(tmp_path_factory):
    """Of each topic one paper is about it by its title; another names it more often, in passing."""
    rows = []
    for n, topic in enumerate(TOPICS):
        rows.append({"_id": f"about{n}", "title": topic, "text": "stars and dust in a galaxy"})
        rows.append({"_id": f"aside{n}", "title": "dust", "text": f"stars {topic} and {topic} in"})
    return build(tmp_path_factory.mktemp("titled") / "index", rows)


@pytest.fixture
def titled(titled_index, tmp_path):
    qrels = {query.id: {f"about{n}": 1} for n, query in enumerate(QUERIES)}
    return Path(shutil.copytree(titled_index, tmp_path / "index")), qrels


@pytest.fixture(scope="module")
def mixed_rows():
    titles = [" ".join(DRAW.choices(TERMS, k=3)) for _ in range(40)]
    texts = [" ".join(DRAW.choices(TERMS, k=n % 11 + 4)) for n in range(40)]
    return [
        {"_id": f"d{n}", "title": title, "text": text}
        for n, (title, text) in enumerate(zip(titles, texts, strict=True))
    ]


@pytest.fixture(scope="module")
def mixed_index(mixed_rows, tmp_path_factory):
    return build(tmp_path_factory.mktemp("mixed") / "index", mixed_rows)


@pytest.fixture
def mixed(mixed_index, tmp_path):
    """Judgements at random: there is nothing to find."""
    draw = random.Random(3)
    qrels = {query.id: {f"d{draw.randrange(40)}": 1} for query in MIXED}
    return Path(shutil.copytree(mixed_index, tmp_path / "mixed")), qrels


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return save_encoder(root / "encoder"), save_cross_encoder(root / "reranker")


@pytest.fixture(scope="module")
def dense(mixed_rows, models, tmp_path_factory):
    """What the encoder finds first is relevant; BM25 is in its way."""
    folder = build(tmp_path_factory.mktemp("dense") / "index", mixed_rows, [str(models[0])])
    with unchanged(folder, 1) as live:  # the factory's would rerank, which takes its time
        switch_pipeline(folder, live, factory([str(models[0])]).to_dict())
    with searchkit.open(folder) as searcher:
        best = searcher.rank([query.text for query in MIXED], 1, stage="dense")
    return folder, {query.id: {hits[0][0]: 1} for query, hits in zip(MIXED, best, strict=True)}


def ndcg(index, queries, qrels):
    """What the index's own pipeline is worth, by a plain search."""
    with searchkit.open(index) as searcher:
        found = searcher.rank([query.text for query in queries], 10)
    run = {query.id: hits for query, hits in zip(queries, found, strict=True)}
    return evaluate(run, qrels, parse_measures(["nDCG@10"])).mean["nDCG@10"]


def live_pipeline(index):
    return generations.read(index).pipeline


def dry(**options):
    return TuneOptions(dry_run=True, **options)


def test_titles_that_tell_the_topic_get_more_weight(titled):
    index, qrels = titled
    before = ndcg(index, QUERIES, qrels)
    found = tune(index, QUERIES, qrels)
    assert found.written
    assert found.baseline == pytest.approx(before)
    assert found.quality == found.fitted == 1.0
    assert found.tuned.bm25.title_weight > 1
    assert all(fold.pipeline.bm25.title_weight > 1 for fold in found.folds)
    assert sorted(id_ for fold in found.folds for id_ in fold.queries) == [q.id for q in QUERIES]
    assert Pipeline.from_dict(live_pipeline(index)) == found.tuned
    assert ndcg(index, QUERIES, qrels) == 1.0
    for evidence in ("tuned by cross-validation: nDCG@10 +", "30 queries", "attempt 1 on"):
        assert evidence in found.tuned.why
    again = tune(index, QUERIES, qrels)  # against what is in force now
    assert (again.is_current, again.written) == (True, False)
    assert "the pipeline in force is the best of all that were tried" in again.why
    assert again.verdict.n_attempts == 2


def test_what_cannot_be_better_is_left_alone(mixed):
    index, _ = mixed
    with searchkit.open(index) as searcher:
        best = searcher.rank([query.text for query in MIXED], 1)
    qrels = {query.id: {hits[0][0]: 1} for query, hits in zip(MIXED, best, strict=True)}
    before = (index / "CURRENT").read_bytes()
    found = tune(index, MIXED, qrels)
    assert (found.is_current, found.written, found.verdict.passed) == (True, False, False)
    assert (index / "CURRENT").read_bytes() == before
    assert live_pipeline(index) is None


def test_what_is_only_fitted_is_not_written_and_every_attempt_counts(mixed):
    index, qrels = mixed
    tried = [TuneOptions(), TuneOptions(measure="RR@10"), TuneOptions()]
    found = [tune(index, MIXED, qrels, options=one) for one in tried]
    assert [one.written for one in found] == [False] * 3
    assert [one.why[:6] for one in found] == ["nDCG@1", "RR@10 ", "nDCG@1"]
    assert all(one.fitted > one.quality for one in found)
    assert found[0].optimism == pytest.approx(found[0].fitted - found[0].quality)
    assert [one.verdict.n_attempts for one in found] == [1, 2, 2]
    assert [one.verdict.threshold for one in found] == [0.05, 0.025, 0.025]
    attempts = read_attempts(index)
    assert [(one.model, one.passed) for one in attempts] == [("tune", False)] * 2
    assert [one.measure for one in attempts] == ["nDCG@10", "RR@10"]


def test_no_query_takes_part_in_the_choice_that_values_it(mixed):
    index, qrels = mixed
    whole = tune(index, MIXED, qrels, options=dry(n_folds=3))
    [fold, *others] = whole.folds
    draw = random.Random(1)
    spoiled = {
        query: {f"d{draw.randrange(40)}": 1} if query in fold.queries else grades
        for query, grades in qrels.items()
    }
    again = tune(index, MIXED, spoiled, options=dry(n_folds=3))
    assert again.folds[0].queries == fold.queries
    assert again.folds[0].pipeline == fold.pipeline
    assert again.folds[0].quality != fold.quality
    changed = zip(again.folds[1:], others, strict=True)
    assert any(one.pipeline != other.pipeline for one, other in changed)  # which do see them


def test_a_dry_run_writes_nothing_but_the_attempt(titled):
    index, qrels = titled
    found = tune(index, list(reversed(QUERIES)), qrels, options=dry())
    assert (found.verdict.passed, found.written) == (True, False)
    assert live_pipeline(index) is None
    assert len(read_attempts(index)) == 1
    wet = tune(index, QUERIES, qrels)
    assert (wet.written, wet.verdict, wet.tuned) == (True, found.verdict, found.tuned)


def test_an_encoder_that_is_right_outweighs_bm25_and_runs_as_it_was_measured(dense, models):
    index, qrels = dense
    before = ndcg(index, MIXED, qrels)
    found = tune(index, MIXED, qrels, options=TuneOptions(reranker=str(models[1])))
    assert found.baseline == pytest.approx(before)
    assert found.written
    assert (found.n_firsts, found.n_reranks) > (300, 50)
    assert found.tuned.fusion.weights["bm25"] < 0.5
    assert found.tuned.encoders == (str(models[0]),)
    assert found.fitted == pytest.approx(ndcg(index, MIXED, qrels))
    assert found.fitted > before
    json.dumps(found.to_dict())


class Told:
    """A timer that knows what each part takes, and what a pipeline takes when it runs."""

    def __init__(self, cost_of):
        self.cost_of = cost_of

    def __call__(self, *_):
        return self

    def costs(self, pipelines):
        parts = {part for one in pipelines for part in parts_of(one)}
        return Costs({part: self.cost_of(part) for part in parts})

    def p95(self, pipeline):
        return self.costs([pipeline]).of(pipeline) + 1


def test_what_would_take_too_long_is_not_chosen(titled):
    index, qrels = titled
    by_field = Told(lambda part: 40.0 if "by field" in part else 2.0)
    found = tune(index, QUERIES, qrels, options=dry(max_ms=9.0), timer=by_field)
    assert found.tuned.bm25.title_weight == 1
    assert (found.n_firsts, found.latency.n_dropped) == (16, 32)
    assert (found.latency.predicted_ms, found.latency.measured_ms) == (4.0, 5.0)
    assert found.latency.parts_ms == {
        "bm25 alone": 2.0,
        "bm25 by field alone": 40.0,
        "documents": 2.0,
    }
    assert not found.verdict.passed
    found = tune(index, QUERIES, qrels, options=dry(max_ms=50.0), timer=by_field)
    assert found.tuned.bm25.title_weight > 1
    with pytest.raises(ConfigError, match=r"no setting answers within 1 ms.*takes 4\.0 ms"):
        tune(index, QUERIES, qrels, options=dry(max_ms=1.0), timer=by_field)


def test_without_the_reranker_in_force_nothing_is_written(titled, models):
    index, qrels = titled
    reranked = {**factory([]).to_dict(), "reranker": str(models[1])}
    with unchanged(index, 1) as live:
        switch_pipeline(index, live, reranked)
    found = tune(index, QUERIES, qrels, options=TuneOptions(reranker=None))
    assert found.current.reranker is None
    assert (found.is_apart, found.verdict.passed, found.written) == (True, True, False)
    assert "this was measured without" in found.why
    assert live_pipeline(index) == reranked


def stopping(at):
    def watch(phase):
        def progress(done, total):
            if phase.startswith("read by") and done == at:
                raise KeyboardInterrupt

        return progress

    return watch


def test_an_interrupted_run_goes_on_and_finds_the_same(mixed, models, home, monkeypatch):
    index, qrels = mixed
    options = dry(reranker=str(models[1]))
    with pytest.raises(KeyboardInterrupt):
        tune(index, MIXED, qrels, options=options, watch=stopping(20))
    assert read_attempts(index) == []
    [kept] = (home / "pair_scores").glob("*.bin")
    first = kept.read_bytes()
    found = tune(index, MIXED, qrels, options=options)
    assert kept.read_bytes().startswith(first)
    assert len(kept.read_bytes()) > len(first) > 0
    monkeypatch.setenv("SEARCHKIT_HOME", str(home / "elsewhere"))
    fresh = tune(index, MIXED, qrels, options=options)
    assert (fresh.per_query, fresh.tuned) == (found.per_query, found.tuned)


def test_an_index_that_changes_meanwhile_is_left_alone(mixed):
    index, qrels = mixed

    def change(done, total):
        if done == total and generations.read(index).number == 1:
            with unchanged(index, 1) as live:
                switch_pipeline(index, live, factory([]).to_dict())

    with pytest.raises(StorageError, match="was written meanwhile"):
        tune(index, MIXED, qrels, watch=lambda phase: change)
    assert read_attempts(index) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"measure": "AP"}, "AP looks at the whole ranking.*with a cutoff"),
        ({"measure": "R@1000"}, "R@1000 looks at 1,000 documents"),
        ({"measure": "nDGC@10"}, "unknown, did you mean"),
        ({"n_folds": 1}, "at least 2 folds, not 1"),
        ({"max_ms": 0.0}, "cannot take 0 ms"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_the_work(mixed, options, said):
    def never(phase):
        raise AssertionError(phase)

    with pytest.raises(ConfigError, match=said):
        tune(*mixed[:1], MIXED, mixed[1], options=TuneOptions(**options), watch=never)


def test_judgements_that_say_nothing_are_refused(mixed):
    index, qrels = mixed
    with pytest.raises(CorpusError, match="none of its queries is judged"):
        tune(index, MIXED, {"other": {"d1": 1}})
    with pytest.raises(ConfigError, match="at least 2 judged queries"):
        tune(index, MIXED[:1], qrels)


def test_what_did_not_take_part_is_counted(mixed_rows, tmp_path):
    rows = [{"_id": row["_id"], "text": row["text"]} for row in mixed_rows]
    index = build(tmp_path / "untitled", rows)
    qrels = {query.id: {"d1": 1} for query in MIXED[:20]} | {"lost": {"d2": 1}}
    found = tune(index, MIXED[:22], qrels, options=dry(n_folds=3))
    assert (found.n_unjudged, found.n_missing, len(found.folds)) == (2, 1, 3)
    assert found.notes == ("No document has a title, so the weight of titles was not tuned.",)
    assert {one.pipeline.bm25.title_weight for one in found.near} == {1.0}


def test_a_report_is_written_whole(mixed, tmp_path):
    found = tune(*mixed[:1], MIXED, mixed[1], options=dry())
    found.write(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["quality"] == found.quality
    found.write(tmp_path / "report.md")
    told = (tmp_path / "report.md").read_text()
    assert told.startswith("# Tuning\n\n**Not tuned**: nDCG@10 ")
    assert "cross-validated over 5 folds" in told
    with pytest.raises(ConfigError, match=r"a report is written as \.json or \.md"):
        found.write(tmp_path / "report.pdf")
