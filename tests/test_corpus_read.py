import gzip
import io
import json
import sys
import zlib

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.errors import ConfigError, CorpusError, StorageError
from searchkit.types import Doc

GOOD = {"_id": "d1", "title": "Dust in rings", "text": "Rings of dust scatter light."}


def line(**changes):
    row = GOOD | changes
    return orjson.dumps({name: value for name, value in row.items() if value is not ...})


@pytest.fixture
def read(tmp_path):
    """Reads bytes as the named file; the documents and the ledger."""

    def _read(content, name="corpus.jsonl", **options):
        (tmp_path / name).write_bytes(content)
        ledger = ReadLedger()
        docs = list(read_docs([str(tmp_path / name)], ReadOptions(**options), ledger=ledger))
        return docs, ledger

    return _read


def test_a_line_becomes_a_document_with_typed_metadata(read):
    extra = {"year": 2015, "open": True, "score": 0.5, "venue": "ApJ", "authors": ["A", "B"]}
    [doc], ledger = read(line(**extra, note=None, empty={}))
    assert doc == Doc("d1", "Dust in rings", "Rings of dust scatter light.")
    assert doc.meta == extra
    assert (ledger.n_docs, ledger.n_nested) == (1, 0)


def test_metadata_that_no_column_holds_is_kept_as_json_and_counted(read):
    [doc], ledger = read(line(place={"x": [1, None]}, ranks=[1, "two"], tags=[]))
    assert {name: json.loads(doc.meta[name]) for name in ("place", "ranks")} == {
        "place": {"x": [1, None]},
        "ranks": [1, "two"],
    }
    assert doc.meta["tags"] == []
    assert ledger.n_nested == 2
    assert "2 metadata values of nested or unusual kind kept as JSON." in ledger.sentences()


@pytest.mark.parametrize(
    ("row", "doc"),
    [
        ({"id": "a", "abstract": "Stars."}, Doc("a", "", "Stars.")),
        ({"_id": 7, "title": None, "text": "Stars."}, Doc("7", "", "Stars.")),
        ({"_id": "a", "title": "Stars", "text": None}, Doc("a", "Stars", "")),
        ({"_id": "a", "id": "b", "text": "Stars.", "abstract": "No."}, Doc("a", "", "Stars.")),
    ],
)
def test_beir_names_and_their_usual_variants_are_known(read, row, doc):
    assert read(orjson.dumps(row))[0] == [doc]


def test_a_mapping_overrides_the_known_names(read):
    row = {"doi": "10.1/x", "headline": "Dust", "body": "Rings.", "text": "other", "_id": 3}
    columns = {"id": "doi", "title": "headline", "text": "body"}
    [doc], _ = read(orjson.dumps(row), columns=columns)
    assert doc == Doc("10.1/x", "Dust", "Rings.")
    assert doc.meta == {"text": "other", "_id": 3}


def test_a_column_that_is_mapped_is_taken_once(read):
    [doc], _ = read(orjson.dumps({"id": "a", "title": "Only a title"}), columns={"text": "title"})
    assert doc == Doc("a", "", "Only a title")


