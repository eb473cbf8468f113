"""A file of ids, one a line -> ids."""

from __future__ import annotations

from pathlib import Path

from searchkit.corpus.lines import numbered_lines
from searchkit.corpus.rows import BadRow, decode
from searchkit.corpus.values import id_of
from searchkit.errors import CorpusError


def read_ids(path: Path) -> list[str]:
    """The ids in file order, without repeats; empty lines are passed over, .gz is unpacked.

    CorpusError: a line that is no id, no id at all.
    """
    found: dict[str, None] = {}
    with numbered_lines(path) as lines:
        for number, line in lines:
            if not line.strip():
                continue
            try:
                found[id_of(decode(line).strip())] = None
            except BadRow as bad:
                raise CorpusError(path, number, bad.why) from None
    if not found:
        raise CorpusError(path, None, "there is no id in it. Write one a line")
    return list(found)
