"""What a judgement of pipelines rests on: the queries that take part, and all that decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from searchkit.corpus.qrels import refuse_without_relevant
from searchkit.errors import ConfigError, CorpusError
from searchkit.index.index import Index
from searchkit.search.pipeline import Pipeline
from searchkit.tune.attempts import settings_hash
from searchkit.types import Qrels, Query

SHOWN = 12  # characters of a hash that a person compares


def judged_queries(queries: Sequence[Query], qrels: Qrels) -> list[Query]:
    """The judged ones, by id: nothing that is drawn from them depends on the order of a file.

    CorpusError where there is none.
    """
    asked = sorted((query for query in queries if qrels.get(query.id)), key=lambda one: one.id)
    if not asked:
        why = "none of its queries is judged; is it the right qrels file?"
        raise CorpusError("queries", None, why)
    return asked


def enough_queries(queries: Sequence[Query], qrels: Qrels) -> list[Query]:
    """`judged_queries` for the gate: ConfigError for a single one, CorpusError without relevant."""
    asked = judged_queries(queries, qrels)
    if len(asked) < 2:
        raise ConfigError("the gate needs at least 2 judged queries, and there is one.")
    refuse_without_relevant({query.id: qrels[query.id] for query in asked}, "qrels")
    return asked


def settings_of(
    index: Index, pipelines: Iterable[Pipeline], asked: Sequence[Query], **others: object
) -> str:
    """Hash of all that decides the outcome beside a model and the judgements."""
    tried = list(pipelines)
    used = {name for one in tried for name in one.encoders}
    return settings_hash(
        {
            "pipelines": [essence(one) for one in tried],
            "segments": [segment.hash for segment in index.generation.segments],
            "encoders": [
                record["fingerprint"]
                for record in index.generation.encoders
                if record["name"] in used
            ],
            "queries": [[query.id, query.text] for query in asked],
            **others,
        }
    )


def essence(pipeline: Pipeline) -> dict[str, Any]:
    """What of a pipeline decides a ranking."""
    idle = {"why"} if pipeline.reranker else {"why", "rerank"}
    return {key: value for key, value in pipeline.to_dict().items() if key not in idle}
