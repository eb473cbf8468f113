import operator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import QueryError
from searchkit.retrieve.filters import parse

TEXTS = ["", "ACL", "ApJ", "it's", 'a "b"', "ACL 2019", "é", "\x00"]
INTS = [-(2**63), -1, 0, 3, 2015, 2**53 + 1, 2**63 - 1]
FLOATS = [-0.0, 0.0, 0.5, 3.0, 2015.0, 1e300]
COLUMNS = {
    "year": (st.sampled_from(INTS), pa.int64()),
    "score": (st.sampled_from(FLOATS), pa.float64()),
    "open": (st.booleans(), pa.bool_()),
    "venue": (st.sampled_from(TEXTS), pa.large_string()),
    "first author": (st.sampled_from(TEXTS), pa.string()),
    "authors": (st.lists(st.none() | st.sampled_from(TEXTS), max_size=3), pa.list_(pa.string())),
    "in": (st.sampled_from(TEXTS), pa.string()),
}
SIGNS = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
rows = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (values, _) in COLUMNS.items()}),
    max_size=8,
)


def table_of(records, *, cut=0):
    """The records as a table, in one chunk or in two."""
    schema = pa.schema([(name, kind) for name, (_, kind) in COLUMNS.items()])
    parts = [pa.Table.from_pylist(part, schema) for part in (records[:cut], records[cut:])]
    return pa.concat_tables(parts)


def spell_name(name):
    return name if name.isidentifier() and name != "in" else f"`{name}`"


