"""The format page: every file of a real index is on it, as it says, and its reader reads."""

import hashlib
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tiny_models import save_cross_encoder, save_encoder

import searchkit
from searchkit import sample
from searchkit.index.ann_choice import AnnConfig
from searchkit.index.generation import FORMAT
from searchkit.index.tokens_change import add_tokens
from searchkit.index.vectors import VectorConfig
from searchkit.models.cross_encoder import open_cross_encoder
from searchkit.search.api import IndexOptions

PAGE = (Path(__file__).parents[1] / "indexes" / "README.md").read_text("utf-8")
LOUD = "loud-001"
TITLES = {"postings": "Postings", "vectors": "Vectors", "tokens": "Tokens"}


def build(folder, passages, ann):
    """The sample and a document that repeats a word 300 times, with a random encoder."""
    encoder = save_encoder(folder / "tiny")
    corpus = folder / "corpus.jsonl"
    loud = json.dumps({"_id": LOUD, "title": "", "text": "neutron " * 300})
    corpus.write_text(sample.corpus_path().read_text("utf-8") + loud + "\n", "utf-8")
    options = IndexOptions(vectors=VectorConfig(passages=passages), ann=AnnConfig(kind=ann))
    out = folder / "indexes" / "sample"
    searchkit.build(corpus, out=out, encoders=[str(encoder)], options=options)
    add_tokens(out, open_cross_encoder(str(save_cross_encoder(folder / "reranker"))))
    return out, json.loads((out / "generations" / "000002.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return build(tmp_path_factory.mktemp("plain"), "document", "flat")


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    return build(tmp_path_factory.mktemp("cut"), "sentence", "hnsw")


def table_under(title):
    """The rows of the first table under a heading, cells without backquotes."""
    body = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*) \|$", body, re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    return [[name.strip("`"), *rest] for name, *rest in cells]


def parts_of(built, kind):
    out, generation = built
    for segment in generation["segments"]:
        for part in segment["parts"]:
            if part["kind"] == kind:
                yield segment, part, out / "parts" / kind / part["hash"]


def sizes_of(segment, part):
    """What the names in a shape stand for, as the generation counts them."""
    known = {"n_docs": segment["n_docs"], "dim": 32, "n_overflow": 1}
    return {**part["stats"], **known}


def test_the_page_is_of_the_version_that_is_written():
    assert PAGE.startswith(f"# The on-disk format, version {FORMAT}\n")


@pytest.mark.parametrize("kind", TITLES)
def test_every_file_of_a_part_has_the_type_and_shape_of_the_page(cut, plain, kind):
    told = {row[0]: row[1:3] for row in table_under(TITLES[kind])}
    for segment, part, folder in (*parts_of(cut, kind), *parts_of(plain, kind)):
        assert set(part["files"]) == {path.name for path in folder.iterdir()}
        assert set(part["files"]) <= set(told)
        sizes = sizes_of(segment, part)
        for name in part["files"]:
            kinds, shape = told[name]
            if name.endswith(".arrow"):
                found = pa.ipc.open_file(folder / name).read_all().column("term")
                assert (str(found.type), len(found)) == (kinds, sizes["n_terms"])
                continue
            array = np.load(folder / name, allow_pickle=False)
            assert str(array.dtype) in kinds.split(" or ")
            assert array.shape == eval(shape, {}, sizes), name
    named = {
        name
        for built in (cut, plain)
        for _, part, _ in parts_of(built, kind)
        for name in part["files"]
    }
    assert named == set(told)


def test_documents_and_metadata_are_as_the_page_says(plain):
    out, generation = plain
    [segment] = generation["segments"]
    folder = out / "segments" / segment["hash"]
    docs = pa.ipc.open_file(folder / "docs.arrow")
    told = [[column.strip("`"), kind] for _, column, kind, _ in table_under("Segments")]
    assert told == [[field.name, str(field.type)] for field in docs.schema]
    meta = pa.ipc.open_file(folder / "meta.arrow")
    paragraph = PAGE.partition("`meta.arrow` has")[2].partition("\n\n")[0]
    for field in meta.schema:
        assert str(field.type).partition("<")[0] in paragraph, field
    assert set(segment["files"]) == {"docs.arrow", "meta.arrow"}


def test_every_key_of_a_generation_is_on_the_page(cut):
    _, generation = cut
    told = {row[0]: row[1] for row in table_under("The generation file")}
    assert {key for key in told if "[" not in key} == set(generation)
    [segment] = generation["segments"]
    assert set(re.findall(r"`(\w+)`", told["segments"])) == set(segment)
    assert set(re.findall(r"`(\w+)`", told["segments[].parts"])) == set(segment["parts"][0])
    for key in generation["encoders"][0]:
        assert f"`{key}`" in told["encoders"]
    for kind in ("vectors", "ann", "tokens"):
        for _, part, _ in parts_of(cut, kind):
            assert all(f"`{key}`" in PAGE for key in part["config"])


def test_folders_are_named_by_the_hash_that_the_page_describes(cut):
    def digest(*strings):
        parts = (len(s.encode()).to_bytes(8, "little") + s.encode() for s in strings)
        return hashlib.sha256(b"".join(parts)).hexdigest()

    out, generation = cut
    [segment] = generation["segments"]
    for name, stamp in segment["files"].items():
        content = (out / "segments" / segment["hash"] / name).read_bytes()
        assert stamp == {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    files = sorted(segment["files"].items())
    assert digest(*(f"{name} {stamp['sha256']}" for name, stamp in files)) == segment["hash"]
    for part in segment["parts"]:
        source = part["config"]["vectors"] if part["kind"] == "ann" else segment["hash"]
        config = json.dumps(part["config"], sort_keys=True)
        stamps = [f"{name} {s['sha256']}" for name, s in sorted(part["files"].items())]
        assert digest(part["kind"], source, config, *stamps) == part["hash"]


def test_the_layout_names_all_that_lies_in_an_index(cut):
    out, _ = cut
    layout = re.findall(r"^      ([\w/<>.]+)", PAGE, re.MULTILINE)
    tops = {name.partition("/")[0] for name in layout}
    assert {path.name for path in out.iterdir()} <= tops
    assert {f"parts/{path.name}/<hash>/" for path in (out / "parts").iterdir()} <= set(layout)


def test_the_reader_of_the_page_finds_what_searchkit_finds(plain, monkeypatch):
    out, _ = plain
    monkeypatch.chdir(out.parents[1])
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    shown, names = io.StringIO(), {}
    with redirect_stdout(shown):
        exec(code, names)
    searcher = searchkit.open(out)
    with searcher.index as index:
        expected = {}
        for doc in index:
            n = index.analyzer.terms(f"{doc.title}\n{doc.text}").count("neutron")
            expected |= {doc.id: min(n, 255)} if n else {}
        assert len(expected) > 3
        assert expected[LOUD] == 255
        assert dict(names["holders"]("neutron")) == expected
        assert shown.getvalue() == f"{expected}\n"
        assert list(names["holders"]("no such term")) == []
        [encoder] = searcher.encoders
        doc = index[index.row("astro-001")]
        like = searcher.stages.retrievers[encoder].get()
        vectors = np.load(next(out.glob("parts/vectors/*/vectors.npy"))).astype(np.float32)
        [ranking] = like.retrieve_vectors(vectors[[index.row(doc.id)]], 5)
        assert names["neighbours"](doc.id, 5) == index.ids(ranking.rows)
