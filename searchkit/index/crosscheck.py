"""Sound files of a segment -> what in them does not agree with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import DamagedIndex
from searchkit.index.docs import DocStore
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.postings import WIDE, Postings, open_postings
from searchkit.index.terms import prefixes_of
from searchkit.index.tokens import count_tokens, open_tokens
from searchkit.index.tombstones import Tombstones, count_tombstones, open_tombstones
from searchkit.index.vectors import VectorPart, open_vectors

Wrong: TypeAlias = tuple[Segment | Part, str]
IsSound: TypeAlias = Callable[[Segment | Part], bool]

_UNIT = 4e-3  # what the length of a float16 vector may lack of 1, with room


def check_segment(
    index: Path, segment: Segment, is_sound: IsSound, generation: Generation
) -> Iterator[Wrong]:
    """What is wrong inside a segment; only parts whose files are sound are opened."""
    if is_sound(segment):
        yield from ((segment, what) for what in _docs(index, segment))
    for part in segment.parts:
        inputs = [one for one in segment.parts if one.hash in part.config.values()]
        if all(map(is_sound, [part, *inputs])):
            try:
                yield from ((part, what) for what in _CHECKS[part.kind](index, segment, part))
            except DamagedIndex as error:
                yield part, f"cannot be opened ({error.why})"
    held = {part.config["encoder"] for part in segment.parts if part.kind == "vectors"}
    for missing in sorted({record["name"] for record in generation.encoders} ^ held):
        yield segment, f"and the generation do not agree about vectors of {missing}"


def check_segments(index: Path, generation: Generation) -> Iterator[Wrong]:
    """What is wrong between segments: `seq` that does not rise, an id that lives twice."""
    last, known = -1, set[str]()
    for segment in generation.segments:
        docs = DocStore(index / segment.folder)
        seqs, ids = docs.seqs.to_numpy(), docs.ids
        if len(seqs) and (int(seqs[0]) <= last or (np.diff(seqs.astype(np.int64)) < 1).any()):
            yield segment, "has documents out of order"
        last = int(seqs[-1]) if len(seqs) else last
        gone = segment.part("tombstones")
        if gone is not None:
            alive = open_tombstones(index / gone.folder, segment.n_docs).alive(segment.n_docs)
            ids = ids.filter(alive)
        living = ids.to_pylist()
        if len(set(living)) < len(living) or not known.isdisjoint(living):
            yield segment, "has a document whose id another one has"
        known.update(living)
    if last >= generation.next_seq:
        yield generation.segments[-1], f"has seq {last}, not below {generation.next_seq}"


def _docs(index: Path, segment: Segment) -> Iterator[str]:
    docs = DocStore(index / segment.folder)
    counts = {"documents": len(docs), "rows of metadata": len(docs.meta)}
    for what, n in counts.items():
        if n != segment.n_docs and not (what == "rows of metadata" and not docs.meta.num_columns):
            yield f"holds {n} {what} where {segment.n_docs} were written"


def _postings(index: Path, segment: Segment, part: Part) -> Iterator[str]:
    postings = open_postings(index / part.folder)
    counts = {
        "n_docs": postings.n_docs,
        "n_terms": len(postings.terms),
        "n_postings": len(postings.rows),
        "title_length": int(postings.lengths[0].sum(dtype=np.int64)),
        "text_length": int(postings.lengths[1].sum(dtype=np.int64)),
    }
    for name, n in counts.items():
        if n != part.stats[name]:
            yield f"counts {n} for {name} where {part.stats[name]} were written"
    if postings.n_docs != segment.n_docs:
        yield f"holds {postings.n_docs} documents where {segment.n_docs} were written"
    elif not _rises(postings.starts, len(postings.rows)) or (np.diff(postings.starts) < 1).any():
        yield "has terms whose postings lie nowhere"
    elif not _rises(postings.doc_starts, len(postings.rows)):
        yield "has documents whose terms lie nowhere"
    else:
        yield from _sums(postings)
    if not np.array_equal(postings.terms.prefixes, prefixes_of(postings.terms.texts.to_pylist())):
        yield "has terms that their beginnings do not lead to"


def _sums(postings: Postings) -> Iterator[str]:
    """Forward list against postings, and lengths against the counts of terms."""
    from scipy.sparse import csr_matrix

    n_docs, n_terms = postings.n_docs, len(postings.terms)
    within = not len(postings.rows) or (
        int(postings.rows.max()) < n_docs and int(postings.doc_terms.max()) < n_terms
    )
    if not within:
        yield "names rows or terms that are not there"
        return
    ones = np.ones(len(postings.rows), np.bool_)
    forward = csr_matrix((ones, postings.doc_terms, postings.doc_starts), shape=(n_docs, n_terms))
    turned = forward.tocsc()
    same_starts = np.array_equal(turned.indptr, postings.starts)
    if not same_starts or not np.array_equal(turned.indices, postings.rows):
        yield "has a forward list that is not its postings turned round"
    counts, titles = postings.exact_counts(slice(0, len(postings.rows)))
    for what, held, field in (("title", titles, 0), ("text", counts - titles, 1)):
        sums = np.bincount(postings.rows, held, minlength=n_docs)
        if not np.array_equal(sums, postings.lengths[field]):
            yield f"has lengths of {what}s that are not the sums of their terms"
    if len(counts):
        largest = np.maximum.reduceat(counts, postings.starts[:-1])
        if not np.array_equal(largest, postings.max_counts):
            yield "has largest counts that are not the largest"
    wide = np.flatnonzero(postings.counts == WIDE)
    if not np.array_equal(wide, postings.overflow[:, 0]):
        yield "keeps large counts of other postings than have them"


def _vectors(index: Path, segment: Segment, part: Part) -> Iterator[str]:
    found = open_vectors(index / part.folder)
    if found.n_docs != segment.n_docs:
        yield f"holds {found.n_docs} documents where {segment.n_docs} were written"
    if found.n_vectors != part.stats["n_vectors"]:
        yield f"holds {found.n_vectors} vectors where {part.stats['n_vectors']} were written"
    if not _are_unit(found):
        yield "holds vectors that are not of unit length"


def _are_unit(part: VectorPart, batch: int = 65_536) -> bool:
    for start in range(0, part.n_vectors, batch):
        vectors = part.vectors[start : start + batch].astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        if not (np.abs(lengths - 1) < _UNIT).all():  # which a nan is not either
            return False
    return True


def _ann(index: Path, segment: Segment, part: Part) -> Iterator[str]:
    from searchkit.index.ann import open_ann

    of = next((one for one in segment.parts if one.hash == part.config["vectors"]), None)
    if of is None:
        yield "was built over vectors that are not there"
        return
    vectors, found = open_vectors(index / of.folder), open_ann(index / part.folder)
    if found.n_vectors != vectors.n_vectors:
        yield f"holds {found.n_vectors} vectors where {vectors.n_vectors} belong"
    if found.index.d != vectors.dim or found.kind != part.config["ann"]:
        yield f"is {found.kind} over {found.index.d} numbers, not {part.config['ann']}"


def _stones(index: Path, segment: Segment, part: Part) -> Iterator[str]:
    stones = open_tombstones(index / part.folder, segment.n_docs)
    rows = stones.rows.astype(np.int64)
    if len(rows) != part.stats["n_docs"] or (np.diff(rows) < 1).any():
        yield f"names {len(rows)} rows, which are not the {part.stats['n_docs']} that were deleted"
        return
    of = segment.part("postings")
    if of is None or of.hash != part.config["postings"]:
        yield "counts terms of postings that are not there"
    elif not _same(stones, count_tombstones(rows, open_postings(index / of.folder))):
        yield "does not count the terms of the deleted documents"


def _tokens(index: Path, segment: Segment, part: Part) -> Iterator[str]:
    found, limit = open_tokens(index / part.folder), part.config["limit"]
    if found.n_docs != segment.n_docs:
        yield f"holds tokens of {found.n_docs} documents where {segment.n_docs} were written"
    elif not _rises(found.starts, len(found.ids)) or (found.lengths > limit).any():
        yield "has documents whose tokens lie nowhere"
    elif count_tokens(found.lengths, limit) != part.stats:
        yield "holds other numbers of tokens than were written"


def _same(one: Tombstones, other: Tombstones) -> bool:
    pairs = ((one.terms, other.terms), (one.dfs, other.dfs), (one.lengths, other.lengths))
    return all(np.array_equal(a, b) for a, b in pairs)


def _rises(starts: NDArray[np.int64], end: int) -> bool:
    """Whether these begin at 0, end there and never fall."""
    ends = len(starts) > 0 and int(starts[0]) == 0 and int(starts[-1]) == end
    return ends and not (np.diff(starts) < 0).any()


_CHECKS = {
    "postings": _postings,
    "vectors": _vectors,
    "ann": _ann,
    "tombstones": _stones,
    "tokens": _tokens,
}
