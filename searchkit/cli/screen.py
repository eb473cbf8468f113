"""Pieces of text with a look -> a terminal by rich, or plain lines where nobody watches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

Piece: TypeAlias = str | tuple[str, str]  # text, or text and style
Line: TypeAlias = Sequence[Piece]

# Styles that stay readable on light and on dark: no yellow, no white, no background.
STRONG, FAINT, MATCH = "bold", "dim", "bold magenta"
# control characters, halves of surrogate pairs, line separators and overrides of direction
_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")
UNBOUNDED = 1_000_000  # columns of what is not a terminal: nothing is wrapped there


class Screen:
    """Where one stream goes. Results are written to stdout, everything else to stderr."""

    def __init__(self, *, stderr: bool = False) -> None:
        from rich.console import Console

        self._console: Console = Console(
            stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False
        )
        self.is_terminal = self._console.is_terminal
        self.width = self._console.width if self.is_terminal else UNBOUNDED

    def write(self, *pieces: Piece, indent: int = 0) -> None:
        """One line; on a terminal it wraps at words, and its continuation is indented alike."""
        from rich.text import Text

        text = Text.assemble(*(_clean(piece) for piece in pieces))
        lines = [text]
        if self.is_terminal:
            lines = list(text.wrap(self._console, max(20, self.width - indent))) or [text]
        for line in lines:
            line.rstrip()
            self._console.print(Text(" " * indent) + line, soft_wrap=True)

    def table(self, rows: Sequence[Sequence[str]], *, indent: int = 0, numbers: int = -1) -> None:
        """Aligned columns under a faint head; `numbers`: columns from this one on stand right."""
        for n, line in enumerate(aligned(rows, numbers=numbers)):
            self.write((line, FAINT) if n == 0 else line, indent=indent)


def say(*sentences: str) -> None:
    """Lines on stderr, for a person who waits."""
    screen = Screen(stderr=True)
    for found in sentences:
        screen.write(found)


def aligned(rows: Sequence[Sequence[str]], *, numbers: int = -1) -> list[str]:
    """Rows of cells -> lines whose columns stand under each other, two spaces apart."""
    from rich.cells import cell_len

    if not rows:
        return []
    right = range(numbers if numbers >= 0 else len(rows[0]), len(rows[0]))
    plain = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*plain, strict=True)]
    lines = []
    for row in plain:
        cells = []
        for n, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - cell_len(cell))
            cells.append(gap + cell if n in right else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def printable(text: str) -> str:
    """The text without characters that steer a terminal: each becomes a space."""
    return _STEERING.sub(" ", text)


def _clean(piece: Piece) -> Piece:
    if isinstance(piece, str):
        return printable(piece)
    return printable(piece[0]), piece[1]
