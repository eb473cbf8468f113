"""Training and development examples -> a refusal where one stands in both."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from searchkit.errors import CorpusError
from searchkit.train.examples import Examples

_LISTED = 5  # overlaps that the message names
_QUOTED = 40  # characters of each text in it
_DIGEST_BYTES = 16


def refuse_overlap(train: Examples, dev: Examples) -> None:
    """CorpusError, with the first overlaps by row, where a query and its document are in both.

    Texts are compared without regard to case and spaces; a label does not matter. Every document
    of a triplet counts. Rows are those of the examples, from 1. Memory: 32 bytes and a row number
    a pair of the development set, which is read first.
    """
    known: dict[bytes, dict[bytes, int]] = {}
    for row, query, document in _pairs(dev):
        known.setdefault(_digest(query), {}).setdefault(_digest(document), row)
    listed, n_overlaps, last = [], 0, 0
    for row, query, document in _pairs(train):
        held = known.get(_digest(query))
        if held is None or row == last or (there := held.get(_digest(document))) is None:
            continue
        n_overlaps, last = n_overlaps + 1, row
        if n_overlaps <= _LISTED:
            listed.append(f"row {row} = row {there} ({_quote(query)} / {_quote(document)})")
    if n_overlaps:
        more = ", ..." if n_overlaps > _LISTED else ""
        why = (
            f"{n_overlaps:,} of {train.n_rows:,} training examples also stand in {dev.source}: "
            f"{', '.join(listed)}{more}. Remove them from one of the two"
        )
        raise CorpusError(train.source, None, why)


def _pairs(examples: Examples) -> Iterator[tuple[int, str, str]]:
    """(row, query, document) of every pair; a triplet has two."""
    names = [name for name in examples.data.column_names if name != "label"]
    row = 0
    for batch in examples.data.select_columns(names).iter(batch_size=1000):
        for query, *documents in zip(*(batch[name] for name in names), strict=True):
            row += 1
            for document in documents:
                yield row, query, document


def _digest(text: str) -> bytes:
    plain = " ".join(text.split()).casefold()
    return blake2b(plain.encode(), digest_size=_DIGEST_BYTES).digest()


def _quote(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}...")
