import datetime as dt
import gzip
import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.errors import CorpusError
from searchkit.types import Doc

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def read(tmp_path):
    """Reads bytes, or an Arrow table, as the named file; the documents and the ledger."""

    def _read(content, name, **options):
        if isinstance(content, pa.Table):
            pq.write_table(content, tmp_path / name)
        else:
            (tmp_path / name).write_bytes(content)
        ledger = ReadLedger()
        docs = list(read_docs([str(tmp_path / name)], ReadOptions(**options), ledger=ledger))
        return docs, ledger

    return _read


CSV = b"""id,title,text,year
a,Dust,"Rings, and ""gaps"", and
a second line",2015

b,,Stars.,
"""
TSV = b"""id\ttitle\ttext\tyear
a\tDust\t"Rings, and ""gaps"", and
a second line"\t2015
b\t\tStars.\t
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", CSV),
        ("c.csv.gz", gzip.compress(CSV)),
        ("c.CSV", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n")),
        ("c.tsv", TSV),
        ("c.tsv.gz", gzip.compress(TSV)),
    ],
)
def test_csv_and_tsv_become_documents(read, name, content):
    docs, _ = read(content, name)
    assert [doc.id for doc in docs] == ["a", "b"]
    assert docs[0].text.replace("\r", "") == 'Rings, and "gaps", and\na second line'
    assert docs[0].meta == {"year": 2015}
    assert docs[1] == Doc("b", "", "Stars.")
    assert docs[1].meta == {}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2015", 2015),
        ("-3", -3),
        ("0.25", 0.25),
        ("true", True),
        ("false", False),
        ("007", "007"),
        ("1804.06490", "1804.06490"),
        ("1e5", "1e5"),
        ("nan", "nan"),
        ("٣", "٣"),
        ("-0", "-0"),
        ("True", "True"),
        (" 7", " 7"),
        ("9" * 30, "9" * 30),
    ],
)
def test_a_cell_becomes_a_number_only_where_no_character_is_lost(read, cell, value):
    [doc], _ = read(f"id,text,x\n1,2,{cell}\n".encode(), "c.csv")
    assert doc.meta == {"x": value}
    assert type(doc.meta["x"]) is type(value)
    assert (doc.id, doc.text) == ("1", "2")


def test_a_column_without_a_name_is_named_by_its_place(read):
    [doc], _ = read(b",id,text\n0,a,x\n", "c.csv")
    assert doc.meta == {"column1": 0}


@pytest.mark.parametrize(
    ("rows", "line", "why"),
    [
        (b"a,b\nc,d,e", 2, "2 cells, the header has 3"),
        (b"a,b,c,d", 2, "4 cells, the header has 3"),
        (b'a,b,c\nd,"e,f\ng,h,i', 3, "a double quote that opens here is never closed"),
        (b'a,b,c\nd,"e"x,f', 3, "',' expected after '\"'.*Put the cell in double quotes"),
        (b"a,b,c\nd,e," + b"x" * 131_073, 3, "more than 131,072 characters"),
        (b'a,b,c\nd,e,"' + b"x\n" * 70_000, 3, "close its quote, or use JSONL"),
        (b'a,b,c\nd,"e\n\xff",f', 4, "byte 1 .0xff. is not UTF-8"),
        (b'a,b,c\nd,"e\nx\0",f', 4, "byte 2 is NUL"),
        (b"a,b,c\rd,e,f", 2, "a carriage return stands alone"),
        (b"a,b,c\n,e,f", 3, "the id is empty"),
        (b'a,b,c\nb,"e\ne",f\na,e,f', 5, "the id 'a' occurred before"),
    ],
)
def test_a_bad_row_of_a_table_is_a_sentence_with_its_line(read, rows, line, why):
    with pytest.raises(CorpusError, match=rf"c\.csv:{line}: .*{why}"):
        read(b"id,title,text\n" + rows, "c.csv")


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="the system does not list open files")
@pytest.mark.parametrize(
    ("name", "content"),
    [("c.csv", b"id,text\na,b,c"), ("c.jsonl", b'{"_id": "a"}'), ("c.tsv.gz", b"no gzip")],
)
def test_a_file_is_closed_where_reading_it_failed(read, tmp_path, name, content):
    with pytest.raises(CorpusError) as kept:  # whose traceback holds every frame
        read(content, name)
    open_now = {os.path.realpath(file) for file in OPEN_FILES.iterdir()}
    assert str(tmp_path / name) not in open_now, kept.value


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"id,x,x\n", "c.csv:1: the header names the column 'x' twice"),
        (b'id,"x\n', "c.csv:1: a double quote that opens here"),
        (b"\n\nid,\xff\n", "c.csv:3: byte 4"),
        (b"id\ttext\n1\tx", "c.csv:1: the header is one column.*let the name end in .tsv"),
        (b"id;text\n1;x", "c.csv:1: the header is one column.*semicolons: write commas"),
        ("id,text\na,b\n".encode("utf-16"), "c.csv:1: byte 1 .*looks like UTF-16"),
        (b"", "there is no document in it"),
        (b"id,text\n", "there is no document in it"),
        (b"name,body\na,b", "c.csv:2: the id is missing.*The row has name, body"),
    ],
)
def test_a_header_that_is_none_stops_the_reading(read, header, why):
    with pytest.raises(CorpusError, match=why):
        read(header, "c.csv")


def test_a_quote_left_open_costs_one_row(read):
    content = b'id,text\na,x\nb,"never closed\nc,x\nd,"closed"\ne,x\n' + b"f,x\n"
    docs, ledger = read(content, "c.csv", on_error="skip")
    assert [doc.id for doc in docs] == ["a", "c", "d", "e", "f"]
    assert ledger.n_skipped == 1


def test_rejected_rows_of_a_table_keep_their_text(read, tmp_path):
    rejects = tmp_path / "r.jsonl"
    read(b'id,text\na,x\nb,"y\nz",w\n', "c.csv", on_error="skip", rejects=rejects)
    assert r'"row": "b,\"y\nz\",w"' in rejects.read_text("utf-8")


cells = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(cells, cells), min_size=1), st.sampled_from([",", "\t"]))
def test_what_a_csv_writer_wrote_comes_back(tmp_path_factory, rows, delimiter):
    import csv

    path = tmp_path_factory.mktemp("csv") / ("c.csv" if delimiter == "," else "c.tsv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "title", "text"])
        writer.writerows([f"d{n}", title, f"x{text}"] for n, (title, text) in enumerate(rows))
    back = read_docs([str(path)], ReadOptions(), ledger=ReadLedger())
    expected = [Doc(f"d{n}", title, f"x{text}") for n, (title, text) in enumerate(rows)]
    assert list(back) == expected


def test_parquet_columns_become_metadata_that_a_filter_can_read(read):
    moment = dt.datetime(2015, 4, 1, 12, 30, tzinfo=dt.UTC)
    table = pa.table(
        {
            "id": pa.array([1, 2]),
            "title": ["Dust", None],
            "text": pa.array([b"Rings.", b"Stars."], pa.binary()),
            "year": pa.array([2015, None], pa.int16()),
            "ratio": pa.array([0.5, float("nan")], pa.float32()),
            "price": pa.array([Decimal("1.25"), None]),
            "open": [True, False],
            "authors": [["A", "B"], []],
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "day": pa.array([dt.date(2015, 4, 1), None]),
            "moment": pa.array([moment, None], pa.timestamp("ns", "Asia/Tokyo")),
            "naive": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("ns")),
            "place": [{"x": 1, "y": dt.date(2015, 4, 1)}, None],
            "image": pa.array([b"\xff\xd8", None]),
        }
    )
    docs, ledger = read(table, "c.parquet")
    assert docs == [Doc("1", "Dust", "Rings."), Doc("2", "", "Stars.")]
    moments = {name: docs[0].meta.pop(name) for name in ("moment", "naive")}
    assert {name: dt.datetime.fromisoformat(spelled) for name, spelled in moments.items()} == {
        "moment": moment,
        "naive": moment.replace(tzinfo=None),
    }
    assert docs[0].meta == {
        "year": 2015,
        "ratio": 0.5,
        "price": 1.25,
        "open": True,
        "authors": ["A", "B"],
        "kind": "x",
        "day": "2015-04-01",
        "place": '{"x": 1, "y": "2015-04-01"}',
        "image": '"\\\\xff\\\\xd8"',
    }
    assert docs[1].meta == {"open": False, "authors": [], "kind": "y"}
    assert ledger.n_nested == 2


def test_years_beyond_the_calendar_do_not_stop_a_reading(read):
    table = pa.table({"id": ["a"], "text": ["x"], "t": pa.array([2**60], pa.timestamp("us"))})
    [doc], _ = read(table, "c.parquet")
    assert isinstance(doc.meta["t"], str)


def test_bad_rows_of_parquet_are_named_by_their_number(read, tmp_path):
    texts = pa.array([b"x", b"caf\xe9", b"y"], pa.binary())
    strings = pa.Array.from_buffers(pa.string(), 3, texts.buffers())
    table = pa.table({"id": ["a", "b", None], "text": strings})
    with pytest.raises(CorpusError, match=r"c\.parquet:2: byte 4 \(0xe9\) is not UTF-8"):
        read(table, "c.parquet")
    rejects = tmp_path / "r.jsonl"
    _, ledger = read(table, "c.parquet", on_error="skip", rejects=rejects)
    assert ledger.reasons == {"invalid UTF-8": 1, "empty id": 1}
    assert '"line": 3, "why": "the id is empty' in rejects.read_text("utf-8")


def test_a_file_that_is_no_parquet_is_a_sentence(read):
    with pytest.raises(CorpusError, match=r"no sound Parquet file .*Write it again"):
        read(b"PAR1 but no more", "c.parquet")
    with pytest.raises(CorpusError, match="there is no document"):
        read(pa.table({"id": pa.array([], pa.string())}), "c.parquet")


def test_parquet_is_read_in_batches(read):
    n = 2500
    table = pa.table({"id": [f"d{i}" for i in range(n)], "text": ["x"] * n})
    docs, ledger = read(table, "c.parquet")
    assert [doc.id for doc in docs] == [f"d{i}" for i in range(n)]
    assert ledger.bytes_read >= sum(len(doc.id) + 1 for doc in docs)


def test_a_data_set_is_streamed_by_name(tmp_path):
    (tmp_path / "set").mkdir()
    rows = '{"_id": "a", "title": "Dust", "text": "Rings.", "day": "2015-04-01", "x": {"y": 1}}\n'
    (tmp_path / "set" / "train.jsonl").write_text(rows)
    ledger = ReadLedger()
    [doc] = read_docs([f"hf:{tmp_path / 'set'}"], ReadOptions(), ledger=ledger)
    assert doc == Doc("a", "Dust", "Rings.")
    assert doc.meta["day"].startswith("2015-04-01")
    assert doc.meta["x"] == '{"y": 1}'
    assert (ledger.n_docs, ledger.n_nested) == (1, 1)
    assert ledger.bytes_read > 0


@pytest.mark.parametrize(
    ("source", "options", "why"),
    [
        ("hf:", {}, "no data set is named"),
        ("hf:nobody/nothing", {}, "the hub cannot be reached. Go online"),
        ("hf:{folder}", {"hub_split": "test"}, "cannot be read.*Check its name"),
        ("hf:{folder}:other", {}, "cannot be read.*Check its name"),
        ("hf:{folder}/none", {}, "cannot be read.*Check its name"),
    ],
)
def test_a_data_set_that_cannot_be_read_is_one_sentence(tmp_path, source, options, why):
    (tmp_path / "train.jsonl").write_text('{"_id": "a", "text": "x"}\n')
    docs = read_docs([source.format(folder=tmp_path)], ReadOptions(**options), ledger=ReadLedger())
    with pytest.raises(CorpusError, match=why) as error:
        list(docs)
    assert "\n" not in str(error.value)
