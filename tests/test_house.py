"""The house rules that a machine can check: who may import whom, and how big things get."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "searchkit"
FLOORS = [  # a file may import from floors below its own, or from its own room
    {"types", "errors", "home"},
    {"protocols"},
    {"corpus", "analyze", "models", "fuse", "sample"},
    {"evaluate", "encode"},
    {"index"},
    {"retrieve", "rerank"},
    {"search", "train"},
    {"tune"},
    {"cli", "serve"},
]
FLOOR = {room: n for n, rooms in enumerate(FLOORS) for room in rooms}
FILES = [p for p in sorted(HOUSE.rglob("*.py")) if p != HOUSE / "__init__.py"]
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "numba", "pandas", "datasets"}


def room(path: Path) -> str:
    return path.relative_to(HOUSE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_imports_go_down(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("searchkit."):
            source = node.module.split(".")[1]
            assert source == room(path) or FLOOR[source] < FLOOR[room(path)], node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_nothing_outgrows_its_room(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 50, node.name


def test_one_function_hashes_files():
    spelled = [str(path.relative_to(HOUSE)) for path in FILES if "file_digest(" in path.read_text()]
    assert spelled == ["models/fingerprint.py"]


@pytest.mark.parametrize("command", ["import searchkit", "import searchkit.cli"])
def test_import_is_light(command):
    code = f"import sys; {command}; print(sorted({HEAVY!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
