import hashlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from cli_sample import build_sample, invoke, refused
from tiny_models import WORDS, save_bert, save_encoder

import searchkit
from searchkit import sample
from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.queries import read_queries
from searchkit.errors import ConfigError, CorpusError
from searchkit.models.fakes import OverlapScorer
from searchkit.models.quiet import quiet
from searchkit.search.api import IndexOptions
from searchkit.train.examples import read_examples
from searchkit.train.false_negatives import resemblance
from searchkit.train.mining import MineCounts, MineOptions
from searchkit.train.negatives import mine
from searchkit.types import Query, Ranking

ABSTRACT = "dust grains in a cold cloud grow and settle while the gas falls onto the young star"
DOCS = {  # in row order; 12 documents so that ranks and rows can be told apart
    "pos": ("Dust settling", ABSTRACT),
    "twin": ("Preprint", f"{ABSTRACT} early"),
    "same-title": ("DUST, settling", "Nothing else of it is alike."),
    "q1": ("The asking paper", "It cites the positive."),
    **{f"d{n}": (f"Paper {n}", f"bone cell number {n} of the {n * 7} known") for n in range(8)},
}
IDS = list(DOCS)
QUERY = Query("q1", "how dust settles")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    rows = [{"_id": i, "title": title, "text": text} for i, (title, text) in DOCS.items()]
    (folder / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    searchkit.build(
        folder / "c.jsonl", out=folder / "x", encoders=[], options=IndexOptions(analyzer="english")
    )
    with searchkit.open(folder / "x") as searcher:
        yield searcher.index


def fixed(*ids, scores=None):
    """A ranking that is the same for every query: these ids, scores 10, 9, 8, ..."""
    scores = scores or list(range(10, 10 - len(ids), -1))
    rows = np.array([IDS.index(one) for one in ids], np.int64)
    ranking = Ranking.top(rows, np.array(scores, np.float32), 100)
    return lambda queries, k: [ranking.head(k)] * len(queries)


def mined(index, rank, *, queries=(QUERY,), qrels=None, judge=None, **options):
    counts = MineCounts()
    options = MineOptions(**{"first": 1, "pick": "top", **options})
    qrels = qrels or {"q1": {"pos": 1}}
    triplets = mine(index, queries, qrels, rank=rank, options=options, judge=judge, counts=counts)
    return list(triplets), counts


def ids(triplets):
    return [one.negative_id for one in triplets]


def test_negatives_are_the_best_ranks_without_what_is_known(index):
    found, counts = mined(index, fixed("d1", "pos", "q1", "d3", "d0", "d2", "d5", "d6"), n=3)
    assert ids(found) == ["d1", "d3", "d0"]
    assert [one.rank for one in found] == [1, 4, 5]
    assert [one.margin for one in found] == [-1, 2, 3]
    assert found[0].positive == f"Dust settling {ABSTRACT}"
    assert counts.dropped == {"known positives": 1, "the query's own document": 1}
    assert (counts.n_candidates, counts.n_triplets, counts.n_short) == (8, 3, 0)


def test_only_the_window_of_ranks_gives_negatives(index):
    found, counts = mined(index, fixed("d0", "d1", "d2", "d3", "d4", "pos"), first=2, last=4, n=9)
    assert ids(found) == ["d1", "d2", "d3"]
    assert (counts.n_candidates, counts.n_unranked, counts.n_short) == (3, 1, 1)
    assert found[0].margin is None  # the positive was not among the ranks looked at


def test_a_near_duplicate_of_a_positive_is_no_negative(index):
    rank = fixed("pos", "twin", "same-title", "d0", "d1")
    found, counts = mined(index, rank)
    assert ids(found) == ["d0", "d1"]
    assert counts.dropped["near-duplicates of a positive"] == 2
    found, _ = mined(index, rank, near_duplicate=1.0)
    assert ids(found) == ["twin", "d0", "d1"]


def test_resemblance_is_the_share_of_common_shingles():
    one, other = frozenset({("a",), ("b",), ("c",)}), frozenset({("b",), ("c",), ("d",)})
    assert resemblance(one, other) == 2 / 4
    assert resemblance(one, one) == 1
    assert resemblance(frozenset(), frozenset()) == 0


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"margin": 0.0}, ["d1", "d2", "d3"]),
        ({"margin": -1.0}, ["d0", "d1", "d2", "d3"]),
        ({"margin": 2.0}, ["d2", "d3"]),
        ({"relative_margin": 0.25}, ["d2", "d3"]),  # at most 7.5 of 10
        ({"margin": 3.5, "relative_margin": 0.25}, ["d3"]),  # the stricter holds
    ],
)
def test_a_margin_drops_what_scores_too_near_the_positive(index, options, left):
    rank = fixed("d0", "pos", "d1", "d2", "d3", scores=[11, 10, 9, 7, 6])
    found, counts = mined(index, rank, **options)
    assert ids(found) == left
    assert counts.dropped.get("by the margin", 0) == 4 - len(left)


