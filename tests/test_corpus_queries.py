import gzip

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.corpus.queries import read_queries
from searchkit.errors import CorpusError
from searchkit.types import Query

EXPECTED = [Query("1", "dust in rings"), Query("q 2", "why « rings »?")]
JSONL = (
    '{"_id": 1, "text": "dust in rings", "kind": "x"}\n\n{"id": "q 2", "text": "why « rings »?"}'
)
TSV = "1\tdust in rings\r\n\r\nq 2\twhy « rings »?\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.jsonl", JSONL.encode()),
        ("q.json", b"\xef\xbb\xbf" + JSONL.encode()),
        ("q.jsonl.gz", gzip.compress(JSONL.encode())),
        ("q.tsv", TSV.encode()),
        ("q.TSV.gz", gzip.compress(TSV.encode())),
        ("q.tsv", b"id\ttext\n" + TSV.encode()),
    ],
)
def test_queries_are_read_in_file_order(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_queries(tmp_path / name) == EXPECTED


def test_text_after_the_first_tab_is_the_query(tmp_path):
    (tmp_path / "q.tsv").write_bytes(b'1\t"a\tb" c')
    assert read_queries(tmp_path / "q.tsv") == [Query("1", '"a\tb" c')]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("q.jsonl", b'{"_id": "1", "text": "x"}\n{"_id": 1, "text": "y"}', "q.jsonl:2: .*'1' occ"),
        ("q.jsonl", b'{"_id": "1"}', "q.jsonl:1: a query needs _id and text. The line has _id"),
        ("q.jsonl", b"{}", "The line has nothing"),
        ("q.jsonl", b'{"_id": "1", "text": " "}', "query '1' has no text"),
        ("q.jsonl", b'{"_id": "1", "text": ["x"]}', "column 'text' holds a list"),
        ("q.jsonl", b'{"_id": "", "text": "x"}', "the id is empty"),
        ("q.jsonl", b'\n{"_id', "q.jsonl:2: column 6: this is not JSON"),
        ("q.tsv", b"1 dust in rings", "q.tsv:1: a line is the query's id, a tab"),
        ("q.tsv", b"1\t", "query '1' has no text"),
        ("q.tsv", b"1\tcaf\xe9", "byte 6"),
        ("q.tsv", b"1\t" + b"x" * 10_000_001, "longer than 10 MB"),
        ("q.tsv", b"\n\n", "there is no query in it"),
        ("q.txt", b"1\tx", "does not tell the format"),
        ("q.tsv.gz", b"1\tx", "not sound gzip"),
    ],
)
def test_a_line_that_is_no_query_is_a_sentence(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=why):
        read_queries(tmp_path / name)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(CorpusError, match="there is no such file"):
        read_queries(tmp_path / "none.tsv")


words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(words, words, min_size=1))
def test_queries_written_as_json_or_tsv_come_back(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("queries")
    expected = [Query(id_, text) for id_, text in texts.items()]
    rows = [orjson.dumps({"_id": query.id, "text": query.text}) for query in expected]
    (folder / "q.jsonl").write_bytes(b"\n".join(rows))
    (folder / "q.tsv").write_text("".join(f"{q.id}\t{q.text}\n" for q in expected), "utf-8")
    assert read_queries(folder / "q.jsonl") == read_queries(folder / "q.tsv") == expected


@pytest.mark.data
def test_real_queries_are_read(real_data):
    queries = read_queries(real_data / "scifact" / "queries.jsonl")
    assert len(queries) == len({query.id for query in queries}) == 1109


def test_a_nul_character_in_a_query_becomes_a_space_and_is_logged(tmp_path, caplog):
    (tmp_path / "q.jsonl").write_bytes(b'{"_id": "1", "text": "a\\u0000b"}\n')
    (tmp_path / "q.tsv").write_bytes(b"1\ta\0b\n")
    for name in ("q.jsonl", "q.tsv"):
        assert read_queries(tmp_path / name) == [Query("1", "a b")]
        assert f"{name}:1: a NUL character" in caplog.text
