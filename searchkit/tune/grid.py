"""A pipeline and what its index holds -> the settings that are tried, fixed beforehand.

BM25: k1 and b around the values that Lucene (1.2, .75), Anserini (.9, .4) and the surveys use, and
titles that count once, twice or four times. Fusion: every method that a pipeline can have, its
weights on a grid over the simplex of the retrievers, vertices and edges included, so that each
retriever can be left out. Reranker: what `promote` tries, at four depths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from searchkit.fuse import Fusion
from searchkit.rerank import RerankOptions
from searchkit.retrieve.bm25_formula import BM25Params
from searchkit.search.pipeline import Pipeline
from searchkit.tune.candidates import interpolations

K1 = (0.6, 0.9, 1.2, 1.8)
B = (0.4, 0.6, 0.75, 0.9)
TITLE_WEIGHTS = (1.0, 2.0, 4.0)  # of the title, beside 1 of the text
DEPTHS = (100, 1000)
K0 = (20.0, 60.0)
RERANK_DEPTHS = (10, 20, 50, 100)
# Parts into which the weight 1 is divided, by the number of retrievers: their grids grow fast.
_PARTS = {2: 10, 3: 5, 4: 4}
_PARTS_BY_RANK = {2: 4, 3: 3}  # sums of reciprocal ranks change less with the weights
_FEWEST = 3


def first_stages(current: Pipeline, encoders: Sequence[str], *, has_titles: bool) -> list[Pipeline]:
    """Every first stage that is tried, the current one first, none twice; none reranks.

    encoders: those whose vectors the index holds. has_titles: where no document has a title (or
    none a text) the weight of titles changes nothing, and is not tried.
    """
    bare = replace(current, reranker=None, reranker_fingerprint="", rerank=RerankOptions(), why="")
    lexical = _lexical(current.bm25, has_titles=has_titles)
    fused = list(_fused(bare, encoders))
    found = [bare, *(replace(bare, bm25=bm25, encoders=(), fusion=Fusion()) for bm25 in lexical)]
    found += [replace(one, bm25=bm25) for bm25, one in product(lexical, fused) if _by_bm25(one)]
    found += [one for one in fused if not _by_bm25(one)]
    return list({str(one.to_dict()): one for one in found}.values())


def rerank_settings(advised: RerankOptions) -> list[RerankOptions | None]:
    """Every way to rerank that is tried, as advised first; None is not at all."""
    depths = sorted({*RERANK_DEPTHS, advised.depth})
    tried = [replace(one, depth=depth) for one in interpolations(advised) for depth in depths]
    return [advised, None, *(one for one in dict.fromkeys(tried) if one != advised)]


def _lexical(own: BM25Params, *, has_titles: bool) -> list[BM25Params]:
    titles = (
        sorted({*TITLE_WEIGHTS, own.title_weight / own.text_weight})
        if has_titles and own.text_weight
        else [own.title_weight]
    )
    found = [own]
    for k1, b, title in product(sorted({*K1, own.k1}), sorted({*B, own.b}), titles):
        text = 1.0 if has_titles else own.text_weight
        found.append(replace(own, k1=k1, b=b, title_weight=title, text_weight=text))
    return list(dict.fromkeys(found))


def _fused(bare: Pipeline, encoders: Sequence[str]) -> Iterator[Pipeline]:
    """Every way to fuse, with the pipeline's own BM25."""
    names = ("bm25", *encoders)
    n = len(names)
    if n == 1:
        return
    methods = [
        (Fusion(kind="convex", normaliser=normaliser), _PARTS.get(n, _FEWEST))
        for normaliser in ("min-max", "theoretical-min")
    ]
    by_rank = _PARTS_BY_RANK.get(n, n)
    methods += [(Fusion(kind="rrf", k0=k0), by_rank) for k0 in K0]
    for (fusion, n_parts), depth in product(methods, sorted({*DEPTHS, bare.depth})):
        for shares in _shares(n_parts, n):
            held = {
                name: share
                for name, share in zip(names, shares, strict=True)
                if share > 0 or name == "bm25"
            }
            used = tuple(name for name in held if name != "bm25")
            if used and not (len(used) == 1 and not held["bm25"] and fusion != methods[0][0]):
                yield replace(
                    bare, encoders=used, depth=depth, fusion=replace(fusion, weights=held)
                )


def _shares(n_parts: int, n: int) -> Iterator[tuple[float, ...]]:
    """Every way to share the weight 1 among n retrievers in steps of 1 / n_parts."""
    for parts in product(range(n_parts + 1), repeat=n - 1):
        if sum(parts) <= n_parts:
            yield tuple(round(part / n_parts, 4) for part in (n_parts - sum(parts), *parts))


def _by_bm25(pipeline: Pipeline) -> bool:
    """Whether the parameters of BM25 change what is found."""
    return not pipeline.encoders or pipeline.fusion.weights["bm25"] > 0
