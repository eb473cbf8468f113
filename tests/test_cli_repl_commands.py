import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchkit.cli.repl_commands import COMMANDS, Ask, Choices, Command, completions, parse
from searchkit.errors import ConfigError

CHOICES = Choices(
    stages=["bm25", "fused"],
    columns=["year", "venue", "impact factor"],
    settings=["k1", "b"],
    ids=["d1", "d2"],
)


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("vitamin D", Ask("vitamin D")),
        ("  vitamin D \n", Ask("vitamin D")),
        ("::k 5", Ask(":k 5")),
        (":k 5", Command("k", "5")),
        (":where  year >= 2015 ", Command("where", "year >= 2015")),
        (":q", Command("quit", "")),
        ("   ", None),
    ],
)
def test_a_line_is_a_query_or_a_command(line, asked):
    assert parse(line) == asked


@given(st.text().filter(lambda text: not text.lstrip().startswith(":")))
def test_no_character_of_a_query_is_syntax(text):
    asked = parse(text)
    assert asked == (Ask(text.strip()) if text.strip() else None)


@given(st.text(min_size=1).filter(lambda text: text == text.strip()))
def test_a_query_that_begins_with_a_colon_is_written_with_two(text):
    assert parse(f"::{text}") == Ask(f":{text}")


def test_an_unknown_command_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean :stage"):
        parse(":stag bm25")


@pytest.mark.parametrize(
    ("text", "begun", "offered"),
    [
        (":wh", ":wh", [":where ", ":why-not "]),
        (":h", ":h", [":help"]),
        (":stage f", "f", ["fused"]),
        (":where y", "y", ["year"]),
        (":where year > 2 and (v", "v", ["venue"]),
        (":where IMP", "IMP", []),
        (":set k", "k", ["k1="]),
        (":open ", "", ["1", "2"]),
        (":like d", "d", ["d1", "d2"]),
        ("year", "", []),
        ("::y", "", []),
    ],
)
def test_completion_knows_commands_stages_columns_and_settings(text, begun, offered):
    assert completions(text, CHOICES) == (begun, offered)


def test_a_column_with_a_space_is_offered_in_backquotes():
    assert completions(":where ", CHOICES)[1] == ["year", "venue", "`impact factor`"]


@given(st.text())
def test_what_is_offered_begins_with_what_was_written(text):
    begun, offered = completions(f":{text}", CHOICES)
    assert all(choice.lower().startswith(begun.lower()) for choice in offered)


def test_every_command_has_a_word_of_help():
    assert all(does for _, does in COMMANDS.values())