def spell(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()


# A filter is drawn as its text and as a function record -> True, False or None (unknown).


@st.composite
def conditions(draw):
    name = draw(st.sampled_from(list(COLUMNS)))
    kind = draw(st.sampled_from(["null", "compare", "among", "contains"]))
    if kind == "null":
        return f"{spell_name(name)} is null", lambda record: record[name] is None
    if kind == "contains":
        name = draw(st.sampled_from(["venue", "authors"]))
        text = draw(st.sampled_from(TEXTS))
        return f"{name} CONTAINS {spell(text)}", known(name, any_element(lambda v: text in v))
    values = literals(name)
    if kind == "among":
        chosen = draw(st.lists(values, min_size=1, max_size=3))
        spelled = ", ".join(map(spell, chosen))
        return f"{spell_name(name)} in ({spelled})", known(name, any_element(lambda v: v in chosen))
    return compare(name, draw(st.sampled_from(signs_of(name))), draw(values))


def literals(name):
    if name in ("year", "score"):
        return st.sampled_from([*INTS, *FLOATS, 2**70, -(2**70), 2.5, 9007199254740993.0])
    return st.booleans() if name == "open" else st.sampled_from(TEXTS)


def signs_of(name):
    return ["=", "!=", "=="] if name in ("open", "authors") else list(SIGNS)


def compare(name, sign, value):
    if name == "score":
        value = float(value)
    if name == "authors":
        equal = any_element(lambda element: element == value)
        found = known(name, equal if sign != "!=" else lambda values: not equal(values))
    else:
        found = known(name, lambda stored: SIGNS[sign](stored, value))
    return f"{spell_name(name)} {sign}{spell(value)}", found


def known(name, test):
    return lambda record: None if record[name] is None else test(record[name])


def any_element(test):
    def of(value):
        if isinstance(value, list):
            return any(test(element) for element in value if element is not None)
        return test(value)

    return of


def negated(part):
    return lambda record: None if part(record) is None else not part(record)


def both(one, other):
    def truth(record):
        found = {one(record), other(record)}
        return False if False in found else None if None in found else True

    return truth


def either(one, other):
    return negated(both(negated(one), negated(other)))


def joined(pairs):
    def combine(pair):
        word, (text, truth), (other_text, other) = pair
        if word == "not":
            return f"not ({text})", negated(truth)
        return f"({text}) {word} ({other_text})", (both if word == "and" else either)(truth, other)

    return st.tuples(st.sampled_from(["and", "or", "not"]), pairs, pairs).map(combine)


filters = st.recursive(conditions(), joined, max_leaves=6)


@given(filters, rows, st.integers(0, 8))
def test_a_mask_is_what_a_slow_reading_of_each_record_gives(drawn, records, cut):
    text, truth = drawn
    mask = parse(text).mask(table_of(records, cut=cut))
    assert mask.dtype == np.bool_
    assert mask.tolist() == [truth(record) is True for record in records], text


@given(conditions(), conditions(), conditions(), rows)
def test_and_binds_closer_than_or_and_not_closest(one, two, three, records):
    (a, _), (b, _), (c, _) = one, two, three
    table = table_of(records)
    loose = parse(f"{a} or not {b} and {c}").mask(table)
    assert loose.tolist() == parse(f"{a} or ((not {b}) and {c})").mask(table).tolist()


PAPERS = pa.table(
    {
        "id": ["p1", "p2", "p3", "p4"],
        "title": ["Dark matter", "Tell 'em", 'A "proof"', ""],
        "year": pa.array([2014, 2015, None, 2020]),
        "venue": ["ACL", None, "ApJ", "acl"],
        "authors": [["Marie Curie", "P. Curie"], [], None, ["A. Noether"]],
        "open": [True, False, None, True],
        "cited by": [0.5, 1.0, 7.0, None],
    }
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("year >= 2015 and venue in ('ACL','ApJ')", []),
        ("year >= 2014.5", ["p2", "p4"]),
        ("year > -1e3", ["p1", "p2", "p4"]),
        ("not year >= 2015", ["p1"]),
        ("not not year >= 2015", ["p2", "p4"]),
        ("year is null or year < 2015", ["p1", "p3"]),
        ("year is not null", ["p1", "p2", "p4"]),
        ("venue != 'ACL'", ["p3", "p4"]),
        ("venue not in ('ACL')", ["p3", "p4"]),
        ('venue == "ACL"', ["p1"]),
        ("title contains '''em'", ["p2"]),
        ('title contains """proof"', ["p3"]),
        ("title contains 'dark'", []),
        ("authors contains 'Curie'", ["p1"]),
        ("authors not contains 'Curie'", ["p2", "p4"]),
        ("authors = 'A. Noether'", ["p4"]),
        ("authors in ('Curie', 'P. Curie')", ["p1"]),
        ("open = true", ["p1", "p4"]),
        ("open in (FALSE)", ["p2"]),
        ("`cited by` <= 1", ["p1", "p2"]),
        ("id in ('p2','p9')", ["p2"]),
        ("(year=2014)or(year=2020)", ["p1", "p4"]),
        ("year IS NULL", ["p3"]),
    ],
)
def test_a_filter_finds(text, found):
    mask = parse(text).mask(PAPERS)
    assert [i for i, ok in zip(PAPERS["id"].to_pylist(), mask, strict=True) if ok] == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "position 1: expected the name of a column, found the end"),
        ("year >=", "position 8: expected a number, true, false or a quoted text, found the end"),
        ("year >= 2015 venue = 'x'", "position 14: expected 'and', 'or' or the end, found 'venue'"),
        ("year >= 2015)", "position 13: expected 'and', 'or' or the end"),
        ("(year >= 2015", r"position 14: expected '\)', 'and' or 'or', found the end"),
        ("year in 2015", r"position 9: expected '\(' and the values"),
        ("year in ()", "position 10: expected a number"),
        ("year in (1 2)", "position 12: expected ',' or '\\)'"),
        ("year", "position 5: expected =, <, in, contains or is after 'year'"),
        ("year is 2015", "position 9: expected 'null' or 'not null'"),
        ("venue = ACL", "position 9: expected a number, true, false or a quoted text, found 'ACL'"),
        ("'ACL' = venue", "position 1: expected the name of a column"),
        ("venue = 'ACL", "position 9: the quote ' is not closed"),
        ("`cited = 1", "position 1: the quote ` is not closed"),
        ("year >= 20xx", "position 9: '20xx' is not understood"),
        ("year > 2 & year < 5", "position 10: '&' is not understood"),
        ("year > 1e999", "position 8: the number is too large"),
        ("year > " + "9" * 5000, "position 8: the number is too large"),
        ("venue = '\udc80'", "position 9: there is a character that Unicode does not allow"),
        ("title contains 5", "position 16: expected a quoted text"),
        ("yaer > 3", "position 1: there is no column 'yaer', did you mean 'year'?"),
        ("open = true and zzz = 1", "position 17: there is no column 'zzz'; there are authors"),
        ("year >= 'x'", "position 1: column 'year' holds numbers, but 'x' is a text"),
        ("year = true", "column 'year' holds numbers, but 'True' is a truth value"),
        ("venue = 2015", "column 'venue' holds text, but '2015' is a number"),
        ("venue in ('a', 3)", "column 'venue' holds text, but '3' is a number"),
        ("open = 1", "column 'open' holds true and false, but '1' is a number"),
        ("open < true", "column 'open' holds true and false, which < cannot compare"),
        ("authors > 'A'", "column 'authors' holds lists of text, which > cannot compare"),
        ("authors = 3", "column 'authors' holds lists of text, but '3' is a number"),
        ("year contains '20'", "column 'year' holds numbers, but '20' is a text"),
    ],
)
def test_a_wrong_filter_says_what_and_where(text, why):
    with pytest.raises(QueryError, match=why):
        parse(text).mask(PAPERS)


