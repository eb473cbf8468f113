"""The benchmark scripts start, and the corpora they make up are the same in every run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = [
    path for path in sorted(FOLDER.glob("*.py")) if "ArgumentParser(" in path.read_text("utf-8")
]


def run(script, *arguments):
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_a_benchmark_says_how_it_is_run(script):
    shown = run(script, "--help")
    assert shown.startswith("usage: ")
    assert "--help" in shown


def test_the_readme_names_every_benchmark():
    told = (FOLDER / "README.md").read_text("utf-8")
    assert [path.name for path in SCRIPTS if f"`{path.name}`" not in told] == []


@pytest.mark.data
def test_a_recombined_corpus_is_the_same_in_every_run(real_data, tmp_path):
    once, longer = tmp_path / "once", tmp_path / "longer"
    for n_docs, out in ((40, once), (60, longer)):
        run(FOLDER / "recombine.py", "--n-docs", n_docs, "--out", out)
    assert longer.read_bytes().startswith(once.read_bytes())
    assert len(once.read_bytes().splitlines()) == 40
    assert len(set(longer.read_bytes().splitlines())) == 60


def test_the_gpu_benchmark_of_training_runs_small_on_a_processor():
    [line] = run(FOLDER / "gpu_train.py", "--device", "cpu", "--small").splitlines()
    rows = json.loads(line)["rows"]
    assert [row["recipe"] for row in rows] == [
        "tinybert-scirepeval",
        "minilm-scidocs",
        "specter2-astro",
    ]
    for row in rows:
        assert set(row["sequences_per_s"]) == {"searchkit", "sentence-transformers"}
        assert min(row["sequences_per_s"].values()) > 0
        assert 0 < row["share_of_bf16_rate"] < 1


def test_the_gpu_benchmark_runs_small_with_little_installed():
    """Of what searchkit needs, numpy alone has to be there: what it imports is tried without."""
    absent = ["pyarrow", "numba", "faiss", "pandas", "ir_measures", "scipy"]
    script = str(FOLDER / "gpu.py")
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(FOLDER)!r});"
        f"sys.modules.update(dict.fromkeys({absent}));"
        "import gpu_parts, gpu_scan, report;"
        f"[sys.modules.pop(name) for name in {absent}];"  # sentence-transformers may want them
        f"sys.argv = [{script!r}, '--device', 'cpu', '--small'];"
        f"runpy.run_path({script!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [name for name, part in found["parts"].items() if "failed" in part] == []
    for name, part in found["parts"].items():
        if name.startswith(("encode", "rerank")):
            assert set(part["rows_per_s"]) >= {"plain", "searchkit", "searchkit, tokens stored"}
            assert part["gap_alone_or_together"] <= 1e-5
            assert part.get("largest_gap_of_spread", 0) < 0.05
            assert part.get("least_cosine", 1) > 0.999
        if name.startswith("search"):
            assert part["misses"] == 0
    assert found["parts"]["whole-search"]["p50_ms"].keys() == {"searchkit", "plain"}
    assert f"{found['parts']['search-1m']['batch=64']}".count("ratio") == 1
    assert "search-1m" in done.stderr
