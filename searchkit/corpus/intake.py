"""Fields of a row -> a document that an index can hold, or the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.mojibake import repair
from searchkit.corpus.rows import BadRow, Fields, missing
from searchkit.corpus.values import id_of, quoted, text_of
from searchkit.types import Doc

ACCEPTED = {"id": ("_id", "id"), "title": ("title",), "text": ("text", "abstract")}
_DIGEST_BYTES = 12  # two of a billion ids meet with a probability of 1e-11


class Intake:
    """Makes documents of rows and remembers their ids, 12 bytes each.

    columns: our name -> the column that holds it, which then must be in every row. Without one
    the first column of `ACCEPTED` that the row has is taken. Title may be absent; null is empty.
    """

    def __init__(self, columns: Mapping[str, str], *, fix_text: bool, ledger: ReadLedger) -> None:
        free = {
            ours: tuple(name for name in names if name not in columns.values())
            for ours, names in ACCEPTED.items()
        }
        self._names = free | {ours: (name,) for ours, name in columns.items()}
        self._ids, self._titles, self._texts = (self._names[ours] for ours in ACCEPTED)
        self._titled = "title" in columns
        self._fix_text = fix_text
        self._ledger = ledger
        self._seen: set[bytes] = set()

    def doc(self, row: Fields, meta: Callable[[Fields], tuple[Fields, int]]) -> Doc:
        """The document of a row, counted, or BadRow; the row is used up."""
        id_column, text_column = _first(self._ids, row), _first(self._texts, row)
        title_column = _first(self._titles, row)
        if id_column is None or text_column is None or (title_column is None and self._titled):
            raise self._missing(row)
        id_ = id_of(row.pop(id_column))
        text = text_of(row.pop(text_column), text_column)
        title = "" if title_column is None else text_of(row.pop(title_column), title_column)
        if not (text.strip() or title.strip()):
            raise BadRow(
                "no text",
                f"document {quoted(id_)} has neither title nor text. "
                "Remove it, or skip such rows with --on-error skip",
            )
        self._remember(id_)
        if not (text.isascii() and title.isascii()):
            title, text = self._sound(title, text)
        if row:
            row, n_nested = meta(row)
            self._ledger.n_nested += n_nested
        self._ledger.n_docs += 1
        return Doc(id_, title, text, row)

    def _missing(self, row: Fields) -> BadRow:
        absent = [ours for ours, names in self._names.items() if _first(names, row) is None]
        ours = next(name for name in absent if name != "title" or self._titled)
        return missing(ours, self._names[ours], row)

    def _remember(self, id_: str) -> None:
        digest = blake2b(id_.encode(), digest_size=_DIGEST_BYTES).digest()
        if digest in self._seen:
            why = f"the id {quoted(id_)} occurred before. Make ids unique, or keep the first "
            raise BadRow("duplicate id", f"{why}document of each with --on-error skip")
        self._seen.add(digest)

    def _sound(self, title: str, text: str) -> tuple[str, str]:
        fixed = repair(title), repair(text)
        if fixed == (title, text):
            return title, text
        self._ledger.n_broken += 1
        if not self._fix_text:
            return title, text
        self._ledger.n_fixed += 1
        return fixed


def _first(names: tuple[str, ...], row: Fields) -> str | None:
    for name in names:
        if name in row:
            return name
    return None
