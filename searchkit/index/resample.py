"""Some documents of an index, analysed and encoded again -> what is not as it is stored."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from searchkit.encode import encode_texts, split
from searchkit.errors import SearchkitError
from searchkit.index.index import Index
from searchkit.index.postings import Postings
from searchkit.index.recorded import open_recorded
from searchkit.index.vectors import VectorPart, open_vectors
from searchkit.index.verify import spread
from searchkit.protocols import Encoder, Progress

_LIKE = 2e-3  # a number of a vector may differ by: float16, another batch, another machine


def reanalysed(index: Index, n_docs: int) -> list[str]:
    """Ids of sampled documents whose stored terms are not those of their text."""
    wrong, rows = list[str](), spread(index.n_rows, n_docs)
    for base, postings in index.postings:
        for row in rows:
            if base <= row < base + postings.n_docs:
                doc = index[row]
                terms = index.analyzer.terms(doc.title) + index.analyzer.terms(doc.text)
                if _stored_counts(postings, row - base) != Counter(terms):
                    wrong.append(doc.id)
    return wrong


def _stored_counts(postings: Postings, row: int) -> dict[str, int]:
    """Term -> occurrences in the document, from the forward list and the postings."""
    held = postings.doc_terms[int(postings.doc_starts[row]) : int(postings.doc_starts[row + 1])]
    counts = {}
    for term in held.tolist():
        at, there = postings.find(term, np.array([row], np.int64))
        place = slice(int(at[0]), int(at[0]) + 1)
        spelled = postings.terms.texts[term].as_py()
        counts[spelled] = int(postings.exact_counts(place)[0][0]) if there[0] else 0
    return counts


def reencoded(
    index: Index, record: dict[str, Any], n_docs: int, progress: Progress
) -> tuple[list[str], str]:
    """Ids of sampled documents whose vectors are not those of their text; why none was tried.

    record: what the generation remembers of the encoder.
    """
    try:
        encoder = open_recorded(index.path, record)
    except SearchkitError as error:
        return [], str(error)
    rows, wrong, done = spread(index.n_rows, n_docs), list[str](), 0
    for segment, part in index.part("vectors", encoder=record["name"]) or []:
        here = [row for row in rows if segment.base <= row < segment.base + segment.segment.n_docs]
        vectors = open_vectors(index.folder(part))
        docs = [index[row] for row in here]
        passages = split(docs, record["passages"], encoder) if docs else []
        for row, texts in zip(here, passages, strict=True):
            if not _is_alike(vectors, row - segment.base, encoder, texts):
                wrong.append(index.id(row))
            done += 1
            progress(done, len(rows))
    return wrong, ""


def _is_alike(part: VectorPart, doc: int, encoder: Encoder, texts: list[str]) -> bool:
    stored = part.vectors[part.ids_of(np.array([doc], np.int64))].astype(np.float32)
    if len(stored) != len(texts):
        return False
    fresh = encode_texts(encoder, texts, encoder.n_tokens(texts), progress=lambda n, of: None)
    return bool((np.abs(stored - fresh) <= _LIKE).all())
