"""The command `searchkit`: streams that take any text, and a last line that is written."""

from __future__ import annotations

import io
import os
import sys

from searchkit.cli.screen import say
from searchkit.cli.sentences import sentence
from searchkit.cli.verbs import app


def main() -> None:
    """Entry point of the command `searchkit`."""
    # Threads of torch that spin while they wait fight with other work for the same cores: minilm
    # took 480 ms for a query on a busy machine with two of them, and takes 12 ms when they sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek is no reason to die
    try:
        app(prog_name="searchkit")
    finally:
        _flush()


def _flush() -> None:
    """Write what is left; whoever reads us may have gone (`| head`), which is no fault."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            say(f"searchkit: standard output: {sentence(error)}")
        raise SystemExit(1) from None
