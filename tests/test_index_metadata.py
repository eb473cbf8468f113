import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.index.metadata import MetaColumns

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
)
metas = st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=12)


def columns(rows, batch):
    found = MetaColumns()
    for start in range(0, len(rows), batch):
        found.add(rows[start : start + batch])
    return found.finish()


@settings(deadline=None)  # the first array of all imports pandas
@given(metas, st.integers(1, 5))
def test_nothing_depends_on_the_batches(rows, batch):
    (found, mixed), (whole, counted) = columns(rows, batch), columns(rows, 100)
    assert found.equals(whole)
    assert mixed == counted


def test_a_whole_number_is_spelled_as_one_beside_fractions_and_words():
    rows = [{"n": 1}, {"n": 2.5}, {"n": "x"}]
    for batch in (1, 2, 3):
        assert columns(rows, batch)[0]["n"].to_pylist() == ["1", "2.5", "x"]


def present(table, n_rows):
    rows = table.to_pylist() or [{}] * n_rows
    return [{name: v for name, v in row.items() if v is not None} for row in rows]


@given(st.lists(metas, max_size=4), st.data())
def test_stored_columns_join_as_their_documents_would(segments, data):
    joined, rows = MetaColumns(), []
    for segment in segments:
        alive = data.draw(st.lists(st.booleans(), min_size=len(segment), max_size=len(segment)))
        table = columns(segment, 100)[0]
        rows += [
            row for row, lives in zip(present(table, len(segment)), alive, strict=True) if lives
        ]
        if table.num_columns:
            table = table.filter(pa.array(alive, pa.bool_()))
        joined.add_columns(table, sum(alive))
    found, mixed = joined.finish()
    fresh, counted = columns(rows, 3)
    assert found.equals(fresh)
    assert found.column_names == fresh.column_names
    assert mixed == counted


@given(
    st.sampled_from(["year", "venue"]), st.lists(st.integers(-9, 9), min_size=1), st.integers(1, 4)
)
def test_values_of_one_type_come_back(name, numbers, batch):
    table, mixed = columns([{name: n} for n in numbers], batch)
    assert table[name].to_pylist() == numbers
    assert table[name].type == pa.int64()
    assert mixed == {}


def test_whole_numbers_join_fractions_and_other_mixtures_become_counted_strings():
    rows = [{"a": 1, "b": 1}, {"a": 2.5, "b": "x"}, {"a": None, "b": ["y"]}, {"b": True}]
    table, mixed = columns(rows, 2)
    assert table["a"].to_pylist() == [1.0, 2.5, None, None]
    assert table["b"].to_pylist() == ["1", "x", '["y"]', "true"]
    assert mixed == {"b": 3}


@pytest.mark.parametrize("batch", [1, 2])
def test_a_large_whole_number_is_rounded_where_it_joins_fractions(batch):
    table, mixed = columns([{"n": 0.5}, {"n": 2**53 + 1}], batch)
    assert table["n"].to_pylist() == [0.5, 2.0**53]
    assert mixed == {}


def test_a_number_too_large_for_a_column_becomes_a_string():
    table, mixed = columns([{"n": 2**64}, {"n": 1}], 1)
    assert table["n"].to_pylist() == [str(2**64), "1"]
    assert mixed == {"n": 1}


def test_no_metadata_is_no_column():
    assert columns([{}, {}], 1)[0].num_columns == 0