BAD = {
    "malformed JSON": (b'{"_id": "a", ', "column 14: this is not JSON"),
    "not an object": (b'[{"_id": "a"}]', r"an array, not an object.*jq -c '\.\[\]'"),
    "missing id": (line(_id=...), "the id is missing: no column is called _id or id"),
    "missing text": (line(text=..., body="x"), "row has _id, title, body; .*--column text=NAME"),
    "empty id": (line(_id=" "), "the id is empty"),
    "duplicate id": (line(_id="first"), "the id 'first' occurred before"),
    "wrong type": (line(_id=True), "the id is true or false"),
    "control character in id": (line(_id="a\tb"), r"'a\\tb' holds a control character"),
    "no text": (line(title="", text=" "), "document 'd1' has neither title nor text"),
    "invalid UTF-8": (b'{"_id": "caf\xe9"}', r"byte 13 \(0xe9\) is not UTF-8.*iconv"),
    "NUL byte": (b'{"_id": "a\0b"}', "byte 11 is NUL"),
    "lone surrogate": (rb'{"_id": "a", "text": "\ud800"}', "half a surrogate pair"),
    "NaN or Infinity": (b'{"_id": "NaN", "a": [1, NaN]}', "column 25: NaN is no number of JSON"),
    "number too large": (b'{"_id": "a", "n": 1e999}', "column 19: the number is too large"),
    "line too long": (b'{"_id": "' + b"a" * 10_000_001 + b'"}', "longer than 10 MB"),
}
MORE_BAD = {
    "wrong type": [
        (line(_id=1.5), "the id is a number"),
        (line(_id=["a"]), "the id is a list"),
        (line(text=["a", "b"]), "column 'text' holds a list"),
        (line(title=3), "column 'title' holds a number"),
    ],
    "NUL byte": [
        (rb'{"_id": "a", "text": "a\u0000b"}', "column 'text' holds a NUL character"),
        (line().decode().encode("utf-16-le"), "every other byte is NUL.*iconv -f UTF-16"),
    ],
    "NaN or Infinity": [
        ('{"é🔭": "é", "n":-Infinity}'.encode(), "column 17: -Infinity is no number"),
        (b'{"n": nan}', "column 7: nan is no number"),
        (b"NaN", "column 1: NaN is no number"),
    ],
    "malformed JSON": [(b"{", "one object a line, e.g. with jq -c ."), (b'{"a":1,', "jq -c .")],
    "not an object": [(b"3", "a number, not"), (b"null", "null, not"), (b'"x"', "a string, not")],
    "invalid UTF-8": [(b"\xff\xfe{\0", "looks like UTF-16")],
    "empty id": [(line(_id=None), "the id is empty"), (line(_id=""), "the id is empty")],
    "line too long": [(line(text="a" * 10_000_001), "longer than 10 MB")],
}
ALL_BAD = [(reason, *case) for reason, case in BAD.items()] + [
    (reason, *case) for reason, cases in MORE_BAD.items() for case in cases
]


@pytest.mark.parametrize(("reason", "bad", "why"), ALL_BAD, ids=lambda case: str(case)[:30])
def test_a_bad_line_stops_with_file_and_line(read, reason, bad, why):
    with pytest.raises(CorpusError, match=rf"corpus\.jsonl:3: .*{why}") as error:
        read(b"\n".join([line(_id="first"), b"", bad, line(_id="last")]))
    assert error.value.line == 3
    assert len(str(error.value).rpartition("corpus.jsonl")[2]) < 300


