"""Where vectors came from is said, and `doctor` shows the cache."""

import json
import subprocess
import sys

import pytest
from cli_sample import invoke
from tiny_models import save_encoder

from searchkit import sample
from searchkit.cli.doctor import examine


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("model") / "tiny")


def cache():
    [finding] = [finding for finding in examine() if finding.subject == "embedding cache"]
    return finding


def index(out, *options, corpus=None):
    done = invoke("index", corpus or sample.corpus_path(), "--out", out, *options)
    assert done.exit_code == 0, done.stderr
    return done.stderr


def test_a_second_index_and_an_added_encoder_say_that_the_cache_had_the_vectors(
    model, tmp_path, monkeypatch, home
):
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", "20")
    assert "encoded again" not in index(tmp_path / "one", "--encoder", model)
    said = "Not encoded again: 146 of 146 vectors (146 from the cache).\n"
    assert said in index(tmp_path / "two", "--encoder", model)
    assert "encoded again" not in index(tmp_path / "three", "--lexical-only")
    assert said in invoke("encoder", "add", tmp_path / "three", model).stderr
    found = cache()
    assert found.is_sound
    assert found.found.startswith(f"146 vectors in {home / 'embeddings-1.sqlite'}, ")
    assert found.found.endswith(" of 20.0 MB (SEARCHKIT_CACHE_MB).")


def test_vectors_of_the_index_and_of_equal_texts_are_told_apart(model, tmp_path):
    rows = [{"_id": str(n), "title": "", "text": f"star {n % 3}"} for n in range(5)]
    corpus = tmp_path / "c.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = index(tmp_path / "x", "--encoder", model, corpus=corpus)
    assert "Not encoded again: 2 of 5 vectors (2 of an equal text).\n" in said


def test_a_changed_year_or_id_encodes_nothing(model, tmp_path):
    rows = [{"_id": str(n), "text": f"star {n}", "year": 2000} for n in range(40)]
    corpus = tmp_path / "c.jsonl"

    def write():
        corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return corpus

    index(tmp_path / "x", "--encoder", model, corpus=write())
    rows[3]["year"], rows[5]["_id"] = 2001, "new"
    rows[7]["text"] = "light"
    said = invoke("sync", tmp_path / "x", write()).stderr
    assert "Not encoded again: 2 of 3 vectors (2 from this index).\n" in said
    rows[7]["text"] = "star 7"  # which was deleted, and lies there still
    said = invoke("sync", tmp_path / "x", write()).stderr
    assert "Not encoded again: 1 of 1 vector (1 from this index).\n" in said


def test_doctor_names_a_cache_that_is_off_or_damaged_or_misspelt(home, monkeypatch):
    assert cache().found == "off: SEARCHKIT_CACHE_MB is 0."
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", "1")
    assert cache().found.startswith("0 vectors")
    (home / "embeddings-1.sqlite").write_bytes(b"not a database" * 1000)
    assert (cache().is_sound, cache().cure) == (False, "delete the file: it only saves time.")
    monkeypatch.setenv("SEARCHKIT_CACHE_MB", "much")
    assert "SEARCHKIT_CACHE_MB=much" in cache().found


INTERRUPTED = """
import os, signal, sys
def interrupt(event, args):
    if event == "open" and str(args[0]).endswith("beyond.npy"):  # when all shards are written
        os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.addaudithook(interrupt)
from searchkit.cli.main import main
sys.exit(main())
"""


def test_an_interrupted_build_from_stdin_goes_on_when_it_is_fed_again(model, tmp_path):
    rows = "".join(json.dumps({"_id": str(n), "text": f"star {n}"}) + "\n" for n in range(30))
    flags = ["index", "-", "--format", "jsonl", "--out", tmp_path / "x", "--encoder", model]
    command = [sys.executable, "-c", INTERRUPTED, *map(str, flags)]
    cut = subprocess.run(command, input=rows, capture_output=True, text=True, check=False)
    said = cut.stderr.splitlines()
    assert cut.returncode == 130
    assert said[:2] == [
        "The size of the corpus shows only while it is read.",
        "Standard input is read once: after an interruption it has to be fed again.",
    ]
    assert said[-1] == (
        f"searchkit: interrupted. Nothing was committed. Vectors are kept in {tmp_path / 'x'} for "
        "every 1,024 documents encoded, and the same command goes on from there. Standard input "
        "cannot be read twice: feed it again."
    )
    done = invoke(*flags, stdin=rows)
    assert done.exit_code == 0
    assert "again: 30 of 30 vectors (30 from the interrupted run).\n" in done.stderr
