import gzip
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from searchkit.corpus.estimate import estimate
from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.queries import read_queries
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.corpus.runs import read_run
from searchkit.errors import CorpusError

PIECES = [
    *(
        b'{"_id": "a", "title": "x", "text": "y"}',
        b'{"id": 1, "text": "\\ud800"}',
        b"id,title,text",
    ),
    *(
        b'a,"b',
        b'c",d',
        b"id\ttext",
        b"q 0 d 1",
        b"q Q0 d 1 0.5 t",
        b"q\td\t1",
        b'"',
        b"\\",
        b"{",
        b"}",
    ),
    *(b"[", b"\n", b"\r\n", b"\r", b"\t", b",", b" ", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(
        b"NaN",
        b"1e999",
        "é".encode(),
        "Ã©".encode(),
        "ุง".encode(),
        b"\xed\xa0\x80",
        b"\x85",
        b"\xe2\x80\xa8",
    ),
]
contents = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=30).map(b"".join),
)
relaxed = settings(deadline=None)  # the first call imports what it needs
NAMES = ["c.jsonl", "c.csv", "c.tsv", "c.jsonl.gz", "c.csv.gz", "c.parquet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@contextmanager
def at_most_one_sentence():
    error = None
    try:
        yield
    except CorpusError as caught:
        error = caught
    assert error is None or "\n" not in str(error)


def stored(folder, name, content, zipped):
    path = folder / name
    path.write_bytes(gzip.compress(content, 1) if zipped and name.endswith(".gz") else content)
    return path


options = st.builds(
    ReadOptions,
    on_error=st.sampled_from(["stop", "skip"]),
    fix_text=st.booleans(),
    columns=st.sampled_from([{}, {"text": "title"}]),
)


@relaxed
@given(contents, st.sampled_from(NAMES), st.booleans(), options)
def test_any_bytes_are_documents_or_a_sentence(folder, content, name, zipped, options):  # noqa: PLR0917
    path = stored(folder, name, content, zipped)
    options = replace(options, rejects=folder / "rejects.jsonl")
    ledger = ReadLedger()
    seen = []
    with at_most_one_sentence():
        seen.extend(read_docs([str(path)], options, ledger=ledger))
        assert seen
    assert len({doc.id for doc in seen}) == len(seen) <= ledger.n_docs
    assert all(doc.id.strip() and (doc.title + doc.text).strip() for doc in seen)
    assert ledger.n_skipped == ledger.reasons.total()
    assert ledger.sentences()


@relaxed
@given(contents, st.sampled_from(NAMES), st.booleans())
def test_any_bytes_have_a_size_or_a_sentence(folder, content, name, zipped):
    path = stored(folder, name, content, zipped)
    with at_most_one_sentence():
        size = estimate([str(path)], ReadOptions())
        assert size.n_docs >= 0


@pytest.mark.parametrize("read", [read_queries, read_qrels, read_run])
@relaxed
@given(content=contents, name=st.sampled_from(["c.jsonl", "c.tsv", "c.tsv.gz", "c"]))
@example(content=b"q\xc2\x85 Q0 d 1 1 t", name="c")
def test_any_bytes_are_queries_judgements_a_run_or_a_sentence(folder, read, content, name):
    path = stored(folder, name, content, zipped=True)
    with at_most_one_sentence():
        assert read(path)


@relaxed
@given(st.data())
def test_a_parquet_file_with_a_wrong_byte_is_documents_or_a_sentence(folder, data):
    path = folder / "good.parquet"
    table = pa.table({"id": ["a", "b"], "text": ["x", "y" * 50], "n": [1, None]})
    pq.write_table(table, path, compression="none")
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "bad.parquet").write_bytes(content)
    with at_most_one_sentence():
        list(read_docs([str(folder / "bad.parquet")], ReadOptions(), ledger=ReadLedger()))
