"""Options that can change nothing: each is refused by name before any work."""

import json
from dataclasses import replace

import pytest
from cli_sample import build_sample, invoke, refused
from tiny_models import save_encoder

from searchkit import sample
from searchkit.cli.idle import refuse_idle
from searchkit.errors import ConfigError
from searchkit.models.fakes import HashEncoder, OverlapScorer
from searchkit.rerank import RerankOptions
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline, factory
from searchkit.search.stages import Stages


@pytest.fixture(scope="module")
def lexical(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("idle") / "sample")


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """An index of two documents whose encoder is random."""
    folder = tmp_path_factory.mktemp("dense")
    encoder = save_encoder(folder / "tiny", max_tokens=16)
    corpus = folder / "c.jsonl"
    rows = [{"_id": str(n), "text": text} for n, text in enumerate(["bone dust", "a galaxy"])]
    corpus.write_text("\n".join(map(json.dumps, rows)))
    made = invoke("index", corpus, "--out", folder / "x", "--encoder", encoder)
    assert made.exit_code == 0, made.stderr
    return folder / "x", str(encoder)


@pytest.mark.parametrize(
    "option",
    [
        ["--ann", "flat"],
        ["--ann", "auto"],  # written out, a default is a wish like any other
        ["--passages", "sentence"],
        ["--dtype", "float32"],
        ["--device", "cpu"],
        ["--query-prompt", "q: "],
        ["--doc-prompt", ""],
        ["--max-tokens", 64],
        ["--trust-remote-code"],
    ],
)
def test_an_index_without_vectors_takes_no_option_of_vectors(tmp_path, option):
    options = ["--out", tmp_path / "x", *option]
    said = refused("index", sample.corpus_path(), *options, "--lexical-only")
    assert f"{option[0]} has no effect: --lexical-only" in said
    arabic = invoke("index", sample.corpus_path(), *options, "--analyzer", "arabic")
    assert f"{option[0]} has no effect: no encoder is named" in arabic.stderr
    assert not (tmp_path / "x").exists()


def test_rejects_need_rows_that_are_skipped(tmp_path):
    options = ["--out", tmp_path / "x", "--lexical-only", "--rejects", tmp_path / "r"]
    assert "Add --on-error skip" in refused("index", sample.corpus_path(), *options)


SEARCH = [
    (["--fusion", "kind=rrf"], "--fusion has no effect: bm25 ranks alone"),
    (["--depth", 10], "--depth has no effect: bm25 ranks alone"),
    (["--rerank-depth", 10], "--rerank-depth has no effect: no reranker takes part"),
    (["--interpolation", 0.5], "--interpolation has no effect: no reranker takes part"),
    (["--rerank-scale", "raw"], "--rerank-scale has no effect: no reranker takes part"),
    (["--reranker", "tinybert", "--stage", "bm25"], "--reranker has no effect: stage bm25 ends"),
    (["--device", "cpu"], "--device has no effect: no model takes part"),
    (["--trust-remote-code"], "--trust-remote-code has no effect: no model takes part"),
    (["--where", ""], "--where is empty"),
    (["--where", " "], "--where is empty"),
    (["--stage", ""], "--stage is empty"),
    (["--reranker", ""], "--reranker is empty"),
    (["--bm25", ""], "--bm25 is empty"),
    (["--bm25", ","], "--bm25: ',' is not written like"),
    (["--bm25", "k1=1,k1=2"], "--bm25: k1 is written twice"),
    (["--bm25", "delta=1"], "delta has no effect: the variant is lucene"),
    (["--lexical", "rank-bm25", "--bm25", "title_weight=2"], "title_weight has no effect"),
]


@pytest.mark.parametrize(("options", "why"), SEARCH)
def test_a_lexical_search_refuses_what_can_change_nothing(lexical, tmp_path, options, why):
    assert why in refused("search", lexical, "disc", *options)
    run = ["--queries", sample.queries_path(), "--out", tmp_path / "a.run"]
    assert why in refused("run", lexical, *run, *options)
    assert not (tmp_path / "a.run").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--stage", "TINY", "--fusion", "kind=rrf"], "TINY ranks alone"),
        (["--stage", "TINY", "--depth", 5], "TINY ranks alone"),
        (["--stage", "TINY", "--bm25", "k1=1"], "BM25 has no part in stage TINY"),
        (["--stage", "dense", "--lexical", "searchkit"], "BM25 has no part in stage dense"),
        (["--stage", "dense", "--fusion", "bm25=0.5,TINY=0.5"], "the weight of bm25"),
        (["--fusion", "bm25=0.5,TINY=0.5,kind=convex,k0=20"], "k0 has no effect: the fusion is"),
        (
            ["--fusion", "kind=rrf,normaliser=min-max"],
            "normaliser has no effect: the fusion",
        ),
    ],
)
def test_a_search_by_vectors_refuses_what_can_change_nothing(dense, options, why):
    index, encoder = dense
    options = [str(option).replace("TINY", encoder) for option in options]
    assert why.replace("TINY", encoder) in refused("search", index, "bone", *options)


def test_what_can_change_something_is_taken(dense):
    index, encoder = dense
    for options in (
        ["--fusion", f"bm25=0.5,{encoder}=0.5,kind=rrf,k0=20", "--depth", 5, "--device", "cpu"],
        ["--stage", "fused", "--fusion", "kind=convex,normaliser=min-max"],
        ["--stage", encoder, "--bm25", "k1=1", "--explain"],
        ["--stage", "bm25", "--bm25", "variant=l,delta=0.3"],
    ):
        found = invoke("search", index, "bone", *options)
        assert found.exit_code == 0, (options, found.stderr)


