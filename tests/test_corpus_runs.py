import gzip

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, nDCG

from searchkit.corpus.runs import best_first, count_ties, read_run, write_run
from searchkit.errors import CorpusError

RUN = b"q1 Q0 a 1 2.5 x\nq1 Q0 b 2 1e-3 x\n\nq2 0 a 0 -7 x\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [("r", RUN), ("r.gz", gzip.compress(RUN)), ("r", RUN.replace(b" ", b"\t\t"))],
)
def test_a_run_is_read_best_first(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_run(tmp_path / name) == {
        "q1": [("a", 2.5), ("b", np.float32(0.001))],
        "q2": [("a", -7.0)],
    }


TIED = [b"q Q0 c 1 1 t", b"q Q0 a 2 3 t", b"q Q0 b 3 1.0 t", b"q Q0 d 4 3 t", b"q Q0 e 5 1 t"]


@pytest.mark.parametrize("lines", [TIED, TIED[::-1], sorted(TIED)])
def test_ties_are_ordered_by_document_id_wherever_their_lines_stand(tmp_path, lines):
    (tmp_path / "r").write_bytes(b"\n".join(lines))
    run = read_run(tmp_path / "r")
    assert [doc_id for doc_id, _ in run["q"]] == ["d", "a", "e", "c", "b"]
    assert count_ties(run) == 3


def test_scores_that_are_one_in_float32_are_a_tie(tmp_path):
    (tmp_path / "r").write_bytes(b"q Q0 a 1 1.000000001 t\nq Q0 b 2 1 t\nq Q0 c 3 0.9 t\n")
    run = read_run(tmp_path / "r")
    assert [doc_id for doc_id, _ in run["q"]] == ["b", "a", "c"]
    assert count_ties(run) == 1


tied_scores = st.dictionaries(
    st.text("aZ9-é日", min_size=1, max_size=3),
    st.sampled_from([2.0, 1.0, 1.0 + 1e-9, 0.0, -0.0, -5.5]),
    min_size=1,
)


@given(tied_scores, st.data())
def test_ties_are_broken_as_trec_eval_breaks_them(scores, data):
    grades = data.draw(st.dictionaries(st.sampled_from(sorted(scores)), st.integers(0, 2)))
    qrels = {"q": {**grades, "x": 1}}
    placed = {doc: -float(rank) for rank, (doc, _) in enumerate(best_first(scores))}
    measures = [nDCG @ 3, RR, AP]
    theirs = ir_measures.pytrec_eval.calc_aggregate(measures, qrels, {"q": scores})
    assert ir_measures.pytrec_eval.calc_aggregate(measures, qrels, {"q": placed}) == theirs


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"q Q0 d 1 nan t", "r:2: the score nan is not finite"),
        (b"q Q0 d 1 -inf t", "the score -inf is not finite"),
        (b"q Q0 d 1 1e999 t", "the score inf is not finite"),
        (b"q Q0 d 1 1e39 t", r"the score 1e\+39 is not finite in float32"),
        (b"q Q0 d 1 high t", "the score 'high' is not a number. The columns are: query Q0"),
        (b"q Q0 d 1 1_0 t", "the score '1.0' is not a number"),
        (b"q Q0 d 13.2 1 t", "the rank '13.2' is not a whole number. The columns are"),
        (b"q d 1 13.2 Q0 t", "the rank '13.2'"),
        (b"q Q0 d 1 2.5", "the line has 5 columns. The columns are"),
        (b"q", "the line has 1 column. The columns are"),
        (b"q Q0 my doc 1 2.5 t", "the line has 7 columns"),
        (b"q0 Q0 a 7 2.5 t", "document 'a' occurs twice for query 'q0'"),
        (b"q Q0 \xff 1 2.5 t", "not UTF-8"),
        (b"q Q0 \x00 1 2.5 t", "control character"),
    ],
)
def test_a_line_that_is_no_run_is_a_sentence(tmp_path, line, why):
    (tmp_path / "r").write_bytes(b"q0 Q0 a 1 3 t\n" + line)
    with pytest.raises(CorpusError, match=why) as error:
        read_run(tmp_path / "r")
    assert error.value.line == 2


