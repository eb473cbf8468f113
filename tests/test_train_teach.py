"""A teacher's scores become labels, exactly, and a student learns them."""

import json
import random
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest
import train_samples as samples
from cli_sample import invoke
from tiny_models import save_bert, save_encoder

import searchkit
from searchkit.cli.teach import stays_for_a_run_that_can_go_on
from searchkit.errors import CorpusError
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.models.quiet import quiet
from searchkit.train.examples import read_examples
from searchkit.train.kept_scores import KeptScores
from searchkit.train.run import train
from searchkit.train.teach import TeachCounts, teach
from searchkit.train.teachers import ModelTeacher

DRAW = random.Random(7)
DOCS = {f"d{n}": samples.sentence(DRAW, 8) for n in range(30)}
QUERIES = [samples.sentence(DRAW, 4) for _ in range(12)]
TRIPLETS = [
    {
        "query": query,
        "positive_id": f"d{n}",
        "negative_id": f"d{12 + (n + m) % 18}",
        "positive": DOCS[f"d{n}"],
        "negative": DOCS[f"d{12 + (n + m) % 18}"],
    }
    for n, query in enumerate(QUERIES)
    for m in range(3)
]
LABELLED = [
    {"query": row["query"], "document": row[side], "document_id": row[f"{side}_id"], "label": label}
    for row in TRIPLETS
    for side, label in (("positive", 1), ("negative", 0))
]


def save_cross_encoder(folder, seed=0):
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    raw = save_bert(folder.with_name(f"{folder.name}-raw"))
    torch.manual_seed(seed)
    with quiet():
        model = BertForSequenceClassification(BertConfig.from_pretrained(raw, num_labels=1))
        torch.nn.init.normal_(model.classifier.weight, std=0.3)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(raw).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_cross_encoder(tmp_path_factory.mktemp("teacher") / "bert")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    rows = [{"id": id_, "text": text} for id_, text in DOCS.items()]
    corpus = samples.write_rows(folder / "c.jsonl", rows)
    encoder = save_encoder(folder / "encoder")
    searchkit.build(corpus, out=folder / "x", encoders=[str(encoder)])
    return folder / "x"


def taught(folder, rows, *arguments, out="t.jsonl"):
    path = samples.write_rows(folder / "rows.jsonl", rows)
    done = invoke("teach", path, "--out", folder / out, *arguments)
    assert done.exit_code == 0, done.stderr
    note = json.loads((folder / f"{out}.json").read_text())
    if out.endswith(".parquet"):
        return pq.read_table(folder / out).to_pylist(), note, done.stderr
    return [json.loads(line) for line in (folder / out).read_text().splitlines()], note, done.stderr


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_margin_is_the_difference_of_the_teachers_scores(teacher, tmp_path, kind):
    rows, note, said = taught(tmp_path, TRIPLETS, "--teacher", teacher, out=f"t.{kind}")
    scorer = open_cross_encoder(str(teacher))
    assert [row["query"] for row in rows] == [row["query"] for row in TRIPLETS]
    for row in rows:
        high, low = scorer.score(row["query"], [row["positive"], row["negative"]]).tolist()
        assert row["positive_score"] == pytest.approx(high, abs=1e-5)
        assert row["negative_score"] == pytest.approx(low, abs=1e-5)
        assert row["margin"] == row["positive_score"] - row["negative_score"]
    assert note["teacher"]["fingerprint"] == scorer.fingerprint
    assert note["counts"]["n_rows"] == len(TRIPLETS)
    assert note["counts"]["n_pairs"] == 4 * len(QUERIES)  # a positive is scored once
    assert "--column label=margin" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rows.jsonl",
        f"t.{kind}",
        f"t.{kind}.json",
    ]


@pytest.mark.parametrize("shape", ["triplets", "labelled", "lists"])
def test_a_softmax_over_labels_is_that_over_the_teachers_scores(teacher, tmp_path, shape):
    by_query = {query: [] for query in QUERIES}
    for row in TRIPLETS:
        by_query[row["query"]] += [row["positive"], row["negative"]]
    lists = [
        {"query": query, "positives": texts[:1], "negatives": texts[1::2]}
        for query, texts in by_query.items()
    ]
    rows = {"triplets": TRIPLETS, "labelled": LABELLED, "lists": lists}[shape]
    call = ["--teacher", teacher, "--shape", shape, "--loss", "listwise"]
    found, note, _ = taught(tmp_path, rows, *call)
    scorer, span = open_cross_encoder(str(teacher)), note["counts"]["span"]
    for query, texts in by_query.items():
        own = [row for row in found if row["query"] == query]
        assert [row["document"] for row in own] == list(dict.fromkeys(texts))
        labels = np.array([row["label"] for row in own])
        scores = scorer.score(query, [row["document"] for row in own])
        assert np.allclose(softmax(labels * span), softmax(scores), atol=1e-5)
    labels = [row["label"] for row in found]
    assert min(labels) == 0  # the widest list reaches it
    assert max(labels) == 1
    read = read_examples([str(tmp_path / "t.jsonl")], "labelled", cache=tmp_path / "cache")
    assert read.n_rows == 4 * len(QUERIES)


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