def test_below_zero_a_relative_margin_still_asks_for_less(index):
    rank = fixed("pos", "d0", "d1", scores=[-4, -4.5, -6])
    assert ids(mined(index, rank, relative_margin=0.25)[0]) == ["d1"]


def test_no_margin_is_kept_to_a_positive_that_was_not_found(index):
    found, counts = mined(index, fixed("d0", "d1"), margin=0.0)
    assert found == []
    assert (counts.n_unranked, counts.n_empty) == (1, 1)
    assert counts.dropped == {"by the margin": 2}


def test_a_positive_below_the_window_still_sets_the_margin(index):
    rank = fixed("d0", "d1", "d2", "pos", scores=[10, 9, 8, 7])
    found, counts = mined(index, rank, last=2, margin=-2.5)
    assert ids(found) == ["d1"]
    assert counts.n_unranked == 0


def test_a_judge_drops_what_it_likes_as_well_as_the_positive(index):
    query = Query("q1", "dust bone 7")  # the positive holds 1 of 3 words, d1 holds 2, d0 1
    rank = fixed("pos", "d1", "d0", "q1", "d2")
    found, counts = mined(index, rank, queries=[query], judge=OverlapScorer(), judge_margin=-0.1)
    assert ids(found) == ["d0", "d2"]
    assert counts.dropped["by the judge"] == 1
    assert found[0].margin == 0  # by the judge, not by the stage
    found, counts = mined(index, rank, queries=[query], judge=OverlapScorer())
    assert found == []
    assert counts.dropped["by the judge"] == 3


def test_each_positive_has_negatives_of_its_own(index):
    found, counts = mined(
        index, fixed("pos", "d0", "d1", "d2"), qrels={"q1": {"pos": 2, "d0": 1, "d7": 0}}, n=1
    )
    assert [(one.positive_id, one.negative_id) for one in found] == [("pos", "d1"), ("d0", "d1")]
    assert counts.n_pairs == 2


def test_chance_depends_on_the_pair_and_the_seed_alone(index):
    other = Query("q2", "bones")
    qrels = {"q1": {"pos": 1}, "q2": {"d7": 1}}
    rank = fixed(*(f"d{n}" for n in range(7)))
    both, _ = mined(index, rank, queries=[other, QUERY], qrels=qrels, pick="random", n=3)
    alone, _ = mined(index, rank, queries=[QUERY], qrels=qrels, pick="random", n=3)
    assert [one for one in both if one.query_id == "q1"] == alone
    many = [Query(f"other {n}", "bones") for n in range(20)]
    judged = {query.id: {"pos": 1} for query in many}
    found, _ = mined(index, rank, queries=many, qrels=judged, pick="random", n=3)
    assert len({tuple(ids(found[at : at + 3])) for at in range(0, len(found), 3)}) > 5
    draws = {tuple(ids(mined(index, rank, pick="random", n=3, seed=seed)[0])) for seed in range(20)}
    assert len(draws) > 5
    assert {one for draw in draws for one in draw} == {f"d{n}" for n in range(7)}
    assert all(list(draw) == sorted(draw) for draw in draws)  # by rank


def test_what_is_not_there_is_counted(index):
    queries = [QUERY, Query("q2", "no judgement"), Query("q3", "lost document")]
    qrels = {"q1": {"pos": 1, "gone": 1}, "q3": {"gone": 1}, "q2": {"d0": 0}, "q9": {"d0": 1}}
    _, counts = mined(index, fixed("d1"), queries=queries, qrels=qrels)
    assert (counts.n_queries, counts.n_unjudged, counts.n_lost, counts.n_unknown) == (1, 1, 2, 1)
    said = " ".join(counts.sentences())
    assert "Queries without a positive, passed over: 1." in said
    with pytest.raises(CorpusError, match="no query has a judged document in this index"):
        mined(index, fixed("d1"), qrels={"q1": {"gone": 1}})


def test_every_bad_setting_is_named_at_once():
    with pytest.raises(ConfigError) as error:
        MineOptions(n=0, first=5, last=4, relative_margin=1.0, near_duplicate=0, seed=-1)
    for word in ("n must", "5-4", "relative_margin", "near_duplicate", "seed"):
        assert word in str(error.value)
    with pytest.raises(ConfigError, match="template"):
        MineOptions(template="no field")


@pytest.fixture(scope="module")
def lexical(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("lexical") / "sample")


