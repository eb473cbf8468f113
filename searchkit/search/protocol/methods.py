"""A protocol -> the paragraph that a paper prints under Methods."""

from __future__ import annotations

from collections.abc import Iterator

from searchkit.search.protocol.value import Protocol

_SHOWN = 12  # characters of a fingerprint


def spell_methods(protocol: Protocol, *, n_queries: int) -> str:
    """What was done, in sentences that hold nothing but facts of the protocol."""
    return " ".join([_corpus(protocol, n_queries), *_retrieval(protocol), *_ends(protocol)])


def _corpus(protocol: Protocol, n_queries: int) -> str:
    index, count = (
        protocol.index,
        "1 query was" if n_queries == 1 else f"{n_queries:,} queries were",
    )
    where = f", restricted to those with {protocol.where}" if protocol.where else ""
    return (
        f"{count} ranked against {index.n_docs:,} documents{where} (content fingerprint "
        f"{index.fingerprint[:_SHOWN]}, {index.analyzer} text analysis) on {protocol.written[:10]}."
    )


def _retrieval(protocol: Protocol) -> Iterator[str]:
    names, depth = _retrievers(protocol), protocol.pipeline.depth
    if len(names) == 1:
        yield f"Documents were ranked by {names[0]}."
    else:
        each = " and of ".join(names)
        yield f"The {depth:,} best documents of {each} were fused by {_fusion(protocol)}."
    if protocol.reranker is not None:
        yield f"{_reranking(protocol, protocol.reranker)}."
    yield f"At most {protocol.k:,} documents of each query were kept."


def _retrievers(protocol: Protocol) -> list[str]:
    bm25 = protocol.pipeline.bm25
    names = [f"{name} (fingerprint {code[:_SHOWN]})" for name, code in protocol.encoders.items()]
    if protocol.stage == "dense" or protocol.stage in protocol.encoders:
        return names
    if protocol.lexical != "searchkit":
        return [f"BM25 ({protocol.lexical}, k1 = {bm25.k1:g}, b = {bm25.b:g})", *names]
    shape = f"{bm25.variant}, k1 = {bm25.k1:g}, b = {bm25.b:g}"
    if bm25.delta is not None:  # else that of the variant's paper
        shape += f", delta = {bm25.delta:g}"
    if bm25.weighs_fields:
        shape += f", title {bm25.title_weight:g}, text {bm25.text_weight:g}"
    return [f"BM25 ({shape})", *names]


def _fusion(protocol: Protocol) -> str:
    fusion, pipeline = protocol.pipeline.fusion, protocol.pipeline
    is_own = protocol.stage != "dense" and pipeline.encoders
    weights = ", ".join(f"{name} {weight:g}" for name, weight in fusion.weights.items())
    shares = f"weights {weights}" if is_own and weights else "equal weights"
    if fusion.kind == "rrf":
        return f"reciprocal ranks (k0 = {fusion.k0:g}, {shares})"
    return f"a convex combination of {fusion.normaliser} scores ({shares})"


def _reranking(protocol: Protocol, fingerprint: str) -> str:
    options, name = protocol.pipeline.rerank, protocol.pipeline.reranker
    mixed = ""
    if options.interpolation is not None:
        mixed = f", its {options.scale} scores mixed with a share of {options.interpolation:g} of "
        mixed += "the first stage"
    return (
        f"The first {options.depth:,} were reranked by {name} (fingerprint "
        f"{fingerprint[:_SHOWN]}){mixed}"
    )


def _ends(protocol: Protocol) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in protocol.versions.items())
    yield f"Software: {versions}; device: {protocol.device}."
