import math

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.errors import ConfigError, CorpusError
from searchkit.evaluate.measures import evaluate, parse_measures

NAMES = [
    "nDCG@10",
    "nDCG",
    "AP",
    "RR",
    "RR@3",
    "R@5",
    "P(rel=2)@3",
    "Success@1",
    "Judged@10",
    "Bpref",
]
MEASURES = parse_measures(NAMES)
DOCS = [f"d{i}" for i in range(12)]
QUERIES = ["q1", "q2", "q3", "q 4"]

results = st.lists(st.sampled_from(DOCS), unique=True, min_size=1).flatmap(
    lambda docs: st.lists(
        st.floats(-5, 5, width=16), min_size=len(docs), max_size=len(docs), unique=True
    ).map(lambda scores: list(zip(docs, sorted(scores, reverse=True), strict=True)))
)
grades = st.dictionaries(st.sampled_from(DOCS), st.integers(0, 3), min_size=1)
judgements = st.dictionaries(st.sampled_from(QUERIES), grades, min_size=1)
runs = st.dictionaries(st.sampled_from(QUERIES), results)


def own_numbers(run, qrels):
    """What ir-measures itself says of the judged queries."""
    scored = {query: dict(found) for query, found in run.items() if query in qrels}
    found = {
        (m.query_id, str(m.measure)): m.value
        for m in ir_measures.iter_calc(MEASURES, qrels, scored)
    }
    return {query: {name: found[query, name] for name in NAMES} for query in qrels}


@given(runs, judgements)
def test_runs_without_ties_get_the_numbers_of_ir_measures(run, qrels):
    run = {"q1": [("d0", 1.0)], **run, **{q: [("d1", 1.0)] for q in list(qrels)[:1]}}
    assert evaluate(run, qrels, MEASURES).per_query == own_numbers(run, qrels)


@given(runs, judgements, st.sampled_from([0.0, 1.0, -3.0]))
def test_ties_are_broken_by_the_order_of_the_list(run, qrels, tie):
    run = {**run, **{query: [("d3", 0.5), ("d1", 0.25)] for query in list(qrels)[:1]}}
    tied = {query: [(doc, tie) for doc, _ in found] for query, found in run.items()}
    assert evaluate(tied, qrels, MEASURES) == evaluate(run, qrels, MEASURES)


def test_a_measure_of_three_documents_by_hand():
    run = {"q": [("b", 1.0), ("a", 1.0), ("c", 1.0)]}
    found = evaluate(run, {"q": {"a": 2, "c": 1, "x": 0}}, parse_measures(["nDCG@10", "RR", "R@2"]))
    ideal = 2 + 1 / math.log2(3)
    gained = 2 / math.log2(3) + 1 / math.log2(4)
    assert found.mean == pytest.approx({"nDCG@10": gained / ideal, "RR": 0.5, "R@2": 0.5})


@given(runs, judgements)
def test_every_value_lies_in_zero_to_one_and_the_mean_is_theirs(run, qrels):
    run = {**run, **{query: [("d3", 0.5)] for query in list(qrels)[:1]}}
    found = evaluate(run, qrels, MEASURES)
    assert found.per_query.keys() == qrels.keys()
    for name in NAMES:
        values = [found.per_query[query][name] for query in qrels]
        assert all(0 <= value <= 1 for value in values)
        assert found.mean[name] == pytest.approx(sum(values) / len(values), rel=1e-12)


QRELS = {"q1": {"a": 1}, "q2": {"b": 1, "c": 0}, "q3": {}}


def test_a_judged_query_without_results_counts_zero():
    run = {"q1": [("a", 1.0)], "q2": []}
    found = evaluate(run, QRELS, parse_measures(["AP"]))
    assert found.per_query == {"q1": {"AP": 1.0}, "q2": {"AP": 0.0}}
    assert (found.mean, found.n_queries, found.n_missing) == ({"AP": 0.5}, 2, 1)
    assert evaluate({}, QRELS, parse_measures(["AP", "Judged"])).mean == {"AP": 0, "Judged": 0}


