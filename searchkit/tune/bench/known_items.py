"""An index without judgements -> queries made from its documents, and a small index to ask."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from searchkit.errors import ConfigError, CorpusError
from searchkit.evaluate.sizes import count
from searchkit.index.build import Watch
from searchkit.index.index import Index
from searchkit.models.device import Device
from searchkit.search.choose import choose
from searchkit.search.stored import stored_choice
from searchkit.train.cloze import Cloze, ClozeCounts, ClozeOptions, clozes, place
from searchkit.train.held_out import Split
from searchkit.tune.known_items import MAX_DOCS, KnownItems, build_known_items
from searchkit.tune.material import Material, one_each, walked

Tell: TypeAlias = Callable[[str], None]

_SPARE = 2  # documents that are looked at for each query that is wanted: not every one gives one


@contextmanager
def known_items(
    path: Path,
    n: int,
    *,
    seed: int,
    device: Device,
    watch: Watch,
    tell: Tell = lambda sentence: None,
) -> Iterator[KnownItems]:
    """N queries from titles and sentences, and an index in which what is asked stands nowhere.

    Each document asks once, by its title or by a sentence, and is the only answer to it. The small
    index has the encoders and the pipeline of the whole one; it is gone at the end.
    ConfigError for n below 1 or above 5,000, CorpusError where no document gives a query.
    """
    if not 1 <= n <= MAX_DOCS:
        raise ConfigError(f"the number of known items must be 1 to {MAX_DOCS:,}, not {n}.")
    with Index.open(path) as index, tempfile.TemporaryDirectory(prefix="searchkit-") as scratch:
        material = _material(index, n, seed=seed, watch=watch)
        dense = [stored_choice(path, record, device=device) for record in index.generation.encoders]
        tell(_to_come(min(len(index), MAX_DOCS), [one.encoder.name for one in dense]))
        yield build_known_items(
            Path(scratch) / "index",
            index,
            material,
            dense=dense,
            pipeline=choose(index),
            watch=watch,
        )


def _to_come(n_docs: int, encoders: Sequence[str]) -> str:
    encoded = f" and encoded by {' and '.join(encoders)}" if encoders else ""
    return (
        f"First a small index of at most {count(n_docs, 'document')}, without what is asked, is "
        f"built{encoded}."
    )


def _material(index: Index, n: int, *, seed: int, watch: Watch) -> Material:
    """At most n queries, of as many documents as it takes; nothing learns from the others."""
    options, counts = ClozeOptions(seed=seed), ClozeCounts()
    ids = index.all_ids()
    order = sorted(ids, key=lambda id_: place(id_, seed))
    asking: list[Cloze] = []
    size = n
    while len(asking) < n and size < _SPARE * len(ids):
        size = min(_SPARE * size, _SPARE * len(ids))
        counts = ClozeCounts()
        among = set(order[:size])
        docs = walked(index, watch("make queries"))
        asking = one_each(clozes(docs, options, counts, among=among), seed)
    if not asking:
        why = "none of its documents gives a query. They need titles, or abstracts of 3 sentences"
        raise CorpusError(index.path, None, why)
    rank = {id_: n for n, id_ in enumerate(order)}
    kept = sorted(asking, key=lambda one: rank[one.doc_id])[:n]
    return Material(
        split=Split(frozenset(one.doc_id for one in kept), "document"),
        train=[],
        held_out=kept,
        counts=counts,
        leaked={},
        clozes=options,
    )
