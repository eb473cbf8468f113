import re
import signal
import subprocess
import sys

import pytest
from cli_sample import build_sample, invoke

from searchkit import sample
from searchkit.cli.main import main
from searchkit.cli.verbs import VERBS
from searchkit.encode import GRID

SAMPLE = [sample.corpus_path()]
HEAVY = "torch transformers sentence_transformers faiss numba pyarrow datasets rich prompt_toolkit"
UNUSED = """
torch transformers sentence_transformers faiss numba pandas datasets onnxruntime prompt_toolkit tqdm
pyarrow.parquet pyarrow.fs asyncio sqlite3
searchkit.cli.doctor searchkit.cli.index searchkit.cli.repl searchkit.cli.train
searchkit.corpus.read searchkit.encode searchkit.index.build searchkit.index.vectors
searchkit.models.encoder searchkit.models.served searchkit.search.api
"""


INTERRUPTED = """
import os, signal, sys
left = [sys.argv.pop(1)]
def interrupt(event, args):
    if event == "import" and args[0] in left:
        left.clear()
        os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.addaudithook(interrupt)
from searchkit.cli.main import main
sys.exit(main())
"""


def run(*arguments, **options):
    command = [sys.executable, "-m", "searchkit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from searchkit.cli.verbs import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted(set({HEAVY.split()!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_ctrl_c_is_heard_before_numpy_is_there():
    code = "import sys, searchkit.cli.main; print({'numpy', 'typer', 'rich'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_search_by_words_imports_neither_models_nor_what_builds(tmp_path):
    index = build_sample(tmp_path / "x")
    code = (
        "import sys; from searchkit.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print(sorted(set({UNUSED.split()!r}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "search", str(index), "dark matter", "--stage", "bm25"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(" 1  ")
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_has_a_worked_example(verb):
    shown = invoke(verb, "--help").stdout
    assert len(re.findall(r"^  Examples?:$", shown, re.MULTILINE)) == 1
    assert f"  searchkit {verb}" in shown


def test_the_help_lists_every_verb():
    shown = invoke("--help").stdout
    assert all(f"  {verb} " in shown for verb in VERBS)
    assert "..." not in shown.partition("Commands:")[2]  # no line is cut


def test_the_version_is_that_of_the_package():
    from searchkit import __version__

    assert run("--version").stdout == f"searchkit {__version__}\n"


def test_the_entry_point_leaves_with_the_status_of_its_verb(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    for arguments, status in ((["--version"], 0), (["info", str(tmp_path)], 1), (["run"], 2)):
        monkeypatch.setattr(sys, "argv", ["searchkit", *arguments])
        with pytest.raises(SystemExit) as leaving:
            main()
        assert leaving.value.code == status
    assert "there is no index here" in capsys.readouterr().err


def test_a_reader_that_leaves_early_causes_no_complaint(tmp_path):
    index = build_sample(tmp_path / "x")
    command = f"{sys.executable} -m searchkit export {index} | head -c 10"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == '{"_id":"as'
    assert done.stderr == ""


def test_a_full_disk_is_a_sentence(tmp_path):
    index = build_sample(tmp_path / "x")
    for verb in ("export", "info"):
        with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
            command = [sys.executable, "-m", "searchkit", verb, str(index)]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1
        assert verb == "info" or b"standard output: " in done.stderr
        assert b"No space left on device" in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_file_that_may_not_grow_is_named(tmp_path):
    index, out = build_sample(tmp_path / "x"), tmp_path / "e.jsonl"
    limited = ["bash", "-c", 'ulimit -f 20; exec "$@"', "bash", sys.executable, "-m", "searchkit"]
    exporting = ["export", index, "--out", out]
    building = ["index", *SAMPLE, "--lexical-only", "--out", tmp_path / "y"]
    for command, named in ((exporting, out), (building, tmp_path / "y")):
        done = subprocess.run(
            [*limited, *map(str, command)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        said = done.stderr.splitlines()[-1]
        assert said.startswith(f"searchkit: {named}")
        assert "larger than allowed" in said or "File too large" in said
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("imported", ["searchkit.cli.verbs", "typer", "searchkit.cli.options"])
def test_ctrl_c_while_modules_are_imported_is_one_line(tmp_path, imported):
    command = [sys.executable, "-c", INTERRUPTED, imported, "info", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "searchkit: interrupted.\n")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_indexing_says_how_to_go_on(tmp_path, stop):
    # a shell's background job ignores SIGINT, and so do its children, unless it is caught here
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "searchkit", "index", "-", "--format", "jsonl"]
    job = subprocess.Popen(
        [*command, "--lexical-only", "--out", str(tmp_path / "x")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    job.stdin.write('{"_id": "1", "text": "A disc."}\n')
    job.stdin.flush()
    assert "only while it is read" in job.stderr.readline()  # it waits for more
    while not (tmp_path / "x" / "drafts").is_dir():
        assert job.poll() is None
    job.send_signal(stop)
    said = job.communicate(timeout=60)[1]
    assert job.returncode == 130, said
    assert said.splitlines()[-1].startswith("searchkit: interrupted. Nothing was committed.")
    assert "Standard input cannot be read twice" in said
    assert not (tmp_path / "x").exists()
    assert invoke("info", tmp_path / "x").exit_code == 1
    assert invoke("index", *SAMPLE, "--out", tmp_path / "x", "--lexical-only").exit_code == 0


def test_a_terminal_without_greek_gets_question_marks(tmp_path):
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"_id": "1", "title": "The \\u039bCDM model", "text": "."}\n')
    assert invoke("index", corpus, "--out", tmp_path / "x", "--lexical-only").exit_code == 0
    environment = {"PYTHONIOENCODING": "ascii", "SEARCHKIT_HOME": str(tmp_path), "PATH": ""}
    done = run("search", tmp_path / "x", "model", env=environment)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "1  The ?CDM model")


@pytest.mark.parametrize("verb", ["index", "add", "encoder"])
def test_help_says_from_where_an_interrupted_build_goes_on(verb):
    told = " ".join(invoke(verb, "--help").stdout.split())
    assert f"vectors are kept for every {GRID:,} documents encoded." in told