def test_an_empty_run_is_a_sentence(tmp_path):
    (tmp_path / "r").touch()
    with pytest.raises(CorpusError, match="there is no ranking in it"):
        read_run(tmp_path / "r")


words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
few_scores = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1 / 61, -1e30, 3e38, 1e-45]),
    st.floats(-1e3, 1e3),
)
runs = st.dictionaries(
    words,
    st.lists(st.tuples(words, few_scores), min_size=1, unique_by=lambda pair: pair[0]).map(
        lambda pairs: sorted(pairs, key=lambda pair: -pair[1])
    ),
    min_size=1,
)


@settings(deadline=None, max_examples=50)
@given(runs)
def test_a_written_run_comes_back_in_our_order_without_ties(tmp_path_factory, run):
    path = tmp_path_factory.mktemp("runs") / "deep" / "r.run"
    write_run(path, run, "tag")
    back = read_run(path)
    assert {q: [d for d, _ in pairs] for q, pairs in back.items()} == {
        q: [d for d, _ in pairs] for q, pairs in run.items()
    }
    assert count_ties(back) == 0
    for query_id, pairs in back.items():
        scores = np.array([score for _, score in pairs], np.float32)  # as trec_eval holds them
        assert (scores[:-1] > scores[1:]).all()
        given_scores = np.array([score for _, score in run[query_id]])
        assert np.allclose(scores, given_scores, rtol=1e-5, atol=1e-37)


@settings(deadline=None, max_examples=50)
@given(runs)
def test_writing_what_was_read_changes_no_byte(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "a", run, "tag")
    write_run(folder / "b", read_run(folder / "a"), "tag")
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_ties_are_the_same_for_every_tool(tmp_path):
    run = {"q": [(f"d{n}", 0.5) for n in (3, 9, 1, 7, 5)]}
    write_run(tmp_path / "r", run, "tag")
    qrels = [ir_measures.Qrel("q", "d9", 1)]
    theirs = ir_measures.read_trec_run(str(tmp_path / "r"))
    assert ir_measures.calc_aggregate([RR @ 10, nDCG @ 10], qrels, theirs) == {
        RR @ 10: 0.5,
        nDCG @ 10: pytest.approx(1 / np.log2(3)),
    }


@pytest.mark.parametrize(
    ("run", "tag", "word"),
    [
        ({"q 1": [("d", 1.0)]}, "t", "'q 1'"),
        ({"q": [("d\u2003x", 1.0)]}, "t", r"'d\\u2003x'"),
        ({"q": [("d", 1.0)]}, "my tag", "'my tag'"),
        ({"q": [("d", 1.0), ("d\n", 0.5)]}, "t", "control character"),
        ({"q": [("", 1.0)]}, "t", "the id is empty"),
    ],
)
def test_words_that_would_break_the_columns_are_refused(tmp_path, run, tag, word):
    (tmp_path / "r").write_bytes(RUN)
    with pytest.raises(CorpusError, match=f"nothing was written: .*{word}"):
        write_run(tmp_path / "r", run, tag)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("r", RUN)]


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ([1.0, 2.0], "best document first"),
        ([float("nan")], "finite in float32"),
        ([float("inf"), 1.0], "finite in float32"),
        ([1e39], "finite in float32"),
    ],
)
def test_a_ranking_out_of_order_is_a_mistake_of_the_caller(tmp_path, scores, why):
    with pytest.raises(ValueError, match=why):
        write_run(tmp_path / "r", {"q": [(f"d{n}", s) for n, s in enumerate(scores)]}, "t")
    assert list(tmp_path.iterdir()) == []
