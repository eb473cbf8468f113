"""The metadata of an index -> which of its documents are versions of one work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from searchkit.analyze.scientific import fold_accents, strip_markers, words
from searchkit.analyze.strings import booleans, int64s, large_strings, numbers, truths
from searchkit.index.index import Index
from searchkit.types import Hit, Mask, Ranking, Row, Rows

YEARS_APART = 3  # of two versions that only a title and a name hold together
_WORDS, _LETTERS = 3, 20  # a title that has fewer of both (Editorial, Introduction) tells nothing

_DOI = r"(?i)(?P<id>10\.[0-9]{4,9}(?:\.[0-9]+)*/\S+)"
_ARXIV = r"(?i)(?P<id>[0-9]{4}\.[0-9]{4,5}|[a-z][a-z-]+(?:\.[a-z]{2})?/[0-9]{7})"
_ARXIV_DOI = "10.48550/arxiv."
_YEAR = r"(?P<id>1[0-9]{3}|20[0-9]{2})"
# arXiv, bioRxiv and medRxiv, SSRN, Research Square, ChemRxiv, OSF and its kin, Preprints.org,
# TechRxiv, Authorea, Zenodo: a paper has another DOI where it is published
_OF_PREPRINTS = (
    r"^10\.(?:48550|1101/(?:20[0-9]{2}\.|[0-9]{6}(?:$|v))|2139|21203|26434|3121[59]|31234|20944"
    r"|36227|22541|5281)"
)

# `pa.scalar` and `to_numpy` import pandas at the first call: that takes longer than all of this
_NO_TEXT, _BLANK = large_strings([None, ""])
_NONE, _ZERO = int64s(np.array([-1, 0]))
_UNKNOWN = pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(np.array([np.nan]))])[0]
_FALSE, _TRUE = booleans(np.array([False, True]))

Edges = NDArray[np.int64]  # (2, n): rows of the same work


@dataclass(frozen=True, slots=True)
class Works:
    """The work of every row of a generation."""

    ids: Rows  # (n_rows,) the first row of the same work
    largest: int  # versions of the work that has most

    def firsts(self, ranking: Ranking) -> Ranking:
        """The best-ranked version of every work, with its score."""
        _, first = np.unique(self.ids[ranking.rows], return_index=True)
        kept = np.sort(first)
        return Ranking(ranking.rows[kept], ranking.scores[kept])

    def versions(self, row: Row) -> Rows:
        """All rows of the work of a row, itself among them, ascending."""
        return np.flatnonzero(self.ids == self.ids[row])


def find_works(table: pa.Table, alive: Mask | None) -> Works:
    """Which rows are versions of one work, by the columns that a table has of these.

    Two rows are where they share a DOI (`doi`), an arXiv id (`arxiv_id`, or the DOI of arXiv), or a
    title and the surname of the first author (`title`, `authors`), and then if they are at most
    `YEARS_APART` years (`year`) from each other and not published under two DOIs: of a yearly
    report every edition is a work of its own, and a preprint belongs to the one that follows it.
    alive: (n_rows,), deleted rows are a work of their own; None where all are alive.
    """
    n_rows = table.num_rows
    dois = _extracted(table, "doi", _DOI)
    arxiv_ids = _arxiv_ids(_extracted(table, "arxiv_id", _ARXIV), dois)
    titles = _title_keys(table)
    if alive is not None:
        dois, arxiv_ids, titles = (
            pc.if_else(booleans(alive), keys, _NO_TEXT) for keys in (dois, arxiv_ids, titles)
        )
    edges = [_alike(dois), _alike(arxiv_ids), _by_title(titles, _years(table), dois)]
    return _components(np.concatenate(edges, axis=1), n_rows)


def with_versions(
    hits: Sequence[Hit],
    best: Ranking,
    ranking: Ranking,
    works: Works,
    *,
    index: Index,
    allowed: Mask | None,
) -> list[Hit]:
    """The hits with the other versions of each that a filter allows, ranked ones first.

    best: the rows of the hits. ranking: where every version stands that was found.
    """
    found = []
    for hit, row in zip(hits, best.rows.tolist(), strict=True):
        rows = works.versions(row)
        rows = rows[rows != row] if allowed is None else rows[(rows != row) & allowed[rows]]
        ranks = [ranking.rank_of(other) or len(ranking) + 1 for other in rows.tolist()]
        order = rows[np.argsort(ranks, kind="stable")].tolist()
        found.append(replace(hit, versions=tuple(index[other] for other in order)))
    return found


def _components(edges: Edges, n_rows: int) -> Works:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not edges.shape[1]:
        return Works(np.arange(n_rows), 1)
    graph = coo_array((np.ones(edges.shape[1], np.bool_), tuple(edges)), (n_rows, n_rows))
    _, labels = connected_components(graph, directed=False)
    _, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    return Works(first[labels].astype(np.int64), int(sizes.max()))


def _alike(keys: pa.Array) -> Edges:
    """Neighbours among the rows of each key; null is no key."""
    codes = _codes(keys)
    order = np.argsort(codes, kind="stable")
    same = (codes[order[1:]] == codes[order[:-1]]) & (codes[order[1:]] >= 0)
    return np.stack([order[:-1][same], order[1:][same]])


def _codes(keys: pa.Array) -> NDArray[np.int64]:
    """A number for each key, -1 for null."""
    codes = keys.dictionary_encode().indices
    return numbers(codes.cast(pa.int64()).fill_null(_NONE))


def _by_title(titles: pa.Array, years: NDArray[np.float64], dois: pa.Array) -> Edges:
    """Each row without a publisher's DOI to the published one nearest, or to the one before it."""
    codes = _codes(titles)
    shared = np.bincount(codes[codes >= 0], minlength=1) > 1
    rows = np.flatnonzero(shared[codes] & (codes >= 0))
    is_preprint = pc.match_substring_regex(dois, _OF_PREPRINTS).fill_null(_TRUE)
    published = ~truths(is_preprint)
    rows = rows[np.lexsort((published[rows], years[rows], codes[rows]))]
    free = ~published[rows]
    partners = _partners(codes[rows], years[rows], free)
    linked = partners >= 0
    alone = np.flatnonzero(free & ~linked)
    near = _is_near(codes[rows], years[rows], alone[:-1], alone[1:])
    return np.stack(
        [
            np.concatenate([rows[linked], rows[alone[:-1][near]]]),
            np.concatenate([rows[partners[linked]], rows[alone[1:][near]]]),
        ]
    )


