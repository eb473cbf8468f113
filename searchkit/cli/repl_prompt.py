"""The prompt of the REPL on a terminal: history, completion, and the settings in force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.styles import Style

from searchkit.cli.repl_commands import completions
from searchkit.home import home

if TYPE_CHECKING:
    from searchkit.cli.repl_loading import Loading
    from searchkit.cli.repl_session import Session

_LOOK = Style.from_dict({"bottom-toolbar": "noreverse"})


def open_prompt(session: Session, loading: Loading) -> PromptSession[str]:
    """Asks for a line; EOFError at Ctrl-D, KeyboardInterrupt at Ctrl-C."""

    def toolbar() -> str:
        return f" {session.status}" + (f" · {loading.word}" if loading.word else "")

    return PromptSession(
        "> ",
        completer=_Completer(session),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        history=_history(),
        bottom_toolbar=toolbar,
        style=_LOOK,
    )


class _Completer(Completer):
    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        begun, found = completions(document.text_before_cursor, self._session.choices)
        for choice in found:
            yield Completion(choice, start_position=-len(begun))


def _history() -> History:
    """In a file under SEARCHKIT_HOME; where it cannot be written, for this sitting alone."""
    path = home() / "repl_history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