def test_skipping_rejects_and_counts_what_stopping_stops_at(read, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    content = b"\n".join([line(_id="first"), *(bad for bad, _ in BAD.values()), line(_id="last")])
    docs, ledger = read(content, on_error="skip", rejects=rejects)
    assert [doc.id for doc in docs] == ["first", "last"]
    assert (ledger.n_docs, ledger.n_skipped) == (2, len(BAD))
    assert set(ledger.reasons) == set(BAD)
    rows = [json.loads(row) for row in rejects.read_text("utf-8").splitlines()]
    assert [row["line"] for row in rows] == list(range(2, 2 + len(BAD)))
    assert rows[0]["row"] == '{"_id": "a", '
    assert all(row["where"].endswith("corpus.jsonl") and row["why"] for row in rows)
    assert max(len(row["row"]) for row in rows) == 1000


def test_skipping_without_a_rejects_file_still_counts(read):
    docs, ledger = read(b"{}\n" + line(), on_error="skip")
    assert len(docs) == 1
    assert ledger.sentences()[1] == "1 row skipped: 1 missing id."


def test_a_rejects_file_that_cannot_be_written_is_a_sentence(read, tmp_path):
    with pytest.raises(StorageError, match="rejected rows cannot be written"):
        read(b"{}\n" + line(), on_error="skip", rejects=tmp_path / "none" / "rejects.jsonl")


def test_a_rejects_file_is_of_this_reading(read, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    for content, n_rejected in ((b"{}\n" + line(), 1), (line(), 0)):
        read(content, on_error="skip", rejects=rejects)
        assert len(rejects.read_text().splitlines()) == n_rejected
    with pytest.raises(StorageError, match="rejected rows cannot be written"):
        read(line(), on_error="skip", rejects=tmp_path / "none" / "rejects.jsonl")


def test_a_full_disk_under_the_rejects_file_is_told_of_that_file(read, tmp_path):
    full = tmp_path / "rejects.jsonl"
    full.symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"^\S+/rejects\.jsonl: rejected rows .*No space left"):
        read(b"{}\n" + line(), on_error="skip", rejects=full)


def test_ids_with_blanks_are_counted_and_the_first_is_named(read):
    spaces = (" ", "\u00a0", "\u3000")  # a tab is a control character, and is refused
    rows = [line(), *(line(_id=f"a{space}b") for space in spaces), line(_id="a-b")]
    docs, ledger = read(b"\n".join(rows))
    assert (len(docs), ledger.n_blank_ids) == (5, 3)
    said = ledger.sentences()[-1]
    assert said.startswith("3 document ids hold a blank, first 'a b' at ")
    assert "corpus.jsonl:2: search finds them, but `run` cannot" in said
    assert ReadLedger.from_counts(json.loads(json.dumps(ledger.counts()))) == ledger
    assert "1 document id holds a blank" in read(rows[1])[1].sentences()[-1]
    assert read(rows[0])[1].sentences()[1:] == []


@pytest.mark.parametrize("content", [b"", b"\n \r\n\n", b"\xef\xbb\xbf"])
def test_a_corpus_without_documents_is_refused(read, content):
    with pytest.raises(CorpusError, match="there is no document in it"):
        read(content)


def test_a_corpus_of_bad_rows_only_is_refused_with_the_reasons(read):
    with pytest.raises(CorpusError, match="all rows were skipped: 2 missing id"):
        read(b"{}\n{}\n", on_error="skip")


def test_byte_order_marks_are_removed_and_counted(read):
    mark = b"\xef\xbb\xbf"
    docs, ledger = read(mark + line() + b"\r\n" + mark + line(_id="d2"))
    assert [doc.id for doc in docs] == ["d1", "d2"]
    assert ledger.n_bom == 2
    assert ledger.sentences()[-1] == "2 byte order marks removed."


def test_ids_are_unique_over_all_sources(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(line())
    paths = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    with pytest.raises(CorpusError, match=r"b\.jsonl:1: the id 'd1' occurred before"):
        list(read_docs(paths, ReadOptions(), ledger=ReadLedger()))


def test_a_gzip_file_cut_anywhere_is_told_after_its_last_whole_line(read):
    content = b"\n".join(line(_id=f"{n * n * n * 7}") for n in range(40_000))
    zipped = gzip.compress(content)
    assert len(content) > 1 << 20
    for n_kept in (len(zipped) // 2, len(zipped) - 100_000, len(zipped) - 12):
        n_lines = zlib.decompressobj(wbits=31).decompress(zipped[:n_kept]).count(b"\n")
        assert n_lines > 1000
        with pytest.raises(CorpusError, match="the gzip file ends too early") as error:
            read(zipped[:n_kept], "corpus.jsonl.gz")
        assert error.value.line == n_lines + 1


def test_a_byte_order_mark_may_be_cut_by_gzip(read):
    members = gzip.compress(b"\xef") + gzip.compress(b"\xbb") + gzip.compress(b"\xbf" + line())
    docs, ledger = read(members, "corpus.jsonl.gz")
    assert (len(docs), ledger.n_bom) == (1, 1)


def test_gzip_reads_as_the_plain_file(read):
    content = b"\n".join(line(_id=f"d{n}") for n in range(500))
    plain, _ = read(content)
    half = len(content) // 2
    members = gzip.compress(content[:half]) + gzip.compress(content[half:])
    zipped, ledger = read(members, "corpus.jsonl.gz")
    assert zipped == plain
    assert ledger.bytes_read == len(content)


THREE = b"\n".join(line(_id=f"d{n}") for n in range(3)) + b"\n"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("c.jsonl.gz", gzip.compress(line() * 9999)[:-9], r"gz:1: the gzip file ends too early"),
        ("c.jsonl.gz", gzip.compress(THREE)[:-9], r"gz:4: the gzip file ends too early"),
        ("c.jsonl.gz", gzip.compress(THREE)[:-8] + bytes(8), r"gz:4: the gzip file is damaged"),
        ("c.jsonl.gz", gzip.compress(THREE) + b"more", r"gz:4: the gzip file is damaged"),
        ("c.jsonl.gz", line(), "gz:1: this is not sound gzip"),
        ("c.jsonl.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\0 nonsense", "the gzip file is damaged"),
        ("c.jsonl", gzip.compress(line()), "compressed with gzip. Give the file a name"),
        ("c.jsonl", b"PK\x03\x04\x14", "the content is a zip archive. Unpack it first"),
        ("c.jsonl", b"\xfd7zXZ\0\0", "compressed with xz. Unpack"),
        ("c.csv", b"PAR1\x15", "is a Parquet file. Give it a name"),
        ("c.xyz", line(), "the name does not tell the format"),
        ("c.parquet.gz", line(), "Parquet is compressed inside"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_a_sentence(read, name, content, why):
    with pytest.raises(CorpusError, match=why):
        read(content, name)
    with pytest.raises(CorpusError, match=why):
        read(content, name, on_error="skip")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("none.jsonl", "there is no such file"),
        ("folder", "holds no corpus.jsonl or corpus.jsonl.gz"),
        ("file/x.jsonl", "the file cannot be read"),
        ("x" * 300 + ".jsonl", "the file cannot be read"),
        ("a\0b.jsonl", "the file cannot be read"),
    ],
)
def test_a_source_that_cannot_be_read_is_a_sentence_before_any_is_read(tmp_path, source, why):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "good.jsonl").write_bytes(line())
    sources = [str(tmp_path / "good.jsonl"), str(tmp_path / source)]
    with pytest.raises(CorpusError, match=why):
        read_docs(sources, ReadOptions(), ledger=ReadLedger())


def test_a_beir_folder_is_a_source(tmp_path):
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(line()))
    [doc] = read_docs([str(tmp_path)], ReadOptions(), ledger=ReadLedger())
    assert doc.id == "d1"
    (tmp_path / "corpus.jsonl").write_bytes(line(_id="plain"))
    [doc] = read_docs([str(tmp_path)], ReadOptions(), ledger=ReadLedger())
    assert doc.id == "plain"


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("jsonl", line()),
        ("jsonl.gz", gzip.compress(line())),
        ("tsv", b"id\ttitle\ttext\nd1\tDust in rings\tRings of dust scatter light."),
    ],
)
def test_standard_input_and_nameless_files_need_a_format(monkeypatch, tmp_path, form, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    expected = [Doc("d1", "Dust in rings", "Rings of dust scatter light.")]
    assert list(read_docs(["-"], ReadOptions(format=form), ledger=ReadLedger())) == expected
    (tmp_path / "pipe").write_bytes(content)
    sources = [str(tmp_path / "pipe")]
    assert list(read_docs(sources, ReadOptions(format=form), ledger=ReadLedger())) == expected


def test_standard_input_is_named_in_errors(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{")))
    with pytest.raises(CorpusError, match=r"^standard input:1: column 2: this is not JSON"):
        list(read_docs(["-"], ReadOptions(format="jsonl"), ledger=ReadLedger()))
    with pytest.raises(CorpusError, match=r"^standard input: the format is not known"):
        read_docs(["-"], ReadOptions(), ledger=ReadLedger())
    with pytest.raises(CorpusError, match=r"^standard input: Parquet cannot be streamed"):
        read_docs(["-"], ReadOptions(format="parquet"), ledger=ReadLedger())


def test_wrong_options_are_one_sentence():
    with pytest.raises(ConfigError) as error:
        ReadOptions(columns={"ttle": "a", "id": "a"}, on_error="go", format="xml")
    for why in ("no field 'ttle'", "mapped twice", "not 'go'", "not 'xml'"):
        assert why in str(error.value)


def test_sources_are_a_list():
    with pytest.raises(TypeError, match="need a list of sources"):
        read_docs("corpus.jsonl", ReadOptions(), ledger=ReadLedger())
    with pytest.raises(CorpusError, match="no source is named"):
        read_docs([], ReadOptions(), ledger=ReadLedger())


def test_a_broken_encoding_is_counted_and_repaired_on_request(read):
    broken = line(title="The role of Î”Np63", text="Sound.")
    docs, ledger = read(broken + b"\n" + line(_id="d2", title="é"))
    assert (ledger.n_broken, ledger.n_fixed) == (1, 0)
    assert docs[0].title == "The role of Î”Np63"
    assert "1 document with a broken encoding left as fed in" in ledger.sentences()[-1]
    docs, ledger = read(broken, fix_text=True)
    assert docs[0].title == "The role of ΔNp63"
    assert ledger.sentences()[-1] == "1 document with a broken encoding repaired."


def test_memory_does_not_grow_with_a_line_that_never_ends(read):
    import tracemalloc

    content = b"a" * 60_000_000 + b"\n" + line()
    tracemalloc.start()
    try:
        docs, ledger = read(content, on_error="skip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(docs) == 1
    assert ledger.reasons == {"line too long": 1}
    assert peak < 45_000_000


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.lists(texts, max_size=3),
)
ids = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text.strip() and "\ufeff" not in text
)


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        ids,
        st.tuples(texts, texts, st.dictionaries(st.sampled_from(["year", "é", "x y"]), scalars)),
        min_size=1,
    )
)
def test_what_was_written_as_jsonl_comes_back(tmp_path_factory, corpus):
    docs = [Doc(id_, title, f"x{text}", meta) for id_, (title, text, meta) in corpus.items()]
    rows = [{"_id": d.id, "title": d.title, "text": d.text, **d.meta} for d in docs]
    path = tmp_path_factory.mktemp("round") / "corpus.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    back = list(read_docs([str(path)], ReadOptions(), ledger=ReadLedger()))
    assert back == docs
    assert [doc.meta for doc in back] == [doc.meta for doc in docs]


def test_a_ledger_comes_back_from_its_counts(read):
    _, ledger = read(b"{}\n" + line(place={"x": 1}), on_error="skip")
    counts = json.loads(json.dumps(ledger.counts()))
    assert ReadLedger.from_counts(counts) == ledger
    assert ReadLedger.from_counts(counts | {"later": 1}).sentences() == ledger.sentences()


@pytest.mark.data
def test_real_collections_are_read_whole(real_data):
    ledger = ReadLedger()
    folders = [str(real_data / "scifact")]
    assert sum(1 for _ in read_docs(folders, ReadOptions(), ledger=ledger)) == 5183
    assert ledger.n_skipped == ledger.n_bom == 0
    assert 0 < ledger.n_broken < 20


def test_rejected_rows_are_never_written_into_the_corpus(tmp_path):
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}\n')
    before = corpus.read_bytes()
    (tmp_path / "link").symlink_to(corpus)
    for rejects in (corpus, tmp_path / "link"):
        options = ReadOptions(on_error="skip", rejects=rejects)
        with pytest.raises(CorpusError, match="is part of the corpus"):
            list(read_docs([str(corpus)], options, ledger=ReadLedger()))
    assert corpus.read_bytes() == before
