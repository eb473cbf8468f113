import gzip
import random
import string

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from searchkit.corpus.estimate import CorpusEstimate, estimate
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.errors import CorpusError

RANDOM = random.Random(7)
WORDS = ["".join(RANDOM.choices(string.ascii_lowercase, k=7)) for _ in range(3000)]


def text():
    return " ".join(RANDOM.choices(WORDS, k=RANDOM.randint(60, 140)))


def corpus(kind, n):
    rows = [(f"d{i}", text()) for i in range(n)]
    if kind == "jsonl":
        return "".join(f'{{"_id": "{id_}", "text": "{t}"}}\n' for id_, t in rows).encode()
    return ("id,text\n" + "".join(f'{id_},"{t}\n{t[:20]}"\n' for id_, t in rows)).encode()


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("n", [50, 6000])
def test_an_estimate_is_near_what_is_read(tmp_path, kind, zipped, n):
    path = tmp_path / f"corpus.{kind}{'.gz' if zipped else ''}"
    content = corpus(kind, n)
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    size = estimate([str(path)], ReadOptions())
    ledger = ReadLedger()
    assert sum(1 for _ in read_docs([str(path)], ReadOptions(), ledger=ledger)) == n
    if n == 50:
        assert size == CorpusEstimate(n, len(content), exact=True)
    else:
        assert not size.exact
        assert size.n_docs == pytest.approx(n, rel=0.05)
        assert size.n_bytes == pytest.approx(ledger.bytes_read, rel=0.05)


def test_gzip_members_are_followed(tmp_path):
    content = corpus("jsonl", 300)
    parts = [content[start : start + 5000] for start in range(0, len(content), 5000)]
    (tmp_path / "c.jsonl.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    size = estimate([str(tmp_path / "c.jsonl.gz")], ReadOptions())
    assert size == CorpusEstimate(300, len(content), exact=True)


def test_a_head_that_inflates_without_end_is_cut(tmp_path):
    content = b"\n" * 60_000_000
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(content, 1))
    size = estimate([str(tmp_path / "c.jsonl.gz")], ReadOptions())
    assert not size.exact
    assert size.n_bytes == pytest.approx(len(content), rel=0.05)


def test_parquet_counts_its_rows_and_sources_add_up(tmp_path):
    table = pa.table({"id": [f"d{i}" for i in range(1500)], "text": [text() for _ in range(1500)]})
    pq.write_table(table, tmp_path / "c.parquet")
    content = corpus("jsonl", 10)
    (tmp_path / "c.jsonl").write_bytes(content)
    sources = [str(tmp_path / "c.parquet"), str(tmp_path / "c.jsonl")]
    size = estimate(sources, ReadOptions())
    assert (size.n_docs, size.exact) == (1510, True)
    assert size.n_bytes == pytest.approx(table.nbytes + len(content), rel=0.05)
    pq.write_table(table.slice(0, 0), tmp_path / "c.parquet")
    assert estimate(sources[:1], ReadOptions()) == CorpusEstimate(0, 0, exact=True)


@pytest.mark.parametrize("source", ["-", "hf:some/set", "/dev/null"])
def test_what_cannot_be_sized_is_none(tmp_path, source):
    (tmp_path / "c.jsonl").write_bytes(b"{}\n")
    sources = [str(tmp_path / "c.jsonl"), source]
    assert estimate(sources, ReadOptions(format="jsonl")) is None


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("c.jsonl.gz", b"not gzip", "not sound gzip"),
        ("c.parquet", b"not parquet", "no sound Parquet file"),
        ("c.doc", b"", "does not tell the format"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_a_sentence_here_too(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=why):
        estimate([str(tmp_path / name)], ReadOptions())


def test_a_table_that_csv_cannot_count_is_sized_by_lines(tmp_path):
    (tmp_path / "c.csv").write_bytes(b'id,text\na,"' + b"x\n" * 100_000)
    assert estimate([str(tmp_path / "c.csv")], ReadOptions()).n_docs > 0
    (tmp_path / "long.jsonl").write_bytes(b"x" * 3_000_000)
    size = estimate([str(tmp_path / "long.jsonl")], ReadOptions())
    assert size == CorpusEstimate(3, 3_000_000, exact=False)
