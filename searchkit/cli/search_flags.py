"""The flags of a search, once for every verb that ranks with a pipeline of the user's choice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from searchkit.cli import options as flags
from searchkit.cli.idle import Given, given, refuse_idle

if TYPE_CHECKING:
    from searchkit.search.searcher import Searcher


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFlags:
    """What a search is told on the command line; `written` names what stands there."""

    stage: flags.Stage = None
    where: flags.Where = None
    reranker: flags.Reranker = "auto"
    rerank_depth: flags.RerankDepth = None
    interpolation: flags.Interpolation = None
    rerank_scale: flags.RerankScale = None
    rerank_bound: flags.RerankBound = None
    cascade: flags.Cascade = None
    bm25: flags.BM25 = ""
    fusion: flags.FusionPairs = ""
    depth: flags.Depth = None
    lexical: flags.Lexical = "searchkit"
    device: flags.Device = "auto"
    trust_remote_code: flags.TrustRemoteCode = False
    generation: flags.Generation = None
    as_of: flags.AsOf = None
    written: Given

    @contextmanager
    def searching(self, path: Path, *, explain: bool = False) -> Iterator[Searcher]:
        """The index, open as the flags say; ConfigError for a flag that can change nothing."""
        from searchkit.cli.opening import reranker_of, searching
        from searchkit.cli.tuning import Changes
        from searchkit.search.assembly import OpenOptions

        options = OpenOptions(
            reranker=reranker_of(self.reranker),
            cascade=reranker_of(self.cascade) if self.cascade else None,
            device=self.device,
            lexical=self.lexical,
            trust_remote_code=self.trust_remote_code,
            generation=self.generation,
            as_of=self.as_of,
        )
        changes = Changes(
            bm25=self.bm25,
            fusion=self.fusion,
            depth=self.depth,
            rerank_depth=self.rerank_depth,
            interpolation=self.interpolation,
            rerank_scale=self.rerank_scale,
            rerank_bound=self.rerank_bound,
        )
        changes.refuse_idle(stage=self.stage, lexical=self.lexical)
        with searching(path, options, changes) as searcher:
            refuse_idle(self.written, searcher.stages, stage=self.stage, explain=explain)
            yield searcher


def with_search_flags(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb that takes `flags: SearchFlags` -> the same verb with each of them as an option."""
    own = [
        p for p in inspect.signature(verb, eval_str=True).parameters.values() if p.name != "flags"
    ]
    hints = get_type_hints(SearchFlags, include_extras=True)
    shared = [
        inspect.Parameter(
            flag.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=flag.default,
            annotation=hints[flag.name],
        )
        for flag in fields(SearchFlags)
        if flag.name != "written"
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @wraps(verb)
    def flat(*, ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 - whatever typer read
        told = {flag.name: values.pop(flag.name) for flag in shared}
        verb(**values, flags=SearchFlags(**told, written=given(ctx)))

    taken = [*own, *shared, context]
    flat.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
    return flat
