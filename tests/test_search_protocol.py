import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import save_cross_encoder, save_encoder

import searchkit
from searchkit import sample
from searchkit.errors import ConfigError, CorpusError, FormatError, ModelError, ModelMismatch
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.index.tokens_change import add_tokens
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.rerank import RerankOptions
from searchkit.search.api import IndexOptions, OpenOptions, open_searcher
from searchkit.search.choose import choose
from searchkit.search.pipeline import Pipeline
from searchkit.search.protocol.file import read_protocol, writing
from searchkit.search.protocol.methods import spell_methods
from searchkit.search.protocol.record import rank_all, recording
from searchkit.search.protocol.replay import replay
from searchkit.search.protocol.value import Entry, IndexState, Protocol
from searchkit.types import Query

QUERIES = searchkit.read_queries(sample.queries_path())[:12]
STATE = IndexState(
    path="indexes/x",
    generation=3,
    fingerprint="a" * 64,
    content={"documents": "b" * 64, "postings": "c" * 64},
    n_docs=2,
    analyzer="english",
    pipeline=Pipeline().to_dict(),
)
PROTOCOL = Protocol(
    **{"stage": "bm25", "k": 5, "where": None, "lexical": "searchkit", "batch": 256},
    **{"pipeline": Pipeline(), "index": STATE, "encoders": {}, "reranker": None},
    **{"versions": {"numpy": "2"}, "device": "cpu", "written": "2026-11-21T12:00:00+00:00"},
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_encoder(folder / "encoder")
    save_cross_encoder(folder / "reranker")
    return folder


@pytest.fixture(scope="module")
def built(models, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "sample"
    searchkit.build(sample.corpus_path(), out=out, encoders=[str(models / "encoder")])
    return out


@pytest.fixture
def index(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "index"))


def recorded(path, index, *, stage="bm25", k=10, where=None, **options):
    """A protocol of twelve queries, and what was found."""
    with open_searcher(index, options=OpenOptions(device="cpu", **options)) as searcher:
        rank_all(searcher, QUERIES, k, stage=stage, where=where, protocol=path)
    return path


def pipeline_of(models):
    rerank = RerankOptions(depth=5, interpolation=0.3)
    reranker = str(models / "reranker")
    return Pipeline(encoders=(str(models / "encoder"),), reranker=reranker, rerank=rerank)


def rewritten(path, change):
    """The same protocol, its entries changed, with a hash that fits them."""
    held = read_protocol(path)
    entries = list(held.entries())
    with writing(path, held.protocol) as writer:
        for entry in entries:
            writer.add(change(entry))


SCORES = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(data=st.data(), zipped=st.booleans())
def test_what_is_written_is_read_back(tmp_path_factory, data, zipped):
    path = tmp_path_factory.mktemp("p") / ("p.jsonl.gz" if zipped else "p.jsonl")
    entries = []
    for _ in range(data.draw(st.integers(0, 4))):
        scores = np.array(data.draw(SCORES), np.float32)
        ids = data.draw(st.lists(TEXT, min_size=len(scores), max_size=len(scores), unique=True))
        query = Query(data.draw(TEXT), data.draw(TEXT))
        entries.append(
            Entry(query, ids, scores, dict.fromkeys(ids, "0"), data.draw(st.none() | TEXT))
        )
    with writing(path, PROTOCOL) as writer:
        for entry in entries:
            writer.add(entry)
    held = read_protocol(path)
    assert held.protocol == PROTOCOL
    assert held.n_queries == len(entries)
    for found, entry in zip(held.entries(), entries, strict=True):
        assert (found.query, found.ids, found.left_out) == (entry.query, entry.ids, entry.left_out)
        assert found.digests == entry.digests
        assert found.scores.tobytes() == entry.scores.tobytes()


@pytest.mark.parametrize("stage", ["bm25", "dense", "fused", "reranked"])
@pytest.mark.parametrize("where", [None, "year >= 2005"])
def test_a_replay_gives_the_same_bits(models, index, tmp_path, *, stage, where):
    path = recorded(
        tmp_path / "p.jsonl", index, stage=stage, where=where, pipeline=pipeline_of(models)
    )
    found = replay(path)
    assert found.verdict == (
        "The same ranking: 12 of 12 queries identical, scores equal to the last bit."
    )
    assert (found.is_same, found.n_identical, found.changes) == (True, 12, [])
    assert found.n_recorded > 12


def test_stored_tokens_change_nothing_that_a_replay_looks_at(models, index, tmp_path):
    path = recorded(tmp_path / "p.jsonl", index, stage="reranked", pipeline=pipeline_of(models))
    add_tokens(index, open_cross_encoder(str(models / "reranker")))
    found = replay(path)
    assert found.is_same
    assert found.n_identical == 12
    assert [str(change) for change in found.changes] == [
        "generation: 1 then, 2, of the same content now"
    ]


def test_a_replay_runs_what_was_recorded_not_what_the_index_would_run(index, tmp_path):
    path = recorded(tmp_path / "p.jsonl", index)
    with open_searcher(index) as searcher:
        number, own = searcher.index.generation.number, choose(searcher.index)
    with unchanged(index, number) as live:
        promoted = replace(own, bm25=replace(own.bm25, k1=0.3))
        switch_pipeline(index, live, promoted.to_dict())
    found = replay(path)
    assert found.n_identical == 12
    assert [str(change) for change in found.changes] == [
        "generation: 1 then, 2, of the same content now",
        "pipeline of the index, bm25.k1: 1.2 then, 0.3 now",
    ]


def test_an_index_that_was_moved_is_found_where_it_is_said_to_lie(index, tmp_path):
    path = recorded(tmp_path / "p.jsonl", index)
    index.rename(tmp_path / "elsewhere")
    with pytest.raises(FormatError, match=r"the index of .*p\.jsonl is not there.*--index PATH"):
        replay(path)
    assert replay(path, index=tmp_path / "elsewhere").n_identical == 12


def test_a_changed_document_and_one_that_is_gone_are_named(index, models, tmp_path):
    path = recorded(tmp_path / "p.jsonl", index, k=146)
    rows = [json.loads(line) for line in sample.corpus_path().read_text("utf-8").splitlines()]
    hits = [id_ for entry in read_protocol(path).entries() for id_ in entry.ids]
    gone, changed = hits[0], next(id_ for id_ in hits if id_ != hits[0])
    corpus = tmp_path / "changed.jsonl"
    with corpus.open("w") as file:
        for row in rows:
            if row["_id"] == changed:
                row["text"] = "Nothing of it is left."
            if row["_id"] != gone:
                file.write(json.dumps(row) + "\n")
    options = IndexOptions(replace=True)
    searchkit.build(corpus, out=index, encoders=[str(models / "encoder")], options=options)
    found = replay(path)
    assert not found.is_same
    assert (found.gone, found.changed) == ([gone], [changed])
    assert (found.first.query, found.first.rank, found.first.then.doc) == (QUERIES[0].id, 1, gone)
    assert found.first.now.doc != gone
    assert found.overlap < 1
    whats = {change.what: change for change in found.changes}
    assert whats["documents in the index"][1:] == ("146", "145")
    assert {"index content", "its documents", "its postings"} <= whats.keys()
    assert found.verdict.startswith("Another ranking: ")
    json.dumps(found.to_dict())


def test_another_reranker_of_the_name_is_said_and_its_ranking_compared(models, index, tmp_path):
    shutil.copytree(models / "reranker", tmp_path / "reranker")
    pipeline = replace(pipeline_of(models), reranker=str(tmp_path / "reranker"))
    path = recorded(tmp_path / "p.jsonl", index, stage="reranked", pipeline=pipeline)
    shutil.rmtree(tmp_path / "reranker")
    save_cross_encoder(tmp_path / "reranker", seed=9)
    found = replay(path)
    [change] = found.changes
    assert change.what == f"reranker {tmp_path / 'reranker'}"
    assert not found.is_same
    assert found.overlap == 1
    shutil.rmtree(tmp_path / "reranker")
    with pytest.raises(ModelError, match="reranker"):
        replay(path)


def test_an_encoder_that_changed_or_is_no_longer_in_the_index_is_a_sentence(
    index, models, tmp_path
):
    path = recorded(tmp_path / "p.jsonl", index, stage="fused", pipeline=pipeline_of(models))
    searchkit.build(
        sample.corpus_path(), out=index, encoders=[], options=IndexOptions(replace=True)
    )
    with pytest.raises(ModelMismatch, match=r"holds no vectors of .*searchkit encoder add"):
        replay(path)


def test_scores_that_differ_by_rounding_are_the_same_ranking(index, tmp_path):
    path = recorded(tmp_path / "p.jsonl", index)
    rewritten(path, lambda entry: replace(entry, scores=entry.scores + np.float32(4e-6)))
    found = replay(path)
    assert (found.is_same, found.n_identical, found.first) == (True, 0, None)
    assert 1e-6 < found.largest_gap < 1e-5
    assert found.verdict.startswith("The same ranking, scores differ by at most ")
    rewritten(path, lambda entry: replace(entry, scores=entry.scores + np.float32(1)))
    assert "more than rounding" in replay(path).verdict


def test_one_swap_is_another_ranking(index, tmp_path):
    path = recorded(tmp_path / "p.jsonl", index)

    def swap(entry):
        if entry.query.id != QUERIES[3].id:
            return entry
        return replace(entry, ids=[*entry.ids[:2], entry.ids[3], entry.ids[2], *entry.ids[4:]])

    rewritten(path, swap)
    found = replay(path)
    assert (found.n_queries, found.n_same_order, found.n_identical) == (12, 11, 11)
    assert (found.first.query, found.first.rank) == (QUERIES[3].id, 3)
    assert found.overlap == 1


def test_a_ranking_that_ends_earlier_now_differs_at_its_end(index, tmp_path):
    path = recorded(tmp_path / "p.jsonl", index, k=3)
    more = {"ids": ["more"], "scores": np.zeros(1, np.float32)}
    rewritten(
        path,
        lambda entry: replace(
            entry,
            ids=[*entry.ids, *more["ids"]],
            scores=np.concatenate([entry.scores, more["scores"]]),
        ),
    )
    first = replay(path).first
    assert (first.rank, first.then.doc, first.now) == (4, "more", None)


def test_a_paper_as_the_query_is_left_out_again(index, tmp_path):
    path = tmp_path / "p.jsonl"
    with open_searcher(index) as searcher:
        doc = searcher.index[searcher.index.row("bio-001")]
        answer = searcher.like(doc, 5, stage="bm25")
        with recording(path, searcher, stage="bm25", k=5, where=None) as recorder:
            query = Query("1", f"{doc.title} {doc.text}")
            recorder.add_hits(query, answer.hits, left_out=doc.id)
    [entry] = read_protocol(path).entries()
    assert len(entry.ids) == 5
    assert "bio-001" not in entry.ids
    assert replay(path).n_identical == 1


def test_each_document_is_described_once(index, tmp_path):
    entries = list(read_protocol(recorded(tmp_path / "p.jsonl", index, k=50)).entries())
    described = [id_ for entry in entries for id_ in entry.digests]
    assert len(described) == len(set(described))
    assert set(described) == {id_ for entry in entries for id_ in entry.ids}


def test_an_interrupted_search_leaves_no_protocol(index, tmp_path):
    path = tmp_path / "p.jsonl"

    def interrupt(done, total):
        raise KeyboardInterrupt

    with open_searcher(index) as searcher, pytest.raises(KeyboardInterrupt):
        rank_all(searcher, QUERIES, stage="bm25", protocol=path, progress=interrupt)
    assert [one.name for one in tmp_path.iterdir()] == ["index"]


def test_more_than_a_line_can_hold_is_refused(tmp_path):
    entry = Entry(Query("q", "text"), ["x" * 10_000_001], np.zeros(1, np.float32), {})
    with (
        pytest.raises(ConfigError, match="smaller -k"),
        writing(tmp_path / "p", PROTOCOL) as writer,
    ):
        writer.add(entry)
    assert list(tmp_path.iterdir()) == []


def written(path, n=2):
    with writing(path, PROTOCOL) as writer:
        for i in range(n):
            writer.add(Entry(Query(f"q{i}", "text"), ["d"], np.ones(1, np.float32), {"d": "0"}))
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("harm", "error", "why"),
    [
        (lambda lines: [], CorpusError, "nothing in it"),
        (lambda lines: [b"{}\n"], CorpusError, "no protocol of a search"),
        (lambda lines: [b"not JSON\n"], CorpusError, "no protocol of a search"),
        (lambda lines: lines[:1], CorpusError, "ends too early"),
        (lambda lines: lines[:-1], CorpusError, "p.jsonl:3: the protocol ends too early"),
        (lambda lines: [*lines[:1], *lines[2:]], CorpusError, "changed after it was written"),
        (lambda lines: [lines[0], *lines[2:0:-1], lines[3]], CorpusError, "changed after"),
        (
            lambda lines: [lines[0], lines[1].replace(b"1.0", b"1.5"), *lines[2:]],
            CorpusError,
            "changed after it was written",
        ),
        (
            lambda lines: [lines[0].replace(b'"k":5', b'"k":6'), *lines[1:]],
            CorpusError,
            "changed after it was written",
        ),
        (
            lambda lines: [lines[0].replace(b'"stage"', b'"stages"'), *lines[1:]],
            CorpusError,
            "does not hold what a protocol holds",
        ),
        (
            lambda lines: [lines[0].replace(b'protocol":1', b'protocol":2'), *lines[1:]],
            FormatError,
            "format 2, this searchkit reads 1 to 1",
        ),
        (
            lambda lines: [lines[0].replace(b'protocol":1', b'protocol":0'), *lines[1:]],
            FormatError,
            "format 0",
        ),
    ],
)
def test_a_harmed_file_is_a_sentence(tmp_path, harm, error, why):
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"".join(harm(written(path))))
    with pytest.raises(error, match=why):
        read_protocol(path)