def test_an_option_that_stands_twice_is_refused(lexical):
    twice = ["--bm25", "k1=1", "--bm25", "b=0.1"]
    assert "--bm25 stands there twice" in refused("search", lexical, "disc", *twice)
    measures = ["-m", "nDCG@10", "-m", "nonsense"]  # which may be repeated: both are read
    run = ["eval", "a.run", "--qrels", sample.qrels_path()]
    assert "'nonsense' is unknown" in refused(*run, *measures)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["index", "", "--out", "OUT"], "CORPUS"),
        (["index", sample.corpus_path(), "", "--out", "OUT"], "CORPUS"),
        (["index", sample.corpus_path(), "--out", ""], "--out"),
        (["add", "INDEX", " "], "CORPUS"),
        (["sync", "", sample.corpus_path()], "INDEX"),
        (["delete", "INDEX", "", "astro-001"], "ID"),
        (["search", "", "disc"], "INDEX"),
        (["compact", ""], "INDEX"),
        (["why-not", "INDEX", "disc", ""], "DOC_ID"),
    ],
)
def test_an_empty_argument_is_not_the_folder_here(lexical, tmp_path, arguments, name):
    given = {"INDEX": lexical, "OUT": tmp_path / "x"}
    said = refused(*(given.get(str(one), one) for one in arguments))
    assert said.startswith(f"searchkit: {name} is empty. ")
    assert not (tmp_path / "x").exists()


def test_an_empty_query_finds_nothing_and_says_why(lexical):
    assert "is empty" not in invoke("why-not", lexical, "", "astro-001").stderr


def test_the_repl_and_why_not_refuse_them_too(lexical):
    assert "--device has no effect" in refused("repl", lexical, "--device", "cpu")
    assert "--reranker is empty" in refused("repl", lexical, "--reranker", "")
    asked = ["why-not", lexical, "disc", "astro-001"]
    assert "--device has no effect" in refused(*asked, "--device", "cpu")
    assert "--where is empty" in refused(*asked, "--where", "")


def test_with_a_reranker_its_settings_and_the_depth_of_one_retriever_count():
    stages = Stages(Pipeline(), {"bm25": Lazy.of(None)}, Lazy.of(OverlapScorer()), [])
    for flag in ("depth", "rerank_depth", "interpolation", "device", "bm25"):
        refuse_idle({flag: f"--{flag}"}, stages)
    with pytest.raises(ConfigError, match="nothing is fused"):
        refuse_idle({"fusion": "--fusion"}, stages)
    with pytest.raises(ConfigError, match="the reranker ranks alone"):
        refuse_idle({"rerank_scale": "--rerank-scale"}, stages)
    mixed = Pipeline(rerank=RerankOptions(interpolation=0.5))
    refuse_idle({"rerank_scale": "--rerank-scale"}, replace(stages, pipeline=mixed))
    with pytest.raises(ConfigError, match="stage bm25 ends before the reranker"):
        refuse_idle({"rerank_depth": "--rerank-depth"}, stages, stage="bm25")


def test_several_encoders_are_fused_without_bm25():
    encoders = {name: Lazy.of(HashEncoder()) for name in ("one", "two")}
    stages = Stages(factory(["one", "two"]), {"bm25": Lazy.of(None), **encoders}, None, [])
    refuse_idle({"fusion": "--fusion", "depth": "--depth"}, stages, stage="dense")


@pytest.mark.parametrize("tag", ["my run", "a\tb", "a\x00b"])
def test_a_tag_that_a_run_cannot_hold_is_refused_first(lexical, tmp_path, tag):
    options = ["--queries", tmp_path / "none.jsonl", "--out", tmp_path / "a.run", "--tag", tag]
    assert "--tag: a run cannot hold" in refused("run", lexical, *options)


def test_ids_with_blanks_are_refused_before_the_search(tmp_path):
    corpus, queries = tmp_path / "c.jsonl", tmp_path / "q.tsv"
    rows = [{"_id": "fine", "text": "disc", "year": 1}, {"_id": "a\u00a0b", "text": "x", "year": 2}]
    corpus.write_text("\n".join(map(json.dumps, rows)))
    assert invoke("index", corpus, "--out", tmp_path / "x", "--lexical-only").exit_code == 0
    queries.write_text("q1\tdisc\n")  # which finds only the document whose id is fine
    run = ["run", tmp_path / "x", "--queries", queries, "--out", tmp_path / "a.run"]
    assert r"x: the id 'a\xa0b' holds a blank" in refused(*run)
    assert invoke(*run, "--where", "year = 1").exit_code == 0
    queries.write_text("q 1\tdisc\n")
    assert "q.tsv: the id 'q 1' holds a blank" in refused(*run)


def test_a_run_is_not_written_over_a_folder(lexical, tmp_path):
    queries = ["--queries", sample.queries_path()]
    assert "is a folder. Name a file" in refused("run", lexical, *queries, "--out", tmp_path)


@pytest.mark.parametrize(
    "option", [["--budget-ms", 100], ["--cascade", "house-small"], ["--rerank-bound", 5]]
)
def test_what_ends_or_repeats_reranking_needs_it(lexical, option):
    said = refused("search", lexical, "bone", "--stage", "bm25", *option)
    assert f"{option[0]} has no effect" in said or "nothing reranks before it" in said


def test_a_budget_cannot_be_recorded_to_be_repeated(lexical, tmp_path):
    file = tmp_path / "p.jsonl"
    said = refused("search", lexical, "bone", "--budget-ms", 100, "--protocol", file)
    assert "--protocol and --budget-ms exclude each other" in said
    assert not file.exists()
