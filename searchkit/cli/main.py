"""The command `searchkit`, from its first import to its last line."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Entry point; verbs and all they need are imported inside, where Ctrl-C is caught."""
    # Threads of torch that spin while they wait fight with other work for the same cores: minilm
    # took 480 ms for a query on a busy machine with two of them, and takes 12 ms when they sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek is no reason to die
    try:
        _run()
    finally:
        _flush()


def _run() -> None:
    try:
        from searchkit.cli.verbs import app

        app(prog_name="searchkit")
    except KeyboardInterrupt as interrupt:  # before a verb began: a verb's own ends there
        _say(interrupt)
        raise SystemExit(130) from None


def _flush() -> None:
    """Write what is left; whoever reads us may have gone (`| head`), which is no fault."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            _say(error, "standard output: ")
        raise SystemExit(1) from None


def _say(error: BaseException, what: str = "") -> None:
    from searchkit.cli.screen import say
    from searchkit.cli.sentences import sentence

    say(f"searchkit: {what}{sentence(error)}")
