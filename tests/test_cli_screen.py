from hypothesis import given
from hypothesis import strategies as st

from searchkit.cli.screen import Screen, aligned, printable
from searchkit.cli.sentences import sentence
from searchkit.errors import ConfigError
from searchkit.evaluate.sizes import count, spell_bytes, spell_seconds


@given(st.text())
def test_nothing_that_is_printed_steers_a_terminal(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert "\x1b" not in shown
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)


def test_letters_of_all_scripts_stay():
    text = "ΛCDM, می‌شود, الطاقة المظلمة, 銀河, é"
    assert printable(text) == text


@given(st.lists(st.tuples(st.text("ab銀", max_size=6), st.text("12", max_size=5)), min_size=1))
def test_columns_stand_under_each_other(rows):
    lines = aligned([["name", "number"], *rows], numbers=1)
    assert len(lines) == len(rows) + 1
    assert lines[0].startswith("name")


def test_numbers_stand_right():
    assert aligned([["stage", "rank"], ["bm25", "7"]], numbers=1) == ["stage  rank", "bm25      7"]


def test_what_is_no_terminal_gets_plain_lines_without_wrapping(capsys):
    screen = Screen()
    screen.write(("a bold word " * 30, "bold"), indent=2)
    out = capsys.readouterr().out
    assert out == "  " + ("a bold word " * 30).rstrip() + "\n"


def test_an_error_is_one_line():
    assert sentence(ConfigError("two\nlines \x1b[31m")) == "two lines [31m"
    assert "defect" in sentence(TypeError("x"))
    assert sentence(KeyboardInterrupt()) == "interrupted."
    full = OSError(28, "No space left on device", "index/part")
    assert sentence(full).startswith("index/part: No space left on device.")


def test_counts_sizes_and_times_are_words():
    assert (count(1, "document"), count(2000, "document")) == ("1 document", "2,000 documents")
    assert (spell_bytes(999), spell_bytes(1_234_567)) == ("999 bytes", "1.2 MB")
    assert (spell_seconds(0.1), spell_seconds(600), spell_seconds(9000)) == (
        "1 s",
        "10 min",
        "2.5 h",
    )
