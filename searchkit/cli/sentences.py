"""Errors -> one line for a person: what happened, where, and the cure."""

from __future__ import annotations

from searchkit.cli.screen import printable
from searchkit.errors import SearchkitError


def sentence(error: BaseException) -> str:
    return " ".join(printable(_spell(error)).split())


def _spell(error: BaseException) -> str:
    if isinstance(error, SearchkitError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted."
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}. Check the place and run the same command again."
    if isinstance(error, UnicodeEncodeError):
        return "an argument is not UTF-8 text. Write it in UTF-8."
    if isinstance(error, MemoryError):
        return "there is not enough memory. Close other programs, or work on a smaller corpus."
    return (
        f"a defect of searchkit: {type(error).__name__}: {error}. Run it again as "
        "`searchkit --debug ...` and report what is printed."
    )