def test_a_file_that_is_absent_or_no_sound_gzip_is_a_sentence(tmp_path):
    with pytest.raises(CorpusError, match="no such file"):
        read_protocol(tmp_path / "absent")
    path = tmp_path / "p.jsonl.gz"
    written(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="gzip"):
        read_protocol(path)


def test_a_line_that_is_no_query_is_named(tmp_path):
    class Odd:
        def to_dict(self):
            return {"id": "q", "documents": ["d"], "scores": []}

    path = tmp_path / "p.jsonl"
    with writing(path, PROTOCOL) as writer:
        writer.add(Odd())
    with pytest.raises(CorpusError, match=r"p\.jsonl:2: the line is no query"):
        list(read_protocol(path).entries())


def test_the_methods_hold_the_facts(models, index, tmp_path):
    pipeline = pipeline_of(models)
    path = recorded(
        tmp_path / "p.jsonl", index, stage="reranked", where="year >= 2005", pipeline=pipeline
    )
    protocol, said = read_protocol(path).protocol, replay(path).methods
    for fact in (
        "12 queries were ranked against 146 documents, restricted to those with year >= 2005",
        f"content fingerprint {protocol.index.fingerprint[:12]}, english text analysis",
        f"on {protocol.written[:10]}.",
        "The 1,000 best documents of BM25 (lucene, k1 = 1.2, b = 0.75) and of ",
        f"(fingerprint {protocol.encoders[str(models / 'encoder')][:12]})",
        "were fused by reciprocal ranks (k0 = 60, equal weights).",
        f"The first 5 were reranked by {models / 'reranker'} ",
        f"(fingerprint {protocol.reranker[:12]}), its min-max scores mixed with a share of 0.3",
        "At most 10 documents of each query were kept.",
        f"numpy {np.__version__}",
        "device: cpu.",
    ):
        assert fact in said, said


def test_the_methods_of_bm25_name_no_model(tmp_path):
    said = spell_methods(replace(PROTOCOL, lexical="rank-bm25"), n_queries=1)
    assert said.startswith("1 query was ranked against 2 documents (content")
    assert "Documents were ranked by BM25 (rank-bm25, k1 = 1.2, b = 0.75)." in said
    assert "fused" not in said
    assert "reranked" not in said