@pytest.mark.parametrize("stage", ["bm25", "dense", "fused"])
@pytest.mark.parametrize("shape", ["triplets", "labelled"])
def test_a_first_stage_teaches_the_scores_of_its_search(index, tmp_path, stage, shape):
    rows = {"triplets": TRIPLETS, "labelled": LABELLED}[shape]
    call = ["--teacher", stage, "--index", index, "--shape", shape]
    found, note, _ = taught(tmp_path, rows, *call)
    with searchkit.open(index) as searcher:
        ranked = searcher.rank(QUERIES, k=30, stage=stage)
    scores = {query: dict(hits) for query, hits in zip(QUERIES, ranked, strict=True)}
    ids = {text: id_ for id_, text in DOCS.items()}
    given = [("positive", "positive_score"), ("negative", "negative_score")]
    for row in found:
        for side, score in given if shape == "triplets" else [("document", "score")]:
            wanted = scores[row["query"]].get(ids[row[side]], 0)
            assert row[score] == pytest.approx(wanted, abs=1e-6)
    assert (note["teacher"]["name"], note["teacher"]["generation"]) == (stage, 1)
    assert len({row["margin" if shape == "triplets" else "label"] for row in found}) > 10


def test_a_beir_folder_is_taught(teacher, tmp_path):
    (tmp_path / "set/qrels").mkdir(parents=True)
    docs = [{"_id": id_, "title": "title", "text": text} for id_, text in DOCS.items()]
    samples.write_rows(tmp_path / "set/corpus.jsonl", docs)
    samples.write_rows(tmp_path / "set/queries.jsonl", [{"_id": "q", "text": QUERIES[0]}])
    (tmp_path / "set/qrels/train.tsv").write_text("query\tdoc\tgrade\nq\td1\t1\nq\td2\t0\n")
    call = ["teach", tmp_path / "set", "--shape", "beir", "--template", "{title}: {text}"]
    done = invoke(*call, "--teacher", teacher, "--out", tmp_path / "t.jsonl")
    assert done.exit_code == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["document"] for row in rows] == [f"title: {DOCS[id_]}" for id_ in ("d1", "d2")]
    assert sorted(row["label"] for row in rows) == [0, 1]


def test_a_document_that_reads_otherwise_is_counted(index, tmp_path):
    rows = [{**TRIPLETS[0], "negative": "another text"}, *TRIPLETS[1:]]
    _, note, said = taught(tmp_path, rows, "--teacher", "bm25", "--index", index)
    assert list(note["remarks"].values()) == [1]
    assert "1 documents that read otherwise in the index" in said


class Counting:
    """A teacher that knows how often it was asked, and may stop."""

    def __init__(self, stop=-1):
        self.n_blocks, self.stop = 0, stop
        self.identity, self.remarks = {"kind": "counting"}, {}

    def score(self, asked):
        if self.n_blocks == self.stop:
            raise KeyboardInterrupt
        self.n_blocks += 1
        texts = [text for one in asked for text in one.documents]
        return np.array([hash_of(text) for text in texts], np.float32)


def hash_of(text):
    return sum(map(ord, text)) % 1009 / 100


@pytest.fixture
def many(tmp_path):
    rows = [
        {"query": f"query {n // 2}", "document": f"document {n}", "label": 0} for n in range(2000)
    ]
    return samples.read(tmp_path, rows, "labelled")


def test_a_run_that_was_stopped_asks_for_the_rest_only(many, tmp_path):
    def run(teacher, name):
        counts = TeachCounts()
        kept = tmp_path / name
        return list(teach(many, teacher, "listwise", kept=kept, counts=counts)), counts

    whole, counts = run(Counting(), "whole")
    assert (counts.n_kept, counts.n_rows, counts.n_queries) == (0, 2000, 1000)
    with pytest.raises(KeyboardInterrupt):
        run(Counting(stop=2), "cut")
    with (tmp_path / "cut").open("ab") as file:
        file.write(b"\0\1\2")  # a kill in the middle of a score
    rest = Counting()
    again, counts = run(rest, "cut")
    assert again == whole
    assert rest.n_blocks == 2
    assert counts.n_kept == 1024


def test_kept_scores_of_other_work_are_not_taken(tmp_path):
    for key in (b"a" * 32, b"b" * 32):
        with KeptScores(tmp_path / "kept", key) as kept:
            assert kept.n_old == 0
            kept.take(2, lambda: np.array([1, 2], np.float32))
    with KeptScores(tmp_path / "kept", b"b" * 32) as kept:
        assert kept.take(2, pytest.fail).tolist() == [1, 2]


