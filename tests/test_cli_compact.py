import pytest
from cli_sample import invoke, refused
from index_states import bury

from searchkit.index.build import BuildConfig, build_index
from searchkit.index.collect import CommitOptions
from searchkit.index.generation import read
from searchkit.index.index import Index
from searchkit.types import Doc


def docs(name, n_docs):
    return [Doc(f"{name}{n}", f"w{n % 7}", f"x{n % 3}") for n in range(n_docs)]


@pytest.fixture
def index(tmp_path):
    """Forty documents in twenty segments, one document deleted."""
    build_index(tmp_path / "x", docs("d", 40), BuildConfig(segment_docs=2))
    bury(tmp_path / "x", segment=3, rows=[0])
    return tmp_path / "x"


def n_bytes(index):
    return sum(path.stat().st_size for path in index.rglob("*") if path.is_file())


def test_what_was_merged_is_said(index):
    before = n_bytes(index)
    told = invoke("compact", index, "--all")
    assert (told.exit_code, told.stdout) == (0, "")
    merged, *_, summed = told.stderr.splitlines()[-2:]  # a slow machine says how long it took
    assert merged == "merged 20 segments of 39 documents, without 1 deleted"
    assert f"{index}: 20 segments became 1, " in summed
    assert " freed, in " in summed
    assert n_bytes(index) < before
    assert len(read(index).segments) == 1


def test_nothing_due_is_a_sentence(tmp_path):
    index = tmp_path / "x"
    build_index(index, docs("d", 40), BuildConfig(segment_docs=20))
    told = invoke("compact", index)
    assert (told.exit_code, told.stdout) == (0, "")
    found = "nothing is due in 2 segments of 40 documents"
    assert told.stderr == f"{index}: {found}. `--all` makes as few segments as can be.\n"
    invoke("compact", index, "--all")
    told = invoke("compact", index, "--all").stderr
    assert told == f"{index}: nothing is due in 1 segment of 40 documents.\n"


def test_a_dry_run_says_what_is_due_and_does_nothing(index):
    before = read(index)
    told = invoke("compact", index, "--all", "--dry-run")
    assert told.stderr == "would merge 20 segments of 39 documents, without 1 deleted\n"
    assert read(index) == before
    said = refused("compact", index, "--dry-run", "--keep", "2")
    assert said == "searchkit: --dry-run commits nothing, so it stands alone. Drop the others."
    invoke("compact", index, "--all")
    assert "nothing is due" in invoke("compact", index, "--dry-run").stderr


def test_a_snapshot_stays_and_the_live_generation_keeps_its_date(index):
    config = BuildConfig(segment_docs=2, replace=True, commit=CommitOptions(keep=1))
    live = build_index(index, docs("e", 6), config)
    told = invoke("compact", index, "--all").stderr
    assert f"The files of 1 older generation stay. `searchkit info {index}` lists them." in told
    fresh = read(index)
    assert (fresh.written, fresh.snapshots) == (live.written, live.snapshots)
    [number] = fresh.snapshots
    with Index.open(index, number=int(number)) as older:
        assert len(older) == 39
    invoke("compact", index, "--all", "--keep", "1")  # as it is, so nothing is committed
    assert read(index) == fresh


def test_another_number_of_snapshots_is_due_by_itself(index):
    for n in range(3):
        config = BuildConfig(replace=True, commit=CommitOptions(keep=3))
        live = build_index(index, docs(f"e{n}", 6), config)
    said = invoke("compact", index, "--keep", "1").stderr
    assert "nothing is due" in said
    assert f"{index}: 2 snapshots gone." in said
    assert "The files of 1 older generation stay." in said
    assert "Commits keep 1 snapshot from now on; it was 3." in said
    fresh = read(index)
    assert (fresh.keep, fresh.written, fresh.segments) == (1, live.written, live.segments)
    assert set(fresh.snapshots) == {max(live.snapshots, key=int)}
    assert "1 snapshot gone" in invoke("compact", index, "--all", "--keep", "0").stderr
    assert read(index).snapshots == {}
    number = read(index).number
    assert invoke("compact", index, "--keep", "0").stderr.count("\n") == 1
    assert read(index).number == number


def test_a_place_without_an_index_is_refused(tmp_path):
    assert "there is no index here" in refused("compact", tmp_path / "no")