def _partners(
    codes: NDArray[np.int64], years: NDArray[np.float64], free: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each free place that of its published version, the one after it before that before it.

    Places are sorted by code and year; -1 where a place has none, or needs none.
    """
    n = len(codes)
    places = np.arange(n)
    after = np.minimum.accumulate(np.where(free, n, places)[::-1])[::-1]
    before = np.maximum.accumulate(np.where(free, -1, places))
    found = np.full(n, -1, np.int64)
    for other in (before, after):
        there = free & (other >= 0) & (other < n)
        at = places[there]
        near = _is_near(codes, years, at, other[there])
        found[at[near]] = other[there][near]
    return found


def _is_near(
    codes: NDArray[np.int64], years: NDArray[np.float64], one: Edges, other: Edges
) -> NDArray[np.bool_]:
    """Whether two places have one code and their years, where both are known, are near."""
    apart = np.nan_to_num(np.abs(years[one] - years[other]))
    return np.asarray((codes[one] == codes[other]) & (apart <= YEARS_APART))


def _title_keys(table: pa.Table) -> pa.Array:
    """Title and surname as one key, null where one of them says too little."""
    names = pc.replace_substring_regex(_first_authors(table), r"\s*,.*$", "")
    names = pc.replace_substring_regex(pc.utf8_trim_whitespace(names), r"^.*[\s.]", "")
    known = pc.not_equal(names, _BLANK).fill_null(_FALSE)
    surnames = pc.utf8_lower(fold_accents(names.filter(known)))
    spelled = words(
        fold_accents(strip_markers(_texts(table, "title").fill_null(_BLANK).filter(known)))
    )
    packed = pc.replace_substring(spelled, " ", "")
    n_words = numbers(pc.count_substring(spelled, " ")) + 1
    tells = (n_words >= _WORDS) | (numbers(pc.utf8_length(packed)) >= _LETTERS)
    keys = pc.binary_join_element_wise(packed, surnames, large_strings(["\n"])[0])
    keys = pc.if_else(booleans(tells), keys, _NO_TEXT)
    return pc.replace_with_mask(pa.nulls(len(names), pa.large_string()), known, keys)


def _first_authors(table: pa.Table) -> pa.Array:
    """The first name of `authors`: a list, or a text with semicolons or ands between names."""
    if "authors" not in table.column_names:
        return pa.nulls(table.num_rows, pa.large_string())
    column = table["authors"].combine_chunks()
    if not pa.types.is_nested(column.type):
        parted = pc.split_pattern_regex(
            _texts(table, "authors"), r"\s*;\s*|\s+and\s+", max_splits=1
        )
        return pc.list_element(parted, 0)
    sizes = numbers(pc.list_value_length(column).cast(pa.int64()).fill_null(_ZERO))
    starts = (np.cumsum(sizes) - sizes).astype(np.int64)
    places = pc.if_else(booleans(sizes > 0), int64s(starts), pa.nulls(1, pa.int64())[0])
    return pc.list_flatten(column).take(places).cast(pa.large_string())


def _arxiv_ids(ids: pa.Array, dois: pa.Array) -> pa.Array:
    """Ids of arXiv without subject class, taken from its DOIs where there is no other."""
    of_doi = pc.if_else(
        pc.starts_with(dois, _ARXIV_DOI),
        pc.replace_substring_regex(dois, r"^10\.48550/arxiv\.|v[0-9]+$", ""),
        _NO_TEXT,
    )
    return pc.replace_substring_regex(pc.coalesce(ids, of_doi), r"\.[a-z]{2}/", "/")


def _years(table: pa.Table) -> NDArray[np.float64]:
    """(n_rows,) years, NaN where none is known."""
    if "year" not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table["year"].combine_chunks()
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        column = _extracted(table, "year", _YEAR)
    return numbers(column.cast(pa.float64()).fill_null(_UNKNOWN))


def _extracted(table: pa.Table, name: str, pattern: str) -> pa.Array:
    """What a pattern finds in a column of text, in lower case, null where nothing."""
    found = pc.extract_regex(_texts(table, name), pattern)
    return pc.utf8_lower(pc.struct_field(found, "id"))


def _texts(table: pa.Table, name: str) -> pa.Array:
    """A column of text, null where it holds none."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.large_string())
    column = table[name].combine_chunks()
    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.large_string())
    return column.cast(pa.large_string())
