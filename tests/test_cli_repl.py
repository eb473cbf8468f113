import pytest
from cli_sample import build_sample, invoke
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from searchkit.cli.repl import attempt
from searchkit.cli.repl_commands import COMMANDS
from searchkit.cli.repl_loading import Loading
from searchkit.cli.repl_prompt import open_prompt
from searchkit.cli.repl_session import Session
from searchkit.cli.screen import Screen
from searchkit.search.api import OpenOptions, open_searcher


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("repl") / "sample")


def transcript(index, *lines):
    result = invoke("repl", index, stdin="\n".join(lines))
    assert result.exit_code == 0, result.output
    return result.output


def test_a_piped_session_reads_as_a_transcript(index):
    told = transcript(index, "NGC 4258", ":quit", "never asked")
    assert told.startswith(f"{index}: 146 documents · bm25 · k 10. :help lists the commands.\n")
    assert "> NGC 4258\n 1  " not in told  # less than ten hits: no second digit
    assert "> NGC 4258\n1  A geometric distance to NGC 4258 from water masers\n" in told
    assert "BM25 alone, because the index holds no vectors." in told
    assert "total " in told
    assert told.endswith("> :quit\n")


def test_the_end_of_the_input_ends_the_session(index):
    assert "Vitamin D supplements" in transcript(index, "vitamin D")


def test_an_error_is_a_sentence_and_the_session_goes_on(index):
    told = transcript(index, ":nonsense", ":where yeer > 1", ":open 1", ":k no", "NGC 4258")
    assert "there is no command :nonsense" in told
    assert "did you mean 'year'" in told
    assert ":open needs the number of a hit; nothing was searched yet." in told
    assert ":k needs a whole number from 1" in told
    assert "1  A geometric distance" in told


def test_settings_stay_in_force(index):
    told = transcript(index, ":k 1", ":where year < 2010", ":explain", "heart attack drug")
    assert "of 146 documents pass." in told
    assert "explain is on." in told
    assert told.count("\n2  ") == 0
    assert "stage  rank" in told


def test_a_budget_waits_while_nothing_is_reranked(index):
    lines = (":budget 60000", "NGC 4258", ":stage bm25", "NGC 4258", ":budget")
    result = invoke("repl", index, "--reranker", "house-small", stdin="\n".join(lines))
    told = result.output
    assert "budget 60000 ms." in told
    assert "within 60,000 ms." in told
    assert "the budget waits: bm25 does not rerank." in told
    assert told.count("1  A geometric distance to NGC 4258 from water masers") == 2
    assert told.endswith("> :budget\nno budget.\n")


def test_a_hit_can_be_opened_and_be_the_next_query(index):
    told = transcript(index, ":k 1", "NGC 4258", ":open 1", ":like 1", ":like astro-003")
    assert "authors: Ilse Marten, Tomás Quiroga, Hana Oda" in told
    assert told.count("1  A geometric distance") == 1


def test_why_not_asks_about_the_last_query(index):
    told = transcript(index, ":why-not bio-003", "heart attack", ":why-not bio-003")
    assert "Search first" in told
    assert "terms it lacks: attack" in told


def test_a_number_that_is_no_hit_is_a_sentence(index):
    told = transcript(index, ":like 999", ":k 3", "NGC 4258", ":like 999", ":open 999", ":open x")
    assert ":like 999: there is no such hit; nothing was searched yet. Nor is it an id" in told
    assert ":like 999: there is no such hit; the last search shows hits 1 to 3. Nor" in told
    assert told.count(":open needs the number of a hit; the last search shows hits 1 to 3.") == 2
    told = transcript(index, "zebra", ":open 1", ":k 1", "NGC 4258", ":open 2", ":like nobody")
    assert "; the last search found nothing." in told
    assert "; the last search found hit 1 alone." not in told  # it was cut, more were found
    assert "; the last search shows hit 1 alone." in told
    assert "'nobody' is neither an id" in told


@pytest.mark.parametrize("command", [":why-not bio-003", ":time", ":open 1", ":like 1", ":like"])
def test_a_command_about_a_search_before_the_first_one_is_a_sentence(index, command):
    told = transcript(index, command).splitlines()
    assert told[1] == f"> {command}"
    assert len(told) == 3
    assert (
        "Search first" in told[2]
        or "nothing was searched yet" in told[2]
        or ":like needs" in told[2]
    )


def test_why_not_after_a_search_by_a_paper_is_a_sentence(index):
    told = transcript(index, "heart", ":why-not", ":like bio-001", ":why-not bio-003")
    assert ":why-not needs the id of a paper." in told
    assert ":why-not asks about a query, and the last search was by a paper." in told


def test_a_command_without_an_argument_takes_none(index):
    told = transcript(index, ":explain off", ":quit now", ":explain")
    assert ":explain takes nothing behind it." in told
    assert ":quit takes nothing behind it." in told
    assert told.count("explain is ") == 1


def test_a_setting_changes_the_ranking_at_once(index):
    told = transcript(index, ":k 1", "disc", ":set k1=0.1", "disc", ":set")
    assert "BM25 (lucene, k1 0.1, b 0.75), not reranked." in told
    assert "with your own settings." in told


def test_a_query_may_begin_with_a_colon_and_time_repeats_it(index):
    told = transcript(index, "::zebra", ":time", ":help")
    assert "No document matches: the index does not hold the term zebra." in told
    assert "median ms" in told
    assert ":why-not ID" in told


commands = st.builds(lambda name, text: f":{name} {text}", st.sampled_from([*COMMANDS]), st.text())
lines = st.one_of(st.text(), commands).filter(lambda line: not line.strip().startswith(":time"))


@pytest.fixture(scope="module")
def session(index):
    searcher = open_searcher(index, options=OpenOptions())
    with searcher.index:
        yield Session(
            searcher, retune=lambda old, pipeline: old, out=Screen(), err=Screen(stderr=True)
        )


@given(line=lines)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_ends_in_a_traceback(session, line):
    session.k, session.where = 3, ""
    assert attempt(session, line) or line.strip().startswith((":q", ":exit"))


def test_models_and_the_kernel_load_behind_the_prompt(session):
    loading = Loading(session.searcher)
    loading.start()
    loading.join()
    assert (loading.is_done, loading.word) == (True, "")


def test_the_prompt_reads_keys_and_completes(session):
    with (
        create_pipe_input() as keys,
        create_app_session(input=keys, output=DummyOutput()),
    ):
        asked = open_prompt(session, Loading(session.searcher))
        found = [*asked.completer.get_completions(Document(":where ven"), CompleteEvent())]
        assert [(choice.text, choice.start_position) for choice in found] == [("venue", -3)]
        keys.send_text("NGC 4258\r")
        assert asked.prompt() == "NGC 4258"
        keys.send_text("\x04")
        with pytest.raises(EOFError):
            asked.prompt()
        keys.send_text("half a line\x03")
        with pytest.raises(KeyboardInterrupt):
            asked.prompt()