def test_queries_without_judgements_change_nothing_but_their_count():
    run = {"q1": [("a", 1.0)]}
    more = {**run, "q3": [("a", 1.0)], "q9": [("b", 1.0)]}
    found, same = evaluate(more, QRELS, MEASURES), evaluate(run, QRELS, MEASURES)
    assert (found.per_query, found.mean) == (same.per_query, same.mean)
    assert (found.n_ignored, same.n_ignored) == (2, 0)


def test_the_unjudged_share_looks_at_the_first_ten():
    run = {
        "q1": [(doc, 1.0) for doc in ["a", *DOCS]],
        "q2": [("b", 1.0), ("c", 0.5)],
        "q9": [("z", 1.0)],
    }
    assert evaluate(run, QRELS, MEASURES).unjudged_at_10 == 9 / 12
    assert evaluate({}, QRELS, MEASURES).unjudged_at_10 == 0


def test_numbers_of_documents_are_summed_and_not_averaged():
    run = {"q1": [("a", 2.0), ("z", 1.0)], "q2": [("b", 2.0)]}
    assert evaluate(run, QRELS, parse_measures(["NumRet"])).mean == {"NumRet": 3}


@pytest.mark.parametrize(
    ("run", "qrels", "why"),
    [
        ({}, {}, "qrels: no query is judged"),
        ({"q1": [("a", 1.0)]}, {"q1": {}}, "qrels: no query is judged"),
        ({"q9": [("a", 1.0)]}, QRELS, "run: none of its queries is judged"),
        ({"q1": [("a", 1.0), ("a", 0.5)]}, QRELS, "query 'q1' has document 'a' twice"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(run, qrels, why):
    with pytest.raises(CorpusError, match=why):
        evaluate(run, qrels, MEASURES)


@pytest.mark.parametrize(
    "name",
    [
        *NAMES,
        "IPrec@0.1",
        "nDCG(gains={0:0,1:3})@10",
        "P(judged_only=True,rel=2)@7",
        "SetF(beta=2.0)",
    ],
)
def test_a_name_means_what_ir_measures_reads(name):
    assert parse_measures([name]) == [ir_measures.parse_measure(name)]


def test_a_measure_named_twice_is_taken_once():
    assert [str(m) for m in parse_measures(["MRR", " AP", "RR", "MAP", "AP "])] == ["RR", "AP"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nDGC@10", "is unknown, did you mean nDCG"),
        ("zzzzzz", "is unknown. Measures are written like nDCG@10, R@100"),
        ("", "is not written like a measure"),
        ("nDCG@", "is not written like a measure"),
        ("nDCG@ten", "is not written like a measure"),
        ("nDCG@10; import os", "is not written like a measure"),
        ("P", "needs a cutoff, as in P@10"),
        ("P@0", "cannot have cutoff 0"),
        ("P@99999999999999", "cannot have cutoff"),
        ("P@" + "9" * 5000, "has a value that cannot be read"),
        ("AP@1.5", "cannot have cutoff 1.5"),
        ("AP@1.5.2", "has a value that cannot be read, '1.5.2'"),
        ("P(rel=True)@3", "cannot have rel True"),
        ("P(rel='1')@3", "cannot have rel '1'"),
        ("P(rel=2;)@3", "has parameters that are not written like rel=2"),
        ("P(relevant=2)@3", "has no parameter 'relevant', it has cutoff"),
        ("alpha_nDCG@10", "needs a package that is not installed"),
        ("ERR@10", "needs a package that is not installed, or no package computes it"),
        ("NERR10", "needs a max_rel"),
    ],
)
def test_a_wrong_measure_is_one_sentence(name, why):
    with pytest.raises(ConfigError, match=why):
        parse_measures([name])


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[A-Za-z]{1,5}\([^()]{0,12}\)@[0-9.]{1,4}")))
def test_no_name_shows_anything_but_a_measure_or_a_config_error(name):
    try:
        assert len(parse_measures([name])) == 1
    except ConfigError as refusal:
        shown = str(refusal)
    else:
        shown = "Measures are written like"
    assert "Measures are written like" in shown