@pytest.mark.parametrize(
    "text",
    ["(" * 10_000, "(" * 10_000 + "year = 1" + ")" * 10_000, "not (" * 10_000],
    ids=["open", "closed", "negated"],
)
def test_ten_thousand_parentheses_are_one_sentence(text):
    with pytest.raises(QueryError, match="more than 50 parentheses are open"):
        parse(text)


def test_long_chains_need_no_depth():
    chain = " or ".join(f"year = {year}" for year in range(3000))
    assert parse("not " * 10_001 + f"({chain})").mask(PAPERS).tolist() == [False] * 4
    assert parse("(" * 50 + chain + ")" * 50).mask(PAPERS).sum() == 3


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None, "b"]).dictionary_encode(),
        pa.array(["a", None, "b"], pa.string_view()),
        pa.array([["a", None], None, ["b"]], pa.large_list(pa.large_string())),
    ],
)
def test_text_is_read_from_every_arrow_type(column):
    table = pa.table({"x": column})
    assert parse("x = 'a'").mask(table).tolist() == [True, False, False]
    assert parse("x != 'a'").mask(table).tolist() == [False, False, True]


def test_small_numbers_and_empty_columns_are_read():
    table = pa.table({"n": pa.array([1, 2], pa.int8()), "f": pa.array([0.5, 2], pa.float32())})
    table = table.append_column("none", pa.nulls(2))
    assert parse("n = 2 and f > 1.5").mask(table).tolist() == [False, True]
    assert parse("none = 2 or not none = 'x'").mask(table).tolist() == [False, False]
    assert parse("none is null").mask(table).tolist() == [True, True]


def test_a_type_that_no_filter_reads_is_one_sentence():
    table = pa.table({"x": pa.array([{"a": 1}])})
    with pytest.raises(QueryError, match="column 'x' is of type struct<a: int64>"):
        parse("x = 1").mask(table)


def test_lists_are_read_where_slices_and_hidden_elements_lie_under_them():
    lists = pa.ListArray.from_arrays(
        [0, 1, 2, 3, 4], ["a", "b", "a", "b"], mask=pa.array([False, True, False, False])
    )
    table = pa.table({"x": lists})
    assert parse("x contains 'b'").mask(table).tolist() == [False, False, False, True]
    assert parse("x contains 'b'").mask(table.slice(1)).tolist() == [False, False, True]


def test_a_filter_names_the_columns_it_reads():
    text = "year > 1 and (not `cited by` < 2 or venue in ('x') and id is null)"
    assert parse(text).columns == {"year", "cited by", "venue", "id"}


def test_of_two_columns_of_one_name_the_first_is_read():
    table = pa.table([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    assert parse("a = 1").mask(table).tolist() == [True]


NUMBERS = [*INTS, *FLOATS, 2**63, 2**70, -(2**63) - 1, -(2**70), 2.5, -0.5, 2.0**63]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("value", NUMBERS)
def test_whole_numbers_meet_any_number_without_rounding(sign, value):
    table = pa.table({"n": pa.array([*INTS, None], pa.int64())})
    found = [SIGNS[sign](n, value) for n in INTS]
    assert parse(f"n {sign} {value}").mask(table).tolist() == [*found, False]


def test_a_number_is_among_others_by_value():
    table = pa.table({"n": pa.array([*INTS, None], pa.int64()), "f": [*FLOATS, None, None]})
    assert parse("n in (0, 3.0, 2.5, 1e300)").mask(table).tolist() == [
        n in (0, 3) for n in [*INTS, None]
    ]
    assert parse("f in (0, 3)").mask(table).tolist() == [f in (0, 3) for f in [*FLOATS, None, None]]
    assert parse("not f in (-0.0)").mask(table).sum() == len(FLOATS) - 2


PIECES = """year venue authors open `cited\x20by` ` ' " 'ACL' 'x''y' 2015 -1 1e5 .5 . ( ) , = ==
!= <> < <= > >= in not and or is null contains true false & é ٣ \x00 \udc80 zzz""".split(" ")


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES)).map(" ".join)))
def test_no_text_shows_anything_but_a_mask_or_a_query_error(text):
    try:
        mask = parse(text).mask(PAPERS)
    except QueryError as refusal:
        shown = str(refusal)
    else:
        shown = ""
        assert mask.shape == (4,)
    assert "\n" not in shown
