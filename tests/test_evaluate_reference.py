"""Runs in files -> the numbers of ir-measures, and of the rule for ties worked out by hand."""

import math

import ir_measures
import numpy as np
import pytest

from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.runs import count_ties, read_run
from searchkit.evaluate.measures import evaluate, parse_measures

NAMES = ["nDCG@10", "R@100", "RR@10", "AP", "P@5", "nDCG", "Bpref", "Success@3"]
MEASURES = parse_measures(NAMES)
DOCS = [f"paper-{n}" for n in range(400)]


def write_files(folder, seed):
    """A run of 30 queries whose scores differ even as float32, lines in any order; its qrels."""
    generator = np.random.default_rng(seed)
    lines, judged = [], []
    for query in range(30):
        docs = generator.permutation(DOCS)[: generator.integers(1, 150)]
        scores = generator.permutation(4096)[: len(docs)] / 64 - 20
        lines += [f"q{query} Q0 {d} 1 {s} t" for d, s in zip(docs, scores, strict=True)]
        graded = generator.permutation(DOCS)[: generator.integers(1, 60)]
        judged += [f"q{query} 0 {d} {generator.integers(0, 4)}" for d in graded]
    (folder / "run").write_text("\n".join(generator.permutation(lines)))
    (folder / "qrels").write_text("\n".join(judged))


@pytest.mark.parametrize("seed", range(20))
def test_a_run_without_ties_gets_the_numbers_of_ir_measures(tmp_path, seed):
    write_files(tmp_path, seed)
    run = read_run(tmp_path / "run")
    assert count_ties(run) == 0
    found = evaluate(run, read_qrels(tmp_path / "qrels"), MEASURES)
    theirs = ir_measures.calc(
        MEASURES,
        ir_measures.read_trec_qrels(str(tmp_path / "qrels")),
        ir_measures.read_trec_run(str(tmp_path / "run")),
    )
    assert found.per_query == {
        query: {str(m.measure): m.value for m in theirs.per_query if m.query_id == query}
        for query in found.per_query
    }
    assert found.mean == {str(measure): value for measure, value in theirs.aggregated.items()}


RUN = """
q Q0 b 1 9.0 t
q Q0 d 2 7.0 t
q Q0 c 3 7.0 t
q Q0 e 4 7.0000001 t
q Q0 a 5 3.0 t
q Q0 f 6 3.0 t
"""
QRELS = "q 0 c 2\nq 0 a 1\nq 0 z 1\nq 0 b 0\nq 0 e 0\n"


def test_a_tied_run_gets_the_numbers_of_the_rule_by_hand(tmp_path):
    """b; then e, d, c, one score as float32, by descending id; then f, a."""
    (tmp_path / "run").write_text(RUN)
    (tmp_path / "qrels").write_text(QRELS)
    run = read_run(tmp_path / "run")
    assert [doc for doc, _ in run["q"]] == ["b", "e", "d", "c", "f", "a"]
    assert count_ties(run) == 3
    found = evaluate(run, read_qrels(tmp_path / "qrels"), MEASURES).mean
    ideal = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    gained = 2 / math.log2(5) + 1 / math.log2(7)
    assert found == pytest.approx(
        {
            "nDCG@10": gained / ideal,
            "nDCG": gained / ideal,
            "R@100": 2 / 3,
            "RR@10": 1 / 4,
            "AP": (1 / 4 + 2 / 6) / 3,
            "P@5": 1 / 5,
            "Success@3": 0.0,
            "Bpref": 0.0,  # both come after the two that are judged irrelevant
        }
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_lines_changes_no_number_of_a_tied_run(tmp_path, seed):
    generator = np.random.default_rng(seed)
    lines = [
        f"q{query} Q0 {doc} {generator.integers(1, 99)} {generator.integers(0, 4)} t"
        for query in range(10)
        for doc in generator.permutation(DOCS)[:50]
    ]
    qrels = {f"q{query}": dict.fromkeys(DOCS[::7], 1) for query in range(10)}
    (tmp_path / "one").write_text("\n".join(lines))
    (tmp_path / "other").write_text("\n".join(generator.permutation(lines)))
    one, other = (read_run(tmp_path / name) for name in ("one", "other"))
    assert {q: found for q, found in other.items()} == one
    assert count_ties(one) > 100
    found, same = (evaluate(run, qrels, MEASURES) for run in (one, other))
    assert found.per_query == same.per_query
