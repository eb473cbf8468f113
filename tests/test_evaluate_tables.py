import math

import numpy as np
import pytest
from pyarrow import csv, parquet

from searchkit.errors import ConfigError, StorageError
from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.evaluate.tables import against_baseline, per_query, side_by_side, write_table

MEASURES = parse_measures(["AP", "RR"])
QRELS = {"q,1": {"a": 1}, 'q "2"': {"b": 1}}
FOUND = {
    "bm25": evaluate({"q,1": [("z", 2.0), ("a", 1.0)], "q9": [("a", 1.0)]}, QRELS, MEASURES),
    "fused": evaluate({"q,1": [("a", 1.0)], 'q "2"': [("b", 1.0)]}, QRELS, MEASURES),
}


def test_runs_stand_side_by_side():
    first, second = side_by_side(FOUND)
    assert first == {
        "run": "bm25",
        "AP": 0.25,
        "RR": 0.25,
        "queries": 2,
        "missing": 1,
        "ignored": 1,
        "unjudged@10": 0.5,
    }
    assert (second["run"], second["AP"], second["missing"]) == ("fused", 1.0, 0)


def test_every_other_run_is_held_against_the_baseline():
    rows = against_baseline(FOUND, baseline="bm25")
    assert [(row["run"], row["measure"]) for row in rows] == [("fused", "AP"), ("fused", "RR")]
    assert rows[0] == {
        "run": "fused",
        "baseline": "bm25",
        "measure": "AP",
        "difference": 0.75,
        "low": 0.5,
        "high": 1.0,
        "p": 0.5,
        "p_t": pytest.approx(2 * np.arctan(1 / 3) / np.pi),  # of t 3 with one degree of freedom
        "p_holm": 1.0,
        "detectable": math.inf,
        "queries": 2,
        "better": 2,
        "same": 0,
        "worse": 0,
    }


def test_values_by_query_stand_beside_their_difference_from_the_baseline():
    rows = per_query(FOUND, baseline="bm25")
    assert list(rows[0]) == ["run", "query", "AP", "RR", "AP difference", "RR difference"]
    assert [row["AP difference"] for row in rows] == [0, 0, 0.5, 1.0]


def test_ties_are_a_column_where_they_were_counted():
    rows = side_by_side(FOUND, ties={"bm25": 3, "fused": 0})
    assert [row["ties"] for row in rows] == [3, 0]


@pytest.mark.parametrize(
    ("name", "read"), [("t.csv", csv.read_csv), ("t.parquet", parquet.read_table)]
)
def test_a_table_comes_back_from_its_file(tmp_path, name, read):
    rows = per_query(FOUND)
    assert [row["query"] for row in rows] == ["q,1", 'q "2"'] * 2
    (tmp_path / name).write_text("what stood here before")
    write_table(rows, tmp_path / name)
    assert read(str(tmp_path / name)).to_pylist() == rows
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"written as \.csv or \.parquet"):
        write_table(per_query(FOUND), tmp_path / "t.xlsx")


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot be written .* Choose another place"):
        write_table(per_query(FOUND), tmp_path / "file" / "t.csv")
    (tmp_path / "file").unlink()
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(ConfigError, match="this is a folder"):
        write_table(per_query(FOUND), tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
