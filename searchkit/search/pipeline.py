"""Which stages run, and with which settings: a value, stored in an index once it is promoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from searchkit.errors import ConfigError
from searchkit.fuse import Fusion
from searchkit.rerank import RerankOptions
from searchkit.retrieve.bm25_formula import BM25Params

# Within .001 of the best mean over the train splits, simplest of these: benchmarks/factory.py.
FACTORY_BM25 = BM25Params(k1=1.2, b=0.75)
FACTORY_DEPTH = 1000
LEXICAL_WEIGHT = 0.5
CASCADE_DEPTH = 20  # twice what is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """A second reranker, larger than the first, over the best that the first has found."""

    reranker: str  # alias, folder or hub name
    fingerprint: str = ""  # "" takes it as it is
    # What lies below the depth keeps the order of the first, behind.
    rerank: RerankOptions = field(default_factory=lambda: RerankOptions(depth=CASCADE_DEPTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """retrieve (each to `depth`) -> fuse -> rerank the first `rerank.depth` -> cascade."""

    bm25: BM25Params = FACTORY_BM25
    encoders: tuple[str, ...] = ()  # that take part, by name
    depth: int = FACTORY_DEPTH  # candidates of each retriever; no result depends on the k shown
    fusion: Fusion = field(default_factory=Fusion)
    reranker: str | None = None  # alias, folder or hub name
    reranker_fingerprint: str = ""  # of the one that was promoted; "" takes it as it is
    rerank: RerankOptions = field(default_factory=RerankOptions)
    cascade: Cascade | None = None
    why: str = ""  # one sentence: who chose it, on what evidence

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= 100_000:
            raise ConfigError(f"depth must be 1 to 100000, not {self.depth}.")
        if self.cascade is not None and self.reranker is None:
            raise ConfigError("a cascade needs a reranker before its own. Name one, or drop it.")

    def to_dict(self) -> dict[str, Any]:
        settings = asdict(self)
        if self.cascade is None:
            del settings["cascade"]
        return {**settings, "fusion": self.fusion.to_dict(), "encoders": list(self.encoders)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Pipeline:
        refuse_unknown("pipeline", settings, cls)
        values = dict(settings)
        if "bm25" in values:
            refuse_unknown("bm25", values["bm25"], BM25Params)
            values["bm25"] = BM25Params(**values["bm25"])
        if "rerank" in values:
            refuse_unknown("rerank", values["rerank"], RerankOptions)
            values["rerank"] = RerankOptions(**values["rerank"])
        if values.get("cascade") is not None:
            refuse_unknown("cascade", values["cascade"], Cascade)
            held = dict(values["cascade"])
            held["rerank"] = RerankOptions(**held.get("rerank", {"depth": CASCADE_DEPTH}))
            values["cascade"] = Cascade(**held)
        if "fusion" in values:
            values["fusion"] = Fusion.from_dict(values["fusion"])
        if "encoders" in values:
            values["encoders"] = tuple(values["encoders"])
        return cls(**values)


def refuse_unknown(what: str, settings: Mapping[str, Any], kind: type[Any]) -> None:
    """ConfigError with the nearest name where a setting is none of the dataclass's."""
    known = [setting.name for setting in fields(kind)]
    for key in settings:
        if key not in known:
            near = get_close_matches(str(key), known, 1, cutoff=0.0)[0]
            raise ConfigError(f"{what}: there is no {key!r}. Did you mean {near!r}?")


def factory(
    encoders: Sequence[str],
    *,
    left_out: str = "",
    reranker: str | None = None,
    rerank: RerankOptions | None = None,
    unread: str = "",
) -> Pipeline:
    """What runs where nobody promoted anything.

    left_out: why encoders that the index has do not take part; "" where they do. reranker: the
    packaged one, with its settings; unread: why it does not take part although it is there.
    """
    bare = Pipeline(reranker=reranker, rerank=rerank or RerankOptions())
    then = f"; no reranker, because {unread}" if unread else ""
    if not encoders:
        what = "BM25 and the packaged reranker" if reranker else "BM25 alone"
        why = left_out or "the index holds no vectors"
        return replace(bare, why=f"{what}, because {why}{then}.")
    dense = (1 - LEXICAL_WEIGHT) / len(encoders)
    weights = {"bm25": LEXICAL_WEIGHT, **dict.fromkeys(encoders, dense)}
    then = ", then the packaged reranker" if reranker else then
    return replace(
        bare,
        encoders=tuple(encoders),
        fusion=Fusion(kind="convex", weights=weights, normaliser="min-max"),
        why=f"the factory pipeline: BM25 and vectors, fused{then}.",
    )
