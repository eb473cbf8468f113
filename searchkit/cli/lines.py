"""Values -> JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from searchkit.types import Hit


def as_json(value: Mapping[str, Any]) -> str:
    """One line of JSON; what is no number in JSON (nan, infinity) becomes null."""
    import orjson

    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def hit_record(hit: Hit) -> dict[str, Any]:
    """A hit with its document and its trace; terms and cut tokens where they were asked for."""
    trace = hit.trace
    places = {stage: {"rank": p.rank, "score": p.score} for stage, p in trace.stages.items()}
    record = {
        "rank": hit.rank,
        "score": hit.score,
        "id": hit.doc.id,
        "title": hit.doc.title,
        "text": hit.doc.text,
        "meta": dict(hit.doc.meta),
        "stages": places,
    }
    if trace.unread:  # by rerankers that a budget ended
        record["unread"] = list(trace.unread)
    if hit.versions:
        record["versions"] = [
            {"id": doc.id, "title": doc.title, "meta": dict(doc.meta)} for doc in hit.versions
        ]
    if trace.matches or trace.truncated:
        record["terms"] = {match.term: match.score for match in trace.matches}
        record["cut_tokens"] = dict(trace.truncated)
    return record