@pytest.mark.parametrize("kind", [".jsonl", ".parquet"])
def test_the_verb_writes_triplets_that_training_reads(lexical, tmp_path, kind):
    out = tmp_path / f"t{kind}"
    judged = ["--queries", sample.queries_path(), "--qrels", sample.qrels_path()]
    done = invoke("mine", lexical, *judged, "--out", out, "-n", 2, "--ranks", "3-20")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    note = json.loads((tmp_path / f"t{kind}.json").read_text())
    found = read_examples([str(out)], "triplets", cache=tmp_path / "cache")
    assert found.n_rows == note["counts"]["n_triplets"] > 40
    assert note["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert note["index"]["generation"] == 1
    assert note["stage"] == "bm25"
    assert note["options"]["first"] == 3
    assert f"Triplets {note['counts']['n_triplets']:,}, pairs" in done.stderr
    qrels = read_qrels(sample.qrels_path())
    texts = {query.id: query.text for query in read_queries(sample.queries_path())}
    rows = (
        pq.read_table(out).to_pylist()
        if kind == ".parquet"
        else [json.loads(line) for line in out.read_text().splitlines()]
    )
    for row in rows:
        assert qrels[row["query_id"]][row["positive_id"]] > 0
        assert row["negative_id"] not in qrels[row["query_id"]]
        assert 3 <= row["rank"] <= 20
        assert row["query"] == texts[row["query_id"]]


def save_judge(folder):
    """A random cross-encoder on the encoder's own vocabulary."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    raw = save_bert(folder.with_name("raw"))
    torch.manual_seed(0)
    with quiet():
        model = BertForSequenceClassification(BertConfig.from_pretrained(raw, num_labels=1))
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(raw).save_pretrained(folder)
    return folder


def test_the_fused_stage_is_mined_and_judged(tmp_path):
    rows = [{"_id": f"d{n}", "text": f"dust {word}"} for n, word in enumerate(WORDS.split())]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "q.tsv").write_text("q\tdust model\n")
    (tmp_path / "r.tsv").write_text("q\td3\t1\n")
    encoder = save_encoder(tmp_path / "encoder")
    index = tmp_path / "x"
    built = invoke("index", tmp_path / "c.jsonl", "--out", index, "--encoder", encoder)
    assert built.exit_code == 0, built.stderr
    call = ["mine", index, "--queries", tmp_path / "q.tsv", "--qrels", tmp_path / "r.tsv"]
    call += ["--out", tmp_path / "t.jsonl", "--ranks", "1-30", "-n", 30, "--margin", "-9"]
    judge = ["--judge", save_judge(tmp_path / "judge")]
    notes = []
    for options in ([], ["--stage", "dense"], judge):
        done = invoke(*call, *options)
        assert done.exit_code == 0, done.stderr
        notes.append(json.loads((tmp_path / "t.jsonl.json").read_text()))
    fused, dense, judged = notes
    assert (fused["stage"], dense["stage"]) == ("fused", "dense")
    assert fused["judge"] is None
    assert fused["counts"]["n_triplets"] == len(rows) - 1
    assert len(judged["judge"]["fingerprint"]) == 64
    n_dropped = judged["counts"]["dropped"]["by the judge"]
    assert judged["counts"]["n_triplets"] == len(rows) - 1 - n_dropped > 0
    left = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert all(row["margin"] > 0 for row in left)  # by the judge


def test_the_same_call_writes_the_same_bytes(lexical, tmp_path):
    judged = ["--queries", sample.queries_path(), "--qrels", sample.qrels_path()]
    for name in ("a", "b"):
        assert invoke("mine", lexical, *judged, "--out", tmp_path / f"{name}.jsonl").exit_code == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--ranks", "all"], "--ranks: 'all' is not written like 10-100"),
        (["--ranks", "9-3"], "the ranks must ascend from 1, not 9-3"),
        (["--ranks", "90-100"], "no triplet is left, so nothing was written"),
        (["--stage", "reranked"], "A cross-encoder judges with --judge"),
        (["--stage", "dense"], "the index holds no vectors"),
        (["--judge-margin", "1"], "--judge-margin has no effect without --judge"),
        (["--judge", "nobody"], "'nobody' is no alias, folder or hub name"),
        (["--pick", "top", "--seed", "1"], "--seed has no effect"),
        (["--device", "cpu"], "--device has no effect: no model takes part"),
        (["--where", "year <"], "year"),
    ],
)
def test_what_cannot_be_mined_is_one_sentence(lexical, tmp_path, options, why):
    judged = ["--queries", sample.queries_path(), "--qrels", sample.qrels_path()]
    tail = ["--where", "title contains 'zzz'"] if "90-100" in options else []
    call = ["mine", lexical, *judged, "--out", tmp_path / "t.jsonl", *options, *tail]
    assert why in refused(*call)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [("t.csv", "must end in .jsonl or"), (".", "a folder")])
def test_a_place_that_cannot_be_is_refused_before_any_work(tmp_path, name, why):
    call = ["mine", "no-index", "--queries", "no", "--qrels", "no", "--out", tmp_path / name]
    assert why in refused(*call)
