"""Why a paper is not among the hits: which stage lost it, and what would bring it back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searchkit.protocols import Retriever
from searchkit.retrieve.bm25 import BM25Retriever
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
    lost_at: str | None  # stage, "filter", or None where it is shown
    verdict: str  # what happened and what would bring it back
    findings: tuple[Finding, ...]
    matched: tuple[str, ...] = ()  # query terms that the document holds
    missing: tuple[str, ...] = ()  # query terms that it does not hold


def explain_absence(
    stages: Stages, query: str, *, row: Row, doc_id: str, k: int, allowed: Mask | None
) -> WhyNot:
    matched, missing = _terms(stages, query, row)
    findings = tuple(_retrieval(stages, query, row, allowed))
    if allowed is not None and not allowed[row]:
        verdict = f"{doc_id} is excluded by the filter. Without it, it would be ranked as below."
        unfiltered = tuple(_retrieval(stages, query, row, None))
        return WhyNot(doc_id, False, "filter", verdict, unfiltered, matched, missing)
    staged = stages.run([query], stage=stages.default, k=k, allowed=allowed)
    rankings = staged.of_query(0)
    depth = stages.pipeline.rerank.depth
    for name in ("fused", "reranked"):
        if name in rankings:
            passed_on = depth if name == "fused" and stages.scorer is not None else k
            findings = (*findings, _finding(name, rankings[name], row, passed_on))
    lost, verdict = _verdict(doc_id, findings, k=k, n_missing=len(missing))
    return WhyNot(doc_id, lost is None, lost, verdict, findings, matched, missing)


def _retrieval(stages: Stages, query: str, row: Row, allowed: Mask | None) -> list[Finding]:
    names = ("bm25", *stages.pipeline.encoders)
    limit = stages.pipeline.depth
    return [
        _finding(
            name, _everything(stages.retrievers[name].get(), query, stages, allowed), row, limit
        )
        for name in names
    ]


def _everything(retriever: Retriever, query: str, stages: Stages, allowed: Mask | None) -> Ranking:
    return retriever.retrieve([query], max(1, len(stages.docs)), allowed)[0]


def _finding(stage: str, ranking: Ranking, row: Row, limit: int) -> Finding:
    rank = ranking.rank_of(row)
    score = None if rank is None else float(ranking.scores[rank - 1])
    return Finding(stage, rank, len(ranking), limit, score)


def _terms(stages: Stages, query: str, row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    bm25 = stages.retrievers["bm25"].get()
    if not isinstance(bm25, BM25Retriever):
        return (), ()
    matched = tuple(match.term for match in bm25.matches(query, np.array([row]))[0])
    asked = dict.fromkeys(bm25.analyzer.terms(query))
    return matched, tuple(term for term in asked if term not in matched)


def _verdict(
    doc_id: str, findings: tuple[Finding, ...], *, k: int, n_missing: int
) -> tuple[str | None, str]:
    last = findings[-1]
    retrieved = [f for f in findings if f.stage not in ("fused", "reranked")]
    if last.rank is not None and last.rank <= k:
        return None, f"{doc_id} is shown: rank {last.rank} after {last.stage}."
    if all(f.rank is None for f in retrieved):
        cure = "Use words that the paper uses" + (
            ", or build the index with an encoder." if len(retrieved) == 1 else "."
        )
        return "bm25", f"{doc_id} holds none of the query's terms. {cure}"
    if all(f.rank is None or f.rank > f.limit for f in retrieved):
        best = min((f for f in retrieved if f.rank is not None), key=lambda f: f.rank or 0)
        return best.stage, (
            f"no retriever passed {doc_id} on: its best rank is {best.rank} with {best.stage}, and "
            f"{best.limit} are passed on. A depth of {best.rank} would bring it back."
        )
    lost = next((f for f in findings[len(retrieved) :] if f.rank is None or f.rank > f.limit), last)
    cure = f"-k {lost.rank} would show it."
    if lost.stage == "fused" and last.stage == "reranked":
        cure = f"A rerank depth of {lost.rank} would let the reranker see it."
    if n_missing:
        cure += f" It holds {n_missing} of the query's terms not at all."
    return (
        lost.stage,
        f"{doc_id} has rank {lost.rank} after {lost.stage}, {lost.limit} are passed on. {cure}",
    )
