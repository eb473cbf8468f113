"""The verbs over an index with vectors, of a random encoder that is made in a second."""

import json
import random

import pytest
from cli_sample import invoke
from tiny_models import WORDS, save_encoder

from searchkit.cli.hits import what_ran
from searchkit.models.fakes import OverlapScorer
from searchkit.rerank import RerankOptions
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.lazy import Lazy
from searchkit.search.pipeline import Pipeline
from searchkit.search.stages import Stages

N_DOCS = 2_050  # from 2,000 on the encoder is probed before the build


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    encoder = save_encoder(folder / "tiny", max_tokens=16)
    words, draw = WORDS.split(), random.Random(5)
    rows = (
        {"_id": f"d{n}", "text": " ".join(draw.choices(words, k=6 if n % 10 else 40))}
        for n in range(N_DOCS)
    )
    corpus = folder / "corpus.jsonl"
    corpus.write_text("\n".join(map(json.dumps, rows)))
    made = invoke("index", corpus, "--out", folder / "x", "--encoder", encoder)
    assert made.exit_code == 0, made.stderr
    return folder / "x", str(encoder), made.stderr


def test_the_estimate_comes_from_a_probe_of_the_encoder(built):
    _, encoder, said = built
    first = said.splitlines()[0]
    assert f"{encoder} encodes" in first
    assert "documents/s here: about" in first
    assert "on disk" in first


def test_what_the_encoder_does_not_read_is_said_and_kept(built):
    index, encoder, said = built
    assert f"{encoder} reads 205 documents in part: " in said
    shown = invoke("info", index).stdout
    assert f"205 of 2,050 documents lie beyond the limit of {encoder}" in shown
    facts = json.loads(invoke("info", index, "--json").stdout)
    assert facts["truncated"][encoder]["documents"] == 205
    assert facts["bytes"]["vectors"] > N_DOCS * 32 * 2
    assert facts["encoders"][0]["dim"] == 32


def test_a_waterfall_has_every_stage_and_what_was_cut_off(built):
    index, encoder, _ = built
    options = ["-k", 1, "--explain", "--fusion", f"bm25=0.5,{encoder}=0.5"]
    out = invoke("search", index, "bone dust galaxy lithium", *options).stdout
    assert out.index("bm25 ") < out.index(f"{encoder} ") < out.index("fused ")
    hit = json.loads(
        invoke("search", index, "--like", "d10", "--stage", encoder, "-k", 1, "--json").stdout
    )
    assert list(hit["stages"]) == [encoder]


def test_sound_vectors_are_verified_and_damaged_ones_named(built):
    index = built[0]
    assert "2,050 documents are sound" in invoke("verify", index).stdout
    path = next(index.glob("parts/vectors/*/vectors.npy"))
    content = path.read_bytes()
    path.write_bytes(content[:-2])
    try:
        assert "vectors.npy has" in invoke("verify", index).stdout
    finally:
        path.write_bytes(content)


def test_the_footer_names_the_reranker_and_what_it_reads(built):
    scorer = Lazy.of(OverlapScorer())
    pipeline = Pipeline(rerank=RerankOptions(depth=20, interpolation=0.3), why="promoted.")
    searcher = open_searcher(built[0], options=OpenOptions(pipeline=pipeline))
    with searcher.index as index:
        searcher.stages = Stages(pipeline, searcher.stages.retrievers, scorer, index)
        answer = searcher.answer("bone dust", 3)
        said = what_ran(answer, searcher.stages)
    assert said == (
        "Promoted. The first 20 reranked by overlap, mixed with 0.3 of the first stage; it reads "
        "256 tokens."
    )
