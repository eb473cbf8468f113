"""A corpus and the flags -> what the build will take: documents, time and disk, said before it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter

from searchkit.cli.screen import say
from searchkit.corpus.estimate import estimate
from searchkit.corpus.read import ReadLedger, read_docs
from searchkit.encode import split
from searchkit.evaluate.sizes import count, spell_bytes, spell_seconds
from searchkit.index.vectors import VectorConfig
from searchkit.models.encoder import open_encoder
from searchkit.protocols import Encoder
from searchkit.search.api import IndexOptions
from searchkit.types import Doc

_LEXICAL_BYTES_S = 20e6  # read, stored, analysed and inverted on two cores
_LEXICAL_BYTES = 1.9  # on the disk for each byte read: stored documents and postings
LONG = 2_000  # documents from which a probe of the encoder is worth its seconds
PROBE_DOCS = 256
_PROBE_BATCH = 16
_PROBE_S = 1.5


@dataclass(frozen=True, slots=True)
class Rate:
    """What an encoder does here, measured on the first documents of the corpus."""

    docs_s: float
    bytes_doc: float  # stored for each document


_ROUGH = Rate(docs_s=30, bytes_doc=1000)  # a small encoder on two cores
_LOADING_S = 5


def forecast(
    corpus: Sequence[str], *, out: Path, encoders: Sequence[str], options: IndexOptions
) -> int:
    """Say on stderr what the build will take; the number of documents, 0 where nobody knows it."""
    size = estimate(corpus, options.read)
    if size is None:
        say("The size of the corpus shows only while it is read.")
        if "-" in corpus:
            say("Standard input is read once: after an interruption it has to be fed again.")
        return 0
    about = "" if size.exact else "about "
    said = f"{about}{count(size.n_docs, 'document')}, {spell_bytes(size.n_bytes)}"
    time_s, n_bytes = 1 + size.n_bytes / _LEXICAL_BYTES_S, size.n_bytes * _LEXICAL_BYTES
    vector_bytes = 0.0
    for name in encoders:
        rate = _ROUGH
        if size.n_docs >= LONG:
            rate = probe(name, corpus, options)
            said += f", {name} encodes {rate.docs_s:,.0f} documents/s here"
        time_s += _LOADING_S + size.n_docs / rate.docs_s
        vector_bytes += size.n_docs * rate.bytes_doc
    n_bytes += vector_bytes
    free = _free_bytes(out)
    said += f": about {spell_seconds(time_s)}, {spell_bytes(n_bytes)} on disk"
    say(f"{said} ({spell_bytes(free)} free).")
    if n_bytes + vector_bytes > free:  # vectors lie there twice until the commit
        say(
            f"Warning: the disk of {out} has too little free space for this. Stop and free some, "
            "or name another --out; a full disk ends the build, and nothing is committed."
        )
    return size.n_docs


def probe(name: str, corpus: Sequence[str], options: IndexOptions) -> Rate:
    """Encode the first documents of a corpus for a second or two. Loads the encoder."""
    encoder = open_encoder(name, options=options.encoder)
    reading = replace(options.read, rejects=None)
    docs = list(islice(read_docs(corpus, reading, ledger=ReadLedger()), PROBE_DOCS))
    return rate_of(encoder, docs, options.vectors)


def rate_of(encoder: Encoder, docs: Sequence[Doc], config: VectorConfig) -> Rate:
    """What an encoder does here, over as many of the documents as a second or two allow."""
    encoder.encode_docs([encoder.passage(docs[0])])  # the first call pays for what it sets up
    begin, n_docs, n_vectors = perf_counter(), 0, 0
    while n_docs < len(docs) and perf_counter() - begin < _PROBE_S:
        batch = docs[n_docs : n_docs + _PROBE_BATCH]
        texts = [text for of_doc in split(batch, config.passages, encoder) for text in of_doc]
        encoder.encode_docs(texts)
        n_docs, n_vectors = n_docs + len(batch), n_vectors + len(texts)
    n_bytes = n_vectors * encoder.dim * (2 if config.dtype == "float16" else 4)
    return Rate(n_docs / (perf_counter() - begin), n_bytes / n_docs)


def _free_bytes(out: Path) -> int:
    """Free space of the disk on which the index will stand."""
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