def test_ctrl_c_leaves_no_file_and_the_same_command_goes_on(teacher, tmp_path):
    rows = [{**row, "query": f"{row['query']} {n}"} for n in range(20) for row in TRIPLETS]
    path, out = samples.write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "t.jsonl"

    def interrupt(done, total):
        assert total == len(rows)
        signal.raise_signal(signal.SIGINT)

    def stopped():
        with stays_for_a_run_that_can_go_on(out) as folder:
            data = read_examples([str(path)], "triplets", cache=folder)
            model = ModelTeacher(open_cross_encoder(str(teacher)))
            settings = {"kept": folder / "scores", "counts": TeachCounts(), "progress": interrupt}
            teach(data, model, "margin-mse", **settings)

    with pytest.raises(KeyboardInterrupt, match="the same command goes on from there"):
        stopped()
    assert not out.exists()
    call = ["teach", path, "--out", out, "--teacher"]
    assert "is no alias" in refused_last(*call, "nobody")
    done = invoke(*call, teacher)
    assert done.exit_code == 0, done.stderr
    note = json.loads((tmp_path / "t.jsonl.json").read_text())
    assert 500 < note["counts"]["n_kept"] < note["counts"]["n_pairs"]
    assert not list(tmp_path.glob(".t.jsonl*"))


def test_a_student_moves_towards_its_teacher(teacher, tmp_path):
    draw = random.Random(3)
    rows = [
        {side: samples.sentence(draw, 4) for side in ("query", "positive", "negative")}
        for _ in range(200)
    ]
    found, _, _ = taught(tmp_path, rows, "--teacher", teacher)
    data = read_examples(
        [str(tmp_path / "t.jsonl")],
        "triplets",
        columns={"label": "margin"},
        cache=tmp_path / "cache",
    )
    student = with_another_head(teacher, tmp_path / "student")
    recipe = samples.recipe(
        str(student), shape="triplets", loss="margin-mse", epochs=4, batch_size=8, dropout=0.0
    )
    train(recipe, data, None, tmp_path / "trained", device="cpu")
    wanted = [row["margin"] for row in found]
    before, after = (margins(folder, found) for folder in (student, tmp_path / "trained"))
    assert correlation(before, wanted) < 0.5
    assert correlation(after, wanted) > 0.8


def with_another_head(folder, out):
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    with quiet():
        model = BertForSequenceClassification.from_pretrained(folder)
        torch.manual_seed(1)
        torch.nn.init.normal_(model.classifier.weight, std=0.3)
        model.save_pretrained(out)
        AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    return out


def margins(folder, rows):
    scorer = open_cross_encoder(str(folder))
    pairs = [scorer.score(row["query"], [row["positive"], row["negative"]]) for row in rows]
    return [float(high - low) for high, low in pairs]


def correlation(one, other):
    return float(np.corrcoef(one, other)[0, 1])


class Alike(Counting):
    def score(self, asked):
        return np.ones(sum(map(len, asked)), np.float32)


def test_a_teacher_without_an_opinion_is_refused(many, tmp_path):
    with pytest.raises(CorpusError, match="scores all documents of each query alike"):
        teach(many, Alike(), "listwise", kept=tmp_path / "kept", counts=TeachCounts())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--teacher", "fused"], "is a stage of an index. Name it with --index"),
        (["--teacher", "nobody"], "'nobody' is no alias, folder or hub name"),
        (["--teacher", "minilm"], "minilm is a bi-encoder"),
        (["--teacher", "bm26", "--index", "INDEX"], "there is no stage 'bm26'"),
        (["--teacher", "reranked", "--index", "INDEX"], "bm25, dense and fused can teach"),
        (["--teacher", "bm25", "--index", "INDEX", "--shape", "lists"], "shape lists has none"),
        (["--teacher", "x", "--shape", "labelled", "--loss", "margin-mse"], "not labelled"),
        (["--teacher", "bm25", "--index", "INDEX", "--device", "cpu"], "--device has no effect"),
    ],
)
def test_what_cannot_teach_is_one_sentence(index, tmp_path, options, why):
    path = samples.write_rows(tmp_path / "rows.jsonl", TRIPLETS)
    options = [index if option == "INDEX" else option for option in options]
    assert why in refused_last("teach", path, "--out", tmp_path / "t.jsonl", *options)
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"positive_id": "d99"}, "document 'd99' is not in"),
        ({"positive_id": ""}, "the id is empty"),
        ({"positive_id": None, "drop": "positive_id"}, "positive_id"),
    ],
)
def test_ids_that_do_not_fit_the_index_are_refused(index, tmp_path, row, why):
    broken = {**TRIPLETS[0], **row}
    broken = {key: v for key, v in broken.items() if key not in ("drop", row.get("drop"))}
    path = samples.write_rows(tmp_path / "rows.jsonl", [broken, *TRIPLETS[1:]])
    call = ["teach", path, "--out", tmp_path / "t.jsonl", "--teacher", "bm25", "--index", index]
    assert why in refused_last(*call)
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


def refused_last(*arguments):
    """The last line on stderr: what was read may be told before."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    return result.stderr.strip().splitlines()[-1]
