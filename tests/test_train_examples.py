import csv
import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from searchkit.errors import ConfigError, CorpusError, StorageError
from searchkit.train.examples import read_examples
from searchkit.train.overlap import refuse_overlap

TRIPLETS = [
    {"query": f"dust {n}", "pos": f"dust grains {n}", "neg": f"bone cells {n}"} for n in range(3)
]
LABELLED = [
    {"sentence_0": "why is glass hard", "sentence_1": "glass is a frozen liquid", "label": 1},
    {"sentence_0": "why is glass hard", "sentence_1": "ما هو الزجاج", "label": 0.25},
]
LISTS = [
    {"query": "stars", "positive": ["a star"], "negative": ["a cell", "a bone", "a risk"]},
    {"query": "bones", "positive": ["a bone"], "negative": []},
]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        kind = "excel-tab" if path.suffix == ".tsv" else "excel"
        table = csv.DictWriter(file, list(rows[0]), dialect=kind)
        table.writeheader()
        table.writerows(
            {k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows
        )
    return str(path)


def write_parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def write_gz(path, rows):
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return str(path)


def write_beir(folder, *, qrels="q1\td1\t1\nq1\td2\t0\nq2\td3\t2\n"):
    (folder / "qrels").mkdir(parents=True)
    docs = [{"_id": f"d{n}", "title": f"title {n}", "text": f"text {n}"} for n in range(1, 5)]
    docs.append({"_id": "d5", "title": "", "text": ""})  # of no use, and not judged
    write_jsonl(folder / "corpus.jsonl", docs)
    write_jsonl(folder / "queries.jsonl", [{"_id": f"q{n}", "text": f"ask {n}"} for n in (1, 2)])
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return str(folder)


@pytest.fixture
def read(tmp_path):
    def reads(source, shape, **options):
        return read_examples([source], shape, cache=tmp_path / "cache", **options)

    return reads


WRITERS = {
    "a.jsonl": write_jsonl,
    "a.csv": write_csv,
    "a.tsv": write_csv,
    "a.parquet": write_parquet,
    "a.jsonl.gz": write_gz,
}


@pytest.mark.parametrize(
    ("rows", "shape"), [(TRIPLETS, "triplets"), (LABELLED, "labelled"), (LISTS, "lists")]
)
def test_every_format_gives_the_same_examples(tmp_path, read, rows, shape):
    found = [read(write(tmp_path / name, rows), shape) for name, write in WRITERS.items()]
    assert len({one.sha256 for one in found}) == 1
    assert all(one.data[:] == found[0].data[:] for one in found)


def test_triplets_keep_their_order_under_our_names(tmp_path, read):
    data = read(write_jsonl(tmp_path / "t.jsonl", TRIPLETS), "triplets").data
    assert data.column_names == ["query", "positive", "negative"]
    assert [list(row.values()) for row in data] == [list(row.values()) for row in TRIPLETS]


def test_pairs_have_no_label_and_no_class_balance(tmp_path, read):
    rows = [{"sentence_0": "a [MATH_tex=F=5]", "sentence_1": "b <CIT>", "split": "val"}]
    found = read(write_jsonl(tmp_path / "p.jsonl", rows), "pairs")
    assert found.data[:] == {"sentence_0": ["a [MATH_tex=F=5]"], "sentence_1": ["b <CIT>"]}
    assert found.n_positive is None


def test_lists_are_flattened_and_the_class_balance_reported(tmp_path, read):
    found = read(write_jsonl(tmp_path / "l.jsonl", LISTS), "lists")
    assert found.data["query"][:] == ["stars"] * 4 + ["bones"]
    assert found.data["document"][:] == ["a star", "a cell", "a bone", "a risk", "a bone"]
    assert found.data["label"][:] == [1, 0, 0, 0, 1]
    assert found.n_positive == 2
    assert found.sentences()[0].endswith("2 lists flattened to 5 pairs.")
    assert found.sentences()[1] == "2 of them (40.0%) have a label above 0."


def test_a_beir_split_gives_judged_pairs(tmp_path, read):
    folder = write_beir(tmp_path / "set")
    found = read(folder, "beir", template="{title} [SEP] {text}")
    assert list(found.data[0].values()) == ["ask 1", "title 1 [SEP] text 1", 1.0]
    assert found.data["label"][:] == [1, 0, 1]
    (tmp_path / "set" / "qrels" / "train.tsv").rename(tmp_path / "set" / "qrels" / "dev.tsv")
    assert read(f"{folder}@dev", "beir").n_rows == 3
    with pytest.raises(CorpusError, match="no split 'train': qrels holds dev"):
        read(folder, "beir")


def test_a_judgement_of_what_is_not_there_stops_or_is_counted(tmp_path, read):
    folder = write_beir(tmp_path / "set", qrels="q1\td1\t1\nq9\td1\t1\nq2\td9\t1\n")
    with pytest.raises(CorpusError, match=r"query 'q9' is judged, but queries\.jsonl has no text"):
        read(folder, "beir")
    found = read(folder, "beir", on_error="skip")
    assert (found.n_rows, found.counts.n_skipped) == (1, 2)
    assert found.counts.reasons == {"unknown query": 1, "unknown document": 1}


@pytest.mark.parametrize(
    "case",
    [
        ({"query": "a", "pos": "b"}, "triplets", "the negative is missing.*neg or negative"),
        ({"query": "a", "pos": " ", "neg": "c"}, "triplets", "'pos' is empty"),
        ({"query": "a", "pos": "b", "neg": None}, "triplets", "'neg' is empty"),
        ({"query": "a", "pos": 7, "neg": "c"}, "triplets", "'pos' holds a number"),
        ({"query": "a", "document": "b", "label": 1.5}, "labelled", r"1.5 is outside 0\.\.1"),
        ({"query": "a", "document": "b", "label": -0.1}, "labelled", r"-0.1 is outside 0\.\.1"),
        ({"query": "a", "document": "b", "label": "1"}, "labelled", "'label' holds '1'"),
        ({"query": "a", "document": "b", "label": None}, "labelled", "'label' holds None"),
        ({"query": "a", "pos": "b", "neg": ["c"]}, "lists", "'pos' holds 'b', not a list"),
        ({"query": "a", "pos": ["b"], "neg": ["c", ""]}, "lists", "'neg' is empty"),
        ({"query": "a", "pos": [], "neg": []}, "lists", "both lists are empty"),
    ],
)
def test_a_row_out_of_shape_is_refused_by_file_and_row(tmp_path, read, case):
    row, shape, why = case
    whole = {"labelled": {"query": "q", "document": "d", "label": 0}, "triplets": TRIPLETS[0]}
    sound = whole.get(shape, LISTS[0])
    path = write_jsonl(tmp_path / "bad.jsonl", [sound, row])
    with pytest.raises(CorpusError, match=f"bad.jsonl:2: .*{why}"):
        read(path, shape)
    assert not list((tmp_path / "cache").iterdir())  # nothing half-written
    found = read(path, shape, on_error="skip")
    assert (found.counts.n_read, found.counts.n_skipped) == (2, 1)
    assert "1 of 2 rows skipped" in found.sentences()[-1]


@pytest.mark.parametrize("label", ["nan", "2", "high", ""])
def test_a_cell_that_spells_no_label_is_refused(tmp_path, read, label):
    path = write_csv(tmp_path / "c.csv", [{"query": "a", "document": "b", "label": label}])
    with pytest.raises(CorpusError, match=r"c\.csv:2: .*label"):
        read(path, "labelled")


def test_an_empty_split_is_refused(tmp_path, read):
    path = write_jsonl(tmp_path / "none.jsonl", [])
    with pytest.raises(CorpusError, match="there is no example in it"):
        read(path, "pairs")
    bad = write_jsonl(tmp_path / "bad.jsonl", [{"sentence_0": ""}] * 2)
    with pytest.raises(CorpusError, match="all rows were skipped: 2 missing sentence_1"):
        read(bad, "pairs", on_error="skip")


@pytest.mark.parametrize(
    "case",
    [
        ("absent.jsonl", "there is no such file"),
        ("rows.txt", "the name does not tell the format"),
        (".", "only shape beir reads"),
        ("-", "Save it as a file first"),
        ("hf:", "no data set is named"),
    ],
)
def test_a_source_that_cannot_be_is_a_sentence(tmp_path, read, monkeypatch, case):
    name, why = case
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(CorpusError, match=why):
        read(name, "pairs")


def test_other_column_names_are_mapped(tmp_path, read):
    rows = [{"question": "a", "passage": "b", "label": 1, "query": "not this"}]
    path = write_jsonl(tmp_path / "m.jsonl", rows)
    mapping = {"query": "question", "sentence_1": "passage"}  # ours, or that of a card
    found = read(path, "labelled", columns=mapping)
    assert list(found.data[0].values()) == ["a", "b", 1.0]
    with pytest.raises(CorpusError, match="no column is called gone"):
        read(path, "labelled", columns={"query": "gone"})
    with pytest.raises(ConfigError, match=r"no column 'documnt'\. Did you mean 'document'"):
        read(path, "labelled", columns={"documnt": "passage"})
    with pytest.raises(ConfigError, match="mapped twice"):
        read(path, "labelled", columns={"document": "a", "sentence_1": "b"})
    with pytest.raises(ConfigError, match="has no columns to map"):
        read(path, "beir", columns={"query": "question"})


def test_a_mapped_label_of_triplets_is_the_margin_to_learn(tmp_path, read):
    rows = [{**row, "margin": n - 1.5} for n, row in enumerate(TRIPLETS)]
    path = write_jsonl(tmp_path / "t.jsonl", rows)
    assert "label" not in read(path, "triplets").data.column_names
    found = read(path, "triplets", columns={"label": "margin"})
    assert found.data["label"][:] == [-1.5, -0.5, 0.5]
    assert found.n_positive is None
    bad = write_jsonl(tmp_path / "bad.jsonl", [{**TRIPLETS[0], "margin": None}])
    with pytest.raises(CorpusError, match="'margin' holds None"):
        read(bad, "triplets", columns={"label": "margin"})


def test_a_file_is_read_once_until_it_changes(tmp_path, read):
    path = tmp_path / "t.jsonl"
    told = []
    first = read(write_jsonl(path, TRIPLETS), "triplets")
    [arrow] = (tmp_path / "cache").glob("*.arrow")
    stamp = arrow.stat().st_mtime_ns
    again = read(str(path), "triplets", progress=lambda *at: told.append(at))
    assert again.counts == first.counts
    assert arrow.stat().st_mtime_ns == stamp
    arrow.write_bytes(arrow.read_bytes()[:-9])  # a copy that was cut is written anew
    assert read(str(path), "triplets").data[:] == first.data[:]
    write_jsonl(path, [{**row, "pos": row["pos"].upper()} for row in TRIPLETS])  # of equal size
    os.utime(path, ns=(0, 0))
    assert read(str(path), "triplets").data["positive"][0] == "DUST GRAINS 0"


def test_many_batches_are_one_table(tmp_path, read):
    rows = [{"sentence_0": f"a {n}", "sentence_1": f"b {n}"} for n in range(2500)]
    told = []
    found = read(
        write_jsonl(tmp_path / "p.jsonl", rows), "pairs", progress=lambda *at: told.append(at)
    )
    assert found.data[2499] == rows[2499]
    assert told == [(1000, 0), (2000, 0), (2500, 2500)]


def test_a_broken_encoding_is_counted_and_mended_on_wish(tmp_path, read):
    rows = [{"sentence_0": "Î”Np63 in cells", "sentence_1": "naïve Δ cells"}]
    path = write_jsonl(tmp_path / "p.jsonl", rows)
    found = read(path, "pairs")
    assert found.data[0] == rows[0]
    assert found.sentences()[-1] == "1 text with a broken encoding left as read."
    mended = read(path, "pairs", fix_text=True)
    assert mended.data[0] == {"sentence_0": "ΔNp63 in cells", "sentence_1": "naïve Δ cells"}


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    path = write_jsonl(tmp_path / "t.jsonl", TRIPLETS)
    with pytest.raises(StorageError, match="cannot be written"):
        read_examples([path], "triplets", cache=tmp_path / "file" / "cache")


def test_several_sources_follow_one_another(tmp_path):
    one, two = (
        write_jsonl(tmp_path / f"{n}.jsonl", rows)
        for n, rows in enumerate([TRIPLETS[:1], TRIPLETS[1:]])
    )
    found = read_examples([one, two], "triplets", cache=tmp_path / "cache")
    assert found.data["query"][:] == ["dust 0", "dust 1", "dust 2"]


def test_an_overlap_is_refused_and_listed(tmp_path, read):
    train = read(write_jsonl(tmp_path / "train.jsonl", LABELLED), "labelled")
    other = {"query": "Why is  glass hard", "document": "glass is a FROZEN liquid", "label": 0}
    clean = {"query": "why is glass hard", "document": "sand melts", "label": 0}
    dev = read(write_jsonl(tmp_path / "dev.jsonl", [clean, other]), "labelled")
    with pytest.raises(CorpusError) as refusal:
        refuse_overlap(train, dev)
    said = str(refusal.value)
    assert said.startswith(f"{train.source}: 1 of 2 training examples also stand in {dev.source}")
    assert "row 1 = row 2 ('why is glass hard' / 'glass is a frozen liquid')" in said
    refuse_overlap(train, read(write_jsonl(tmp_path / "clean.jsonl", [clean]), "labelled"))


def test_overlaps_beyond_the_fifth_are_counted(tmp_path, read):
    rows = [{"query": f"q {n}", "pos": f"p {n}", "neg": f"n {n}"} for n in range(9)]
    train = read(write_jsonl(tmp_path / "train.jsonl", rows), "triplets")
    pairs = [{"query": f"q {n}", "document": f"{'pn'[n % 2]} {n}", "label": 1} for n in range(7)]
    pairs.append({"query": "q 0", "document": "n 0", "label": 0})  # row 1 again: counted once
    dev = read(write_jsonl(tmp_path / "dev.jsonl", pairs), "labelled")
    with pytest.raises(CorpusError, match=r"7 of 9 training .*row 5 = row 5 [^=]*, \.\.\.\. Rem"):
        refuse_overlap(train, dev)


def test_a_hub_data_set_is_read_by_its_split(tmp_path, read):
    (tmp_path / "set").mkdir()
    write_jsonl(tmp_path / "set" / "train.jsonl", TRIPLETS)
    write_jsonl(tmp_path / "set" / "test.jsonl", TRIPLETS[:1])
    name = f"hf:{tmp_path / 'set'}"
    assert read(name, "triplets").n_rows == 3
    assert read(f"{name}@test", "triplets").n_rows == 1
    write_jsonl(tmp_path / "set" / "test.jsonl", TRIPLETS[:2])
    assert read(f"{name}@test", "triplets").n_rows == 2
    with pytest.raises(CorpusError, match=r"cannot be read.*Check its name"):
        read(f"{name}@dev", "triplets")
    with pytest.raises(CorpusError, match="the hub cannot be reached"):
        read("hf:nobody/nothing", "triplets")


@pytest.mark.data
@pytest.mark.parametrize(
    "case",
    [
        ("paperscape_astro/triples_train.jsonl.gz", "triplets", 6016, {}),
        (
            "astro_pairs/pairs.jsonl",
            "pairs",
            1123,
            {"sentence_0": "text_a", "sentence_1": "text_b"},
        ),
        (
            "arabic_qa/pairs_dev.jsonl.gz",
            "labelled",
            2280,
            {"query": "question", "document": "passage"},
        ),
        ("scifact@test", "beir", 339, {}),
        ("scisumm_citance@dev", "beir", 1686, {}),
    ],
)
def test_real_files_have_their_shape(real_data, read, case):
    place, shape, n_rows, columns = case
    assert read(str(real_data / place), shape, columns=columns).n_rows == n_rows
