"""The REPL on a pseudo-terminal: what only a person at a keyboard meets."""

import os
import pty
import select
import subprocess
import sys
from time import monotonic

import pytest
from cli_sample import build_sample

PATIENCE_S = 30


class Keyboard:
    """A command on a pseudo-terminal: what it shows, and what is typed."""

    def __init__(self, *arguments):
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "searchkit", *map(str, arguments)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self.shown = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def type(self, keys):
        os.write(self._ours, keys.encode())

    def wait_for(self, text):
        """What was shown up to this text, which is then forgotten."""
        end = monotonic() + PATIENCE_S
        while text not in self.shown:
            ready, _, _ = select.select([self._ours], [], [], max(0, end - monotonic()))
            assert ready, f"{text!r} never came: {self.shown!r}"
            chunk = os.read(self._ours, 65536).decode(errors="replace")
            for _ in range(chunk.count("\x1b[6n")):  # "where is the cursor?"
                os.write(self._ours, b"\x1b[1;1R")
            self.shown += chunk
        before, _, self.shown = self.shown.partition(text)
        return before


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("terminal") / "sample")


PROMPT = "146 documents"  # the line below it is drawn when keys are read


def test_a_person_searches_completes_gives_up_a_line_and_leaves(index, home):
    with Keyboard("repl", index) as keyboard:
        keyboard.wait_for(f"{index}: {PROMPT}")
        keyboard.wait_for(PROMPT)
        keyboard.type("NGC 4258\r")
        assert "\x1b[1" in keyboard.wait_for("total")  # titles and matches stand out
        keyboard.wait_for(PROMPT)
        keyboard.type(":where ven\t")
        keyboard.wait_for("ue")
        keyboard.type("\x03")  # Ctrl-C gives up the line and not the REPL
        keyboard.wait_for(PROMPT)
        keyboard.type(":k 0\r")
        keyboard.wait_for(":k needs a whole number from 1")
        keyboard.wait_for(PROMPT)
        keyboard.type("\x04")  # Ctrl-D leaves
        assert keyboard.process.wait(PATIENCE_S) == 0
    assert "+NGC 4258" in (home / "repl_history").read_text()


def test_hits_are_wrapped_to_the_terminal_and_matches_stand_out(index):
    with Keyboard("search", index, "maser", "-k", "1") as keyboard:
        shown = keyboard.wait_for("total")
        assert keyboard.process.wait(PATIENCE_S) == 0
    assert "\x1b[1;35mmaser" in shown
    assert max(len(line) for line in shown.splitlines() if "\x1b" not in line) <= 80
