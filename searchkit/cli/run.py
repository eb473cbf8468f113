"""`searchkit run`: queries -> a TREC run file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli.judged_files import Queries
from searchkit.cli.options import IndexPath, Protocol, check_protocol
from searchkit.cli.screen import say
from searchkit.cli.search_flags import SearchFlags, with_search_flags
from searchkit.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from searchkit.search.searcher import Searcher
    from searchkit.types import Query, Run

_BLANK = re.compile(r"\s")  # as `corpus.runs` sees it


@with_search_flags
def run(
    index: IndexPath,
    *,
    flags: SearchFlags,
    queries: Queries,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run file to write.")],
    k: Annotated[int, typer.Option("-k", help="Documents of each query.")] = 100,
    tag: Annotated[
        str, typer.Option(help="Last column of the file; default: searchkit-STAGE.")
    ] = "",
    protocol: Protocol = None,
) -> None:
    """Rank every query into a TREC run file.

    The file is there whole or not at all.

    \b
    Example:
      searchkit run indexes/papers --queries queries.jsonl --out fused.run --stage fused
    """
    from searchkit.corpus.queries import read_queries
    from searchkit.corpus.runs import write_run

    _check_place(out)
    check_protocol(protocol, [queries, out])
    _check_tag(tag)
    asked = read_queries(queries)
    _check_ids(queries, [query.id for query in asked])
    with flags.searching(index) as searcher:
        stage = searcher.stages.check(flags.stage or searcher.stages.default)
        _check_tag(tag := tag or f"searchkit-{stage}")
        _check_ids(index, _odd_ids(searcher, where=flags.where))
        found = _rank(searcher, asked, k=k, stage=stage, where=flags.where, protocol=protocol)
    write_run(out, found, tag=tag)
    say(*_report(out, found, stage))
    if protocol is not None:
        say(f"{protocol}: the protocol. Repeat it: searchkit replay {protocol}")


def _check_place(out: Path) -> None:
    from searchkit.corpus.atomic import check_place

    if out.is_dir():
        raise ConfigError(f"--out: {out} is a folder. Name a file.")
    check_place(out)


def _check_tag(tag: str) -> None:
    """Before any work: a column of a run file ends at a blank."""
    if _BLANK.search(tag) or not tag.isprintable():
        raise ConfigError(f"--tag: a run cannot hold {tag!r}. Choose letters without blanks.")


def _check_ids(where: Path, ids: Sequence[str]) -> None:
    """Before any work, as for the tag."""
    for one in ids:
        if _BLANK.search(one):
            why = f"the id {one!r} holds a blank, where a run's column would end"
            raise CorpusError(where, None, f"{why}. Choose ids without blanks")


def _odd_ids(searcher: Searcher, *, where: str | None) -> list[str]:
    """Ids that could be ranked and are not plain ASCII; only these need a second look."""
    import pyarrow as pa
    import pyarrow.compute as pc

    odd, allowed = [], searcher.mask(where)
    for segment in searcher.index.segments:
        ids = segment.docs.ids
        is_odd = pc.match_substring_regex(ids, r"[^\x21-\x7e]")
        if allowed is not None:
            is_odd = pc.and_(is_odd, pa.array(allowed[segment.base :][: len(ids)]))
        odd += ids.filter(is_odd).to_pylist()
    return odd


def _report(out: Path, found: Run, stage: str) -> list[str]:
    n_docs = sum(map(len, found.values()))
    lines = [f"{out}: {len(found):,} queries, {n_docs:,} documents, stage {stage}."]
    if empty := [query for query, hits in found.items() if not hits]:
        named = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        lines.append(f"{len(empty):,} of them found nothing and are not in the file: {named}.")
    return lines


def _rank(
    searcher: Searcher,
    queries: list[Query],
    *,
    k: int,
    stage: str,
    where: str | None,
    protocol: Path | None,
) -> Run:
    from searchkit.cli.progress import Bars
    from searchkit.search.protocol.record import rank_all

    with Bars("queries") as bars:
        progress = bars(f"rank by {stage}")
        return rank_all(
            searcher, queries, k, stage=stage, where=where, protocol=protocol, progress=progress
        )
