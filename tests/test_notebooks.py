"""The notebooks: stripped, by the public API alone, and their cells run one after another."""

import ast
import json
import re
from pathlib import Path

import matplotlib.pyplot
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
PUBLIC = {"searchkit", "searchkit.sample"}


def cells(path):
    return json.loads(path.read_text("utf-8"))["cells"]


def code(path):
    return ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]


def imported(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            beneath = node.module == "searchkit"
            yield from (f"{node.module}.{name.name}" for name in node.names if beneath)
            yield node.module


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stripped_and_knows_the_public_api_alone(path):
    for cell in cells(path):
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    names = {name for source in code(path) for name in imported(source)}
    assert {name for name in names if name.startswith("searchkit")} <= PUBLIC


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One working folder, as for a reader who opens one notebook after the other."""
    return tmp_path_factory.mktemp("notebooks")


def run(number, folder, monkeypatch):
    """The names that a notebook leaves behind."""
    monkeypatch.chdir(folder)
    matplotlib.use("Agg")
    names = {}
    for source in code(NOTEBOOKS[number - 1]):
        exec(source, names)
    matplotlib.pyplot.close("all")
    return names


def texts(figure):
    """The words that are drawn inside the axes of a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_search_notebook_runs_and_draws_the_stages(folder, monkeypatch, capsys):
    names = run(1, folder, monkeypatch)
    said = capsys.readouterr().out
    assert "146 documents" in said
    assert re.search(
        r"^1 0\.94\d 2009 Thrombolysis for acute ischaemic stroke$", said, re.MULTILINE
    )
    assert "bio-001 has rank 11 after fused" in said
    assert texts(names["ways"])[0] == "Thrombolysis for acute ischaemic stroke"
    assert len(texts(names["ways"])) == 10
    [axes] = names["figure"].axes
    drawn = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    assert list(drawn) == ["bm25", "minilm", "fused"]
    assert all(0 < recall[0] < recall[-1] <= 1 for recall in drawn.values())
    assert "The same ranking: 40 of 40 queries identical" in said
    assert "40 queries were ranked against 146 documents" in said


def test_the_training_notebook_trains_and_is_refused_by_the_gate(folder, monkeypatch, capsys):
    names = run(2, folder, monkeypatch)
    said = capsys.readouterr().out
    assert re.search(r"Triplets 2\d\d, pairs 62, queries 20", said)
    assert "reranker: trained in 32 steps" in said
    [line] = names["axes"].get_lines()
    assert list(line.get_xdata()) == list(range(4, 33, 4))
    losses = list(line.get_ydata())
    assert losses[-1] < losses[0]
    assert len(texts(names["ways"])) == 8
    assert "Not promoted: nDCG@10" in said


def test_the_benchmark_notebook_measures_compares_and_tunes(folder, monkeypatch, capsys):
    names = run(3, folder, monkeypatch)
    said = capsys.readouterr().out
    assert re.findall(r"^(\w+) +nDCG@10 0\.\d+", said, re.MULTILINE) == ["bm25", "minilm", "fused"]
    assert re.search(r"^fused less bm25: \+0\.1\d\d, 95% interval", said, re.MULTILINE)
    assert "27 queries better, 9 alike, 4 worse" in said
    assert len(re.findall(r"^\d\.\d\d to \d\.\d\d  ", said, re.MULTILINE)) == 6
    assert re.search(r"settings\. In force 0\.8\d+, tuned 0\.8\d+ on unseen", said)
    assert "Written. nDCG@10 +0.0" in said
    assert {"pareto", "differences"} <= names["figures"].keys()
    assert len(names["tuning"].per_query) == 40
    assert len(names["tuning"].figure().axes[0].texts) == 3
