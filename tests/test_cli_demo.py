"""The only test of the command line that loads a dense model."""

import shlex
import subprocess
import sys

from cli_sample import build_sample, invoke


def test_the_demo_measures_every_stage_and_shows_three_searches(tmp_path):
    out = tmp_path / "sample"
    command = [sys.executable, "-m", "searchkit", "demo", "--out", str(out)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    table = shown.stdout.partition("evidence for nothing")[0].splitlines()
    assert [line.split()[0] for line in table[2:-1]] == ["bm25", "minilm", "fused", "reranked"]
    assert shown.stdout.count("> ") == 3
    assert shown.stdout.count("stage     rank") == 9
    assert "the first 50 reranked by house-small." in shown.stdout
    assert "searchkit repl indexes/papers" in shown.stdout
    example = invoke("why-not", "--help").stdout.partition("Example:")[2].splitlines()[1]
    asked = shlex.split(example)[2:]
    assert asked[0] == "indexes/sample"
    command = [sys.executable, "-m", "searchkit", "why-not", str(out), *asked[1:]]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"{asked[2]} has rank 14 after reranked, and 10 are shown. -k 14 would show it." in told


def test_the_demo_refuses_the_index_of_another_corpus(tmp_path):
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"_id": "1", "text": "A disc."}\n')
    invoke("index", corpus, "--out", tmp_path / "x", "--lexical-only")
    refused = invoke("demo", "--out", tmp_path / "x")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "is the index of another corpus" in refused.stderr


def test_the_demo_takes_an_index_that_is_there(tmp_path):
    shown = invoke("demo", "--out", build_sample(tmp_path / "x"))
    assert shown.exit_code == 0, shown.stderr
    assert "minilm" not in shown.stdout.partition("evidence")[0]
