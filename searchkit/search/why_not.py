"""Why a paper is not among the hits: which stage lost it, and what would bring it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from searchkit.retrieve.bm25 import BM25Retriever
from searchkit.search.nothing import why_termless
from searchkit.search.stages import Stages
from searchkit.types import Mask, Ranking, Row


@dataclass(frozen=True, slots=True)
class Finding:
    """Where one stage put the document."""

    stage: str
    rank: int | None  # None: not found at all
    n_ranked: int  # documents that the stage ranked
    limit: int  # ranks that the stage passes on, or shows
    score: float | None = None


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The way of one document through the stages for one query."""

    doc_id: str
    is_shown: bool
    lost_at: str | None  # stage, "filter", "retrieval" (found by none), or None where it is shown
    verdict: str  # what happened and what would bring it back
    findings: tuple[Finding, ...]
    matched: tuple[str, ...] = ()  # query terms that the document holds
    missing: tuple[str, ...] = ()  # query terms that it does not hold


class _Terms(NamedTuple):
    """The query's terms, by whether the document holds them; not known of every BM25."""

    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    are_known: bool = False


def explain_absence(
    stages: Stages, query: str, *, row: Row, doc_id: str, k: int, allowed: Mask | None
) -> WhyNot:
    terms = _terms(stages, query, row)
    shown = (terms.matched, terms.missing)
    if allowed is not None and not allowed[row]:
        unfiltered = tuple(_retrieval(stages, query, row, None, k=k))
        without = "it would be ranked as below"
        if all(finding.rank is None for finding in unfiltered):
            without = "no retriever would find it either"
        verdict = f"{doc_id} is excluded by the filter. Without it, {without}."
        return WhyNot(doc_id, False, "filter", verdict, unfiltered, *shown)
    findings = list(_retrieval(stages, query, row, allowed, k=k))
    n_retrieved = len(findings)
    whole = max(k, stages.pipeline.rerank.depth)  # a reranker with a bound ends at its k
    rankings = stages.run([query], stage=stages.default, k=whole, allowed=allowed).of_query(0)
    for name in ("fused", "reranked"):
        if name in rankings:
            is_read_on = name == "fused" and stages.scorer is not None
            limit = stages.pipeline.rerank.depth if is_read_on else k
            findings.append(_finding(name, rankings[name], row, limit))
    lost, verdict = _verdict(
        doc_id, findings[:n_retrieved], findings[n_retrieved:], depth=stages.pipeline.depth
    )
    if lost is not None:
        verdict = f"{verdict} {_on_terms(query, terms)}".rstrip()
    return WhyNot(doc_id, lost is None, lost, verdict, tuple(findings), *shown)


def _retrieval(
    stages: Stages, query: str, row: Row, allowed: Mask | None, *, k: int
) -> Iterator[Finding]:
    """What each retriever says of the document, among all that it can rank."""
    limit = stages.pipeline.depth
    if stages.default == "bm25":
        limit = k  # nothing comes after it
    elif not stages.pipeline.encoders:
        limit = min(limit, stages.pipeline.rerank.depth)
    for name in ("bm25", *stages.pipeline.encoders):
        retriever = stages.retrievers[name].get()
        whole = retriever.retrieve([query], max(1, len(stages.docs)), allowed)[0]
        yield _finding(name, whole, row, limit)


def _finding(stage: str, ranking: Ranking, row: Row, limit: int) -> Finding:
    rank = ranking.rank_of(row)
    score = None if rank is None else float(ranking.scores[rank - 1])
    return Finding(stage, rank, len(ranking), limit, score)


def _terms(stages: Stages, query: str, row: Row) -> _Terms:
    bm25 = stages.retrievers["bm25"].get()
    if not isinstance(bm25, BM25Retriever):
        return _Terms()
    matched = tuple(match.term for match in bm25.matches(query, np.array([row]))[0])
    asked = dict.fromkeys(bm25.analyzer.terms(query))
    return _Terms(matched, tuple(term for term in asked if term not in matched), are_known=True)


def _on_terms(query: str, terms: _Terms) -> str:
    """What the query's words have to do with it; "" where the document holds them all."""
    n_terms = len(terms.matched) + len(terms.missing)
    if not terms.are_known or (n_terms and not terms.missing):
        return ""
    if not n_terms:
        why = why_termless(query)
        return f"{why[:1].upper()}{why[1:]}, so that BM25 has nothing to look for."
    if not terms.matched:
        return "It holds none of the query's terms."
    return f"It lacks {len(terms.missing)} of the query's {n_terms} terms."


def _verdict(
    doc_id: str, retrieved: Sequence[Finding], later: Sequence[Finding], *, depth: int
) -> tuple[str | None, str]:
    """The stage that lost the document, None where none did; what happened, and the cure.

    depth: candidates of each retriever.
    """
    findings = [*retrieved, *later]
    last = findings[-1]
    if last.rank is not None and last.rank <= last.limit:
        return None, f"{doc_id} is shown: rank {last.rank} after {last.stage}."
    found = [f for f in retrieved if f.rank is not None]
    if not found:
        cure = "Use words that the paper uses"
        cure += ", or build the index with an encoder." if len(retrieved) == 1 else "."
        return "retrieval", f"no retriever finds {doc_id}. {cure}"
    if later and all(_is_beyond(f) for f in retrieved):
        best = min(found, key=lambda f: f.rank or 0)
        setting = "depth" if best.limit == depth else "rerank depth"
        return best.stage, (
            f"no retriever passed {doc_id} on: its best rank is {best.rank} with {best.stage}, and "
            f"{_are(best.limit, 'passed on')}. A {setting} of {best.rank} would bring it back."
        )
    lost = next(f for f in (*later, last) if _is_beyond(f))
    if lost.rank is None:
        weightless = next(f.stage for f in found if not _is_beyond(f))
        return lost.stage, (
            f"{doc_id} is not in {lost.stage}: the weight of {weightless} is 0, and no other "
            "retriever passed it on."
        )
    if lost is not last:
        return lost.stage, (
            f"{doc_id} has rank {lost.rank} after {lost.stage}, and "
            f"{_are(lost.limit, 'read by the reranker')}. "
            f"A rerank depth of {lost.rank} would let the reranker see it."
        )
    return lost.stage, (
        f"{doc_id} has rank {lost.rank} after {lost.stage}, and {_are(lost.limit, 'shown')}. "
        f"-k {lost.rank} would show it."
    )


def _is_beyond(finding: Finding) -> bool:
    return finding.rank is None or finding.rank > finding.limit


def _are(n: int, done: str) -> str:
    return f"{n:,} {'is' if n == 1 else 'are'} {done}"
