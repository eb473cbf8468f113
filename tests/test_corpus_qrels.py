import gzip

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.corpus.qrels import read_qrels, write_qrels
from searchkit.errors import CorpusError, StorageError

EXPECTED = {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": -1}}
BEIR = b"query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n\nq2\td1\t-1\n"
TREC = b"q1 0 d1 2\nq1 Q0 d2 0\r\nq2  0\td1 -1"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("qrels.tsv", BEIR),
        ("qrels.tsv.gz", gzip.compress(BEIR)),
        ("qrels.tsv", BEIR.partition(b"\n")[2]),
        ("qrels.tsv", b"\xef\xbb\xbf" + BEIR.replace(b"\n", b"\r\n")),
        ("qrels.txt", TREC),
        ("qrels", TREC.replace(b" ", b"\t")),
    ],
)
def test_both_layouts_are_read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_qrels(tmp_path / name) == EXPECTED


def test_a_pair_judged_twice_alike_counts_once(tmp_path):
    (tmp_path / "q").write_bytes(b"q1 0 d1 2\nq1 0 d1 2\n")
    assert read_qrels(tmp_path / "q") == {"q1": {"d1": 2}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"q1\td1\thigh", "q:1: the grade 'high' is not a whole number"),
        (BEIR + b"q3\td1\t1.5", "q:6: the grade '1.5'"),
        (b"q1 0 d1 1_0", "the grade '1_0'"),
        (b"q1 0 d1 2\nq1 0 d1 1", "q:2: document 'd1' has grade 2 and grade 1 for query 'q1'"),
        (b"q1 d1 2", "q:1: the line has 3 columns. Write query-id, corpus-id and score between"),
        (BEIR + b"q3\td1", "q:6: the line has 2 columns between tabs, not 3"),
        (TREC + b"\nq1 0 d1 1 x", "q:4: the line has 5 columns"),
        (b"q1\t\t1", "the id is empty"),
        (b"q1\td\x1b\t1", "control character"),
        (b"\xff 0 d 1", "not UTF-8"),
        (b"", "there is no judgement in it"),
        (b"query-id\tcorpus-id\tscore\n", "there is no judgement in it"),
    ],
)
def test_a_line_that_is_no_judgement_is_a_sentence(tmp_path, content, why):
    (tmp_path / "q").write_bytes(content)
    with pytest.raises(CorpusError, match=why):
        read_qrels(tmp_path / "q")


words = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(str.strip)
qrels = st.dictionaries(
    words, st.dictionaries(words, st.integers(-5, 5), min_size=1, max_size=4), min_size=1
)


@settings(deadline=None, max_examples=50)
@given(qrels)
def test_what_was_written_comes_back(tmp_path_factory, judged):
    path = tmp_path_factory.mktemp("qrels") / "deep" / "qrels.tsv"
    write_qrels(path, judged)
    assert read_qrels(path) == judged
    assert [p.name for p in path.parent.iterdir()] == ["qrels.tsv"]


def test_an_id_that_would_break_the_file_is_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "qrels.tsv"
    path.write_bytes(BEIR)
    with pytest.raises(CorpusError, match=r"nothing was written: the id 'd\\t1' holds a control"):
        write_qrels(path, {"q1": {"d1": 1}, "q2": {"d\t1": 1}})
    assert path.read_bytes() == BEIR
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        write_qrels(tmp_path / "file" / "qrels.tsv", EXPECTED)


def test_trec_files_read_as_ir_measures_reads_them(tmp_path):
    (tmp_path / "q").write_bytes(b"q1 0 d1 2\nq2 0 d7 1\nq1 0 d2 0\n")
    theirs = {}
    for judged in ir_measures.read_trec_qrels(str(tmp_path / "q")):
        theirs.setdefault(judged.query_id, {})[judged.doc_id] = judged.relevance
    assert read_qrels(tmp_path / "q") == theirs


@pytest.mark.data
def test_real_qrels_are_read(real_data):
    judged = read_qrels(real_data / "scifact" / "qrels" / "test.tsv")
    assert len(judged) == 300
    assert min(grade for grades in judged.values() for grade in grades.values()) == 1
