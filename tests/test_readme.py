"""The README: its blocks run and print what it says, and its figures are generated."""

import csv
import gzip
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_sample import build_sample, invoke

from searchkit import sample

HOUSE = Path(__file__).parents[1]
README = (HOUSE / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"\d+\.\d+")
TOLERANCE = 0.002  # of a score: vectors are float16, and differ in the last digits by machine


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with every file that the README names, its own papers in each format."""
    papers = next(body for kind, body in BLOCKS if kind == "json")
    rows = [json.loads(line) for line in papers.splitlines()]
    (tmp_path / "papers.jsonl").write_text(papers, "utf-8")
    bibliography = next(body for kind, body in BLOCKS if kind == "bibtex")
    (tmp_path / "library.bib").write_text(bibliography, "utf-8")
    (tmp_path / "papers.jsonl.gz").write_bytes(gzip.compress(papers.encode()))
    with (tmp_path / "papers.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    columns = [{"doi": row["id"], "title": row["title"], "summary": row["text"]} for row in rows]
    pq.write_table(pa.Table.from_pylist(columns), tmp_path / "papers.parquet")
    (tmp_path / "beir-folder").mkdir()
    (tmp_path / "beir-folder" / "corpus.jsonl").write_text(papers, "utf-8")
    row = {"_id": "new-1", "title": "A map of dust", "text": "Dust is where it was.", "year": 2024}
    (tmp_path / "new.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    (tmp_path / "corrected.jsonl").write_text(json.dumps({**row, "year": 2025}) + "\n", "utf-8")
    shutil.copytree(sample.corpus_path().parent, tmp_path / "searchkit" / "sample")
    build_sample(tmp_path / "indexes" / "sample")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_line(line, folder):
    """What a line of a shell block prints; `searchkit` runs in this process, to load torch once."""
    piped, _, command = line.rpartition(" | ")
    stdin = None
    if piped:
        stdin = subprocess.run(shlex.split(piped), check=True, capture_output=True, cwd=folder)
    program, *arguments = shlex.split(command)
    assert program == "searchkit"
    result = invoke(*arguments, stdin=stdin and stdin.stdout.decode())
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.output


def run_python(code):
    shown, names = io.StringIO(), {}
    with redirect_stdout(shown):
        exec(code, names)
    names["searcher"].index.close()
    return shown.getvalue()


def is_in(text, printed):
    """Whether lines of the text stand in what was printed, scores within a tolerance."""
    wanted, found = text.splitlines(), printed.splitlines()
    windows = (found[n : n + len(wanted)] for n in range(len(found) - len(wanted) + 1))
    return any(all(map(is_same, wanted, window)) for window in windows)


def is_same(wanted, found):
    if NUMBER.sub("#", wanted) != NUMBER.sub("#", found):
        return False
    if found.endswith(" ms"):
        return True
    pairs = zip(NUMBER.findall(wanted), NUMBER.findall(found), strict=True)
    return all(float(a) == pytest.approx(float(b), abs=TOLERANCE) for a, b in pairs)


def test_every_block_runs_and_prints_what_the_readme_says(folder):
    printed, n_compared = "", 0
    for kind, body in BLOCKS:
        if kind == "sh":
            printed = "".join(run_line(line, folder) for line in body.splitlines())
        elif kind == "python":
            printed = run_python(body)
        elif kind == "text":
            assert is_in(body, printed), f"the README says\n{body}\nand this is printed\n{printed}"
            n_compared += 1
    assert n_compared >= 4


def test_a_text_that_is_not_printed_is_noticed():
    assert is_in("b 1.001\n", "a\nb 1.000\nc\n")
    assert not is_in("b 1.1\n", "a\nb 1.0\nc\n")
    assert not is_in("b\nc\n", "a\nb\nd\n")
    assert is_in("bm25 1.0 ms\n", "bm25 9.9 ms\n")


def test_every_file_that_is_linked_is_there():
    for path in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (HOUSE / path).is_file(), path
    for path in re.findall(r"`((?:searchkit|tests|benchmarks|notebooks|indexes)/[\w/.]*)`", README):
        assert (HOUSE / path).exists() or path.startswith("indexes/"), path


def test_every_room_is_on_the_map():
    house = HOUSE / "searchkit"
    rooms = {p.name for p in house.iterdir() if p.is_dir() and (p / "__init__.py").is_file()}
    rooms |= {p.name for p in house.glob("*.py") if not p.name.startswith("__")}
    named = re.findall(r"`(?:searchkit/)?(\w+(?:\.py)?)/?`", README.partition("## Map")[2])
    assert rooms - set(named) == set()


def test_commands_that_are_not_run_name_flags_that_there_are():
    lines = "".join(body for kind, body in BLOCKS if kind == "console").splitlines()
    commands = [shlex.split(line)[2:] for line in lines if line.startswith("$ searchkit ")]
    assert commands
    for verb, *arguments in commands:
        shown = invoke(verb, "--help").stdout
        for flag in arguments:
            assert not flag.startswith("-") or re.search(rf"{flag}\b", shown), (verb, flag)


def test_the_figures_are_those_of_the_results():
    checked = write_figures("--check")
    assert checked.returncode == 0, checked.stderr


def test_figures_without_results_are_said_to_be_none(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# x\n<!-- figures -->\n| old |\n<!-- /figures -->\nend\n")
    done = write_figures("--results", tmp_path / "absent", "--readme", readme)
    assert done.returncode == 0, done.stderr
    shown = readme.read_text()
    assert "None are recorded yet" in shown
    assert "| old |" not in shown
    assert shown.startswith("# x\n<!-- figures -->\n")
    assert shown.endswith("<!-- /figures -->\nend\n")


def test_the_last_line_of_a_benchmark_counts_and_an_old_table_is_refused(tmp_path):
    readme, results = tmp_path / "README.md", tmp_path / "build_lexical.json"
    readme.write_text("<!-- figures -->\n<!-- /figures -->\n")
    for seconds in (30.0, 12.5):
        with results.open("a") as file:
            file.write(json.dumps(built_in(seconds)) + "\n")
        given = ("--results", tmp_path, "--readme", readme)
        assert write_figures("--check", *given).returncode == 1
        assert write_figures(*given).returncode == 0
        assert write_figures("--check", *given).returncode == 0
    shown = readme.read_text()
    assert "| searchkit | 12.5 / 886 / 1,544 | 1.02 ± 0.03 |\n| peer | 50.0 /" in shown
    assert "| 1,000 documents, one round |" in shown
    assert "2 cores of a processor under a load of 1.5" in shown


def built_in(seconds):
    ours = {"processor_s": seconds, "peak_mb": 886, "disk_mb": 1544}
    machine = {"cpu": "a processor", "cores": 2, "load": 1.5, "python": "3.11"}
    medians = {"searchkit": ours, "peer": {**ours, "processor_s": 50.0}}
    return {
        "when": "2026-01-02T03:04:05+00:00",
        "machine": machine,
        "text": "some",
        "threads": 1,
        "sizes": [{"n_docs": 1000, "rounds": 1, "medians": medians}],
        "growth": {"searchkit": {"exponent": 1.021, "standard_error": 0.031}},
    }


def test_the_tables_of_search_hold_what_was_measured(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- figures -->\n<!-- /figures -->\n")
    machine = {"cpu": "a processor", "cores": 1, "python": "3.11"}
    common = {"when": "2026-01-02T03:04:05+00:00", "machine": machine}
    law = {"exponent": -0.96, "standard_error": 0.004}
    row = {"collection": "set dev", "n_queries": 40, "nDCG@10": 0.5, "R@100": 0.9}
    gain = {"difference": 0.01, "interval": [0, 0.02], "p": 0.004}
    tuned = {"stage": "tuned", "nDCG@10": 0.51, "cross_validated": True, "gate": False}
    kinds = {
        kind: {"recall": recall, "queries_per_s": 1234.5}
        for kind, recall in (("flat", 1.0), ("hnsw", 0.9987))
    }
    peers = {"searchkit": 200.0, "predict": 250.0}
    lines = {
        "quality": {"rows": [{**row, "stage": "fused"}, {**row, **gain, **tuned, "p": 1.0}]},
        "tune": {
            **{"reranker": "none", "test": {**gain, "current": 0.5, "tuned": 0.51}},
            "train": {
                **{"n_queries": 809, "first_stages": 2354, "ways_to_rerank": 1},
                **{"stages_s": {"a": 60, "b": 21}, "search_s": 40.2, "cross_validated": 0.7},
            },
        },
        "significance": {"measured": [{"drawn": "alike", "n_queries": 50, "share": 0.0455}]},
        "eval_speed": {
            part: {"searchkit_s": 4.25, "ir-measures_s": 5.0, "ratio": 0.85}
            for part in ("whole", "measures")
        },
        "text_laws": {
            "corpora": [
                {
                    **{"text": "some", "n_docs": 10, "n_words": 2000, "n_distinct": 300},
                    **{"zipf": law, "heaps": law, "heaps, last tenfold": law},
                }
            ]
        },
        "search_lexical": {
            **{
                "text": "some",
                "threads": 1,
                "growth": {"2 to 4": {"searchkit": {**law, "exponent": 0.5}}},
            },
            "sizes": [
                {
                    "n_docs": 1000,
                    "queries_per_s": {"2 to 4": {"searchkit": 3000.0, "bm25s numba": 2000.0}},
                    "peak_mb": {"searchkit": 150, "bm25s numba": 250},
                }
            ],
        },
        "rerank_peers": {
            "models": {
                "small": {
                    "tokens_per_pair": 80.0,
                    "median_ms": {p: {"processor": ms, "wall": ms} for p, ms in peers.items()},
                    "largest_gap": dict.fromkeys(peers, 2e-7),
                    "ndcg_at_10": dict.fromkeys(peers, 0.7),
                }
            }
        },
        "encode": {
            **{"encoder": "minilm", "tokens_per_doc": 238.1, "threads": 1},
            **{"largest_difference": 1e-7, "docs_per_s": peers, "docs_per_processor_s": peers},
        },
        "ann": {
            **{"index": ["one", "two"], "n_vectors": 5000, "dim": 384, "threads": 1},
            **{
                "built": {"hnsw": {"build_processor_s": 60.04}},
                "memory_mb": {"flat": 9, "hnsw": 19},
            },
            "k=100": {"one by one": kinds, "batched": kinds},
        },
    }
    for name, line in lines.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({**common, **line}) + "\n")
    for collection, p in (("set dev", 0.004), ("other", 0.5)):  # columns that were added alone
        alone = {**row, "R@100": None, **gain, **tuned, "collection": collection, "p": p}
        with (tmp_path / "quality.json").open("a") as file:
            file.write(json.dumps({**common, "rows": [alone]}) + "\n")
    done = write_figures("--results", tmp_path, "--readme", readme)
    assert done.returncode == 0, done.stderr
    shown = readme.read_text()
    for line in (
        "| set dev | 40 | 0.5000 / 0.9000 | 0.5100 (cv) † |",
        "| set dev | +0.0100, p 0.0080 |",
        "| some | 10 | 2,000 | 300 | -0.96 ± 0.00 | -0.96 ± 0.00 | -0.96 ± 0.00 |",
        "| 1,000, 2 to 4 words | 3,000 | 2,000 | 1.50 |",
        "| 1,000, peak memory | 150 MB | 250 MB |  |",
        "| time ~ n^a, 2 to 4 words | 0.50 ± 0.00 |  |  |",
        "| none | 809 | 2,354 x 1 | 81 | 40 | 0.7000 | 0.5000 | 0.5100 | +0.0100 [+0.0000,",
        "| alike | 50 | 0 | 4.5% |",
        "| from files to means | 4.2 | 5.0 | 0.85 |",
        "| predict | small | 80 | 250 | 250 | 0.80 | 2e-07 | 0.7000 |",
        "| hnsw | 0.9987 / 1,234 / 1,234 | 60.0 | 19 |",
        "1 core of a processor, Python 3.11",
        "1 thread; float32 vectors differ by at most 1e-07",
    ):
        assert line in shown, line


def test_the_tables_of_training_hold_what_was_measured(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- figures -->\n<!-- /figures -->\n")
    machine = {"cpu": "a processor", "cores": 2, "python": "3.11"}
    common = {"when": "2026-01-02T03:04:05+00:00", "machine": machine}
    rates = {"sequences_per_s": {"searchkit": 1234.5, "sentence-transformers": 1200}, "ratio": 1.03}
    trained = {
        **{"architecture": "bert 2 x 128", "rows": 3000, "steps": 60},
        **{"loss_first_fifth": 1.8, "loss_last_fifth": 1.7, "metrics": {"dev_f1": 0.5}},
        "search": {"collection": "set dev", "n_queries": 9, "reordered": 7},
    }
    found = {**trained, "search": {"collection": "few", "own titles found first": 0.95}}
    found["bert_base"] = {"architecture": "bert 12 x 768, random", "steps": 1}
    lines = {
        "train_recipes": {"recipes": {"one": trained, "other": found}},
        "train_throughput": {"recipes": {"one": {"batch": 16, **rates}}},
        "train_kill": {"runs": {"one": {"killed_at": 7, "steps": 40, "gap": 0.0}}},
        "gpu_train": {
            **{"device": "a GPU", "bf16_tflops": 700.4},
            "rows": [
                {
                    **{"recipe": "one", "base": "bert 2 x 128", "batch": 40, **rates},
                    **{"tflops": 12.34, "share_of_bf16_rate": 0.0176},
                }
            ],
        },
    }
    for name, line in lines.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({**common, **line}) + "\n")
    done = write_figures("--results", tmp_path, "--readme", readme)
    assert done.returncode == 0, done.stderr
    shown = readme.read_text()
    for row in (
        "| one | bert 2 x 128 | 3,000 | 60 | 1.8000 to 1.7000 | f1 0.5000 |",
        "| f1 0.5000 | reorders 7 of 9 (set dev) |",
        "| own titles found first: 95% (few) |",
        "|  | bert 12 x 768, random |  | 1 |  |  |  |",
        "| one | 16 | 1,234.5 | 1,200.0 | 1.030 |",
        "| one | 7 | 40 | 0 |",
        "| one | bert 2 x 128 | 40 | 1,234.5 | 1,200.0 | 12.3 | 1.8% |",
        "a GPU, 700 TFLOP/s in bf16",
    ):
        assert row in shown, row


def write_figures(*arguments):
    script = HOUSE / "benchmarks" / "readme_tables.py"
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
