"""`searchkit run`: queries -> a TREC run file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import options as flags
from searchkit.cli.options import IndexPath, Stage, Where
from searchkit.cli.screen import say

if TYPE_CHECKING:
    from searchkit.search.searcher import Searcher
    from searchkit.types import Query, Run

_BATCH = 256  # queries ranked together
_RERANKED_BATCH = 8  # fewer, where each takes a second


def run(  # noqa: PLR0913 - the flags of a command are its parameters
    index: IndexPath,
    *,
    queries: Annotated[
        Path, typer.Option(metavar="FILE", help="JSONL or TSV: an id and a text each.")
    ],
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run file to write.")],
    k: Annotated[int, typer.Option("-k", help="Documents of each query.")] = 100,
    stage: Stage = None,
    where: Where = None,
    reranker: flags.Reranker = "auto",
    rerank_depth: flags.RerankDepth = None,
    interpolation: flags.Interpolation = None,
    bm25: flags.BM25 = "",
    fusion: flags.FusionPairs = "",
    depth: flags.Depth = None,
    lexical: flags.Lexical = "searchkit",
    device: flags.Device = "auto",
    trust_remote_code: flags.TrustRemoteCode = False,
    tag: Annotated[
        str, typer.Option(help="Last column of the file; default: searchkit-STAGE.")
    ] = "",
) -> None:
    """Rank every query into a TREC run file.

    The file is there whole or not at all.

    \b
    Example:
      searchkit run indexes/papers --queries queries.jsonl --out fused.run --stage fused
    """
    from searchkit.cli.opening import reranker_of, searching
    from searchkit.cli.tuning import Changes
    from searchkit.corpus.queries import read_queries
    from searchkit.corpus.runs import write_run
    from searchkit.search.api import OpenOptions

    asked = read_queries(queries)
    options = OpenOptions(reranker=reranker_of(reranker), device=device, lexical=lexical)
    options = replace(options, trust_remote_code=trust_remote_code)
    changes = Changes(bm25=bm25, fusion=fusion, depth=depth)
    changes = replace(changes, rerank_depth=rerank_depth, interpolation=interpolation)
    with searching(index, options, changes) as searcher:
        stage = searcher.stages.check(stage or searcher.stages.default)
        found = rank_all(searcher, asked, k=k, stage=stage, where=where)
    write_run(out, found, tag=tag or f"searchkit-{stage}")
    say(*_report(out, found, stage))


def _report(out: Path, found: Run, stage: str) -> list[str]:
    n_docs = sum(map(len, found.values()))
    lines = [f"{out}: {len(found):,} queries, {n_docs:,} documents, stage {stage}."]
    if empty := [query for query, hits in found.items() if not hits]:
        named = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        lines.append(f"{len(empty):,} of them found nothing and are not in the file: {named}.")
    return lines


def rank_all(
    searcher: Searcher, queries: list[Query], *, k: int, stage: str, where: str | None
) -> Run:
    """The k best documents of every query by its id, with progress on stderr."""
    from searchkit.cli.progress import Bars

    step = _RERANKED_BATCH if stage == "reranked" else _BATCH
    found: dict[str, list[tuple[str, float]]] = {}
    with Bars("queries") as bars:
        progress = bars(f"rank by {stage}")
        for start in range(0, len(queries), step):
            batch = queries[start : start + step]
            ranked = searcher.rank([q.text for q in batch], k, stage=stage, where=where)
            found |= {q.id: hits for q, hits in zip(batch, ranked, strict=True)}
            progress(min(start + step, len(queries)), len(queries))
    return found
