"""`searchkit repl`: an open index, query after query."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from searchkit.cli import options as flags
from searchkit.cli.idle import Given, given, refuse_idle
from searchkit.cli.options import IndexPath
from searchkit.cli.sentences import sentence
from searchkit.errors import SearchkitError

if TYPE_CHECKING:
    from searchkit.cli.repl_session import Session
    from searchkit.search.assembly import OpenOptions


def repl(
    ctx: typer.Context,
    index: IndexPath,
    *,
    reranker: flags.Reranker = "auto",
    device: flags.Device = "auto",
    lexical: flags.Lexical = "searchkit",
    trust_remote_code: flags.TrustRemoteCode = False,
    generation: flags.Generation = None,
    as_of: flags.AsOf = None,
) -> None:
    """Search INDEX line by line.

    A line is a query; :help lists the commands. Models load in the background. Ctrl-C interrupts
    a search, Ctrl-D leaves. Lines can be piped.

    \b
    Example:
      searchkit repl indexes/papers
    """
    from searchkit.cli.opening import reranker_of
    from searchkit.search.assembly import OpenOptions

    options = OpenOptions(
        reranker=reranker_of(reranker),
        device=device,
        lexical=lexical,
        trust_remote_code=trust_remote_code,
        generation=generation,
        as_of=as_of,
    )
    session = _session(index, options, given(ctx))
    try:
        if sys.stdin.isatty() and sys.stdout.isatty():
            _converse(session)
        else:
            _read_lines(session)
    finally:
        session.searcher.index.close()


def _session(path: Path, options: OpenOptions, written: Given) -> Session:
    from searchkit.cli.opening import retuned
    from searchkit.cli.repl_session import Session
    from searchkit.cli.screen import Screen
    from searchkit.search.opening import open_searcher

    searcher = open_searcher(path, options=options)
    try:
        refuse_idle(written, searcher.stages)
    except SearchkitError:
        searcher.close()
        raise
    out, err = Screen(), Screen(stderr=True)
    session = Session(searcher, retune=partial(retuned, options=options), out=out, err=err)
    err.write(f"{path}: {session.status}. :help lists the commands.")
    return session


def _read_lines(session: Session) -> None:
    """Every line of standard input, each shown before what it gives."""
    for line in sys.stdin:
        typer.echo(f"> {line.strip()}")
        if not attempt(session, line):
            return


def _converse(session: Session) -> None:
    from searchkit.cli.repl_loading import Loading
    from searchkit.cli.repl_prompt import open_prompt

    loading = Loading(session.searcher)
    asked = open_prompt(session, loading)
    loading.start()
    while True:
        try:
            # while models load, the word about them changes by itself
            line = asked.prompt(refresh_interval=0 if loading.is_done else 0.5)
        except KeyboardInterrupt:
            continue  # the line is given up, the REPL is not
        except EOFError:
            return
        if not loading.is_done and not line.startswith(":"):
            session.err.write(loading.word)
        if not attempt(session, line):
            return


def attempt(session: Session, line: str) -> bool:
    """Do what a line says; False where it says to leave. An error is a sentence, no more."""
    try:
        return session.handle(line)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
        session.err.write("interrupted.")
    except (SearchkitError, OSError, MemoryError) as error:
        session.err.write(sentence(error))
    return True
