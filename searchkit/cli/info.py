"""`searchkit info`: what an index holds, how it is searched, and what it was built from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from searchkit.cli import options
from searchkit.cli.options import IndexPath, Json

if TYPE_CHECKING:
    import pyarrow as pa

    from searchkit.index.generation import Generation
    from searchkit.index.index import Index
    from searchkit.search.pipeline import Pipeline

_TYPES = {
    "int64": "whole number",
    "double": "number",
    "bool": "truth value",
    "large_string": "text",
}


def info(
    index: IndexPath,
    generation: options.Generation = None,
    as_of: options.AsOf = None,
    as_json: Json = False,
) -> None:
    """Tell what INDEX holds and how it is searched.

    \b
    Example:
      searchkit info indexes/papers
    """
    from searchkit.cli.lines import as_json as spell
    from searchkit.index.index import Index
    from searchkit.index.snapshots import chosen

    with Index.open(index, number=chosen(index, generation, as_of)) as opened:
        facts = describe(opened)
    if as_json:
        typer.echo(spell(facts))
    else:
        _show(facts)


def describe(index: Index) -> dict[str, Any]:
    """Everything about an index that is not a document."""
    from searchkit.index.snapshots import list_snapshots
    from searchkit.search.choose import choose

    generation = index.generation
    pipeline = choose(index)
    return {
        "index": str(index.path),
        "documents": generation.n_docs,
        "deleted": generation.n_rows - generation.n_docs,
        "segments": len(generation.segments),
        "generation": generation.number,
        "format": generation.format,
        "written": generation.written,
        "keep": generation.keep,
        "snapshots": [
            {"generation": one.number, "written": one.written, "documents": one.n_docs}
            for one in list_snapshots(index.path, generation)[1:]
        ],
        "analyzer": index.analyzer.name,
        "metadata": {field.name: _spell_type(field.type) for field in index.table.schema},
        "encoders": [dict(record) for record in generation.encoders],
        "truncated": truncated(generation),
        "pipeline": {**pipeline.to_dict(), "sentence": spell_pipeline(pipeline)},
        "read": dict(generation.ledger),
        "anns": [
            {**part.config, **part.stats}
            for segment in generation.segments
            for part in segment.parts
            if part.kind == "ann"
        ],
        "bytes": bytes_by_part(generation),
        "versions": dict(generation.versions),
    }


def truncated(generation: Generation) -> dict[str, dict[str, int]]:
    """Encoder -> documents longer than it reads, and their tokens beyond its limit."""
    counts: dict[str, Counter[str]] = {}
    for segment in generation.segments:
        for part in segment.parts:
            if part.kind == "vectors":
                counted = counts.setdefault(part.config["encoder"], Counter())
                counted["documents"] += part.stats["n_truncated_docs"]
                counted["tokens"] += part.stats["n_tokens_beyond"]
    return {name: dict(counted) for name, counted in counts.items()}


def bytes_by_part(generation: Generation) -> dict[str, int]:
    """Size on disk by kind of part, `total` last."""
    sizes: Counter[str] = Counter()
    for segment in generation.segments:
        sizes["documents"] += sum(stamp.n_bytes for stamp in segment.files.values())
        for part in segment.parts:
            sizes[part.kind] += sum(stamp.n_bytes for stamp in part.files.values())
    return {**sizes, "total": sum(sizes.values())}


def spell_pipeline(pipeline: Pipeline) -> str:
    """Retrievers, fusion and reranker in one sentence."""
    bm25 = pipeline.bm25
    found = f"BM25 ({bm25.variant}, k1 {bm25.k1:g}, b {bm25.b:g})"
    if pipeline.encoders:
        fusion = pipeline.fusion
        weights = ", ".join(f"{name} {weight:g}" for name, weight in fusion.weights.items())
        how = f"k0 {fusion.k0:g}" if fusion.kind == "rrf" else fusion.normaliser
        found += (
            f" and {', '.join(pipeline.encoders)}, {pipeline.depth:,} documents of each, "
            f"fused by {fusion.kind} ({weights + ', ' if weights else ''}{how})"
        )
    if pipeline.reranker:
        found = f"{found}, the first {pipeline.rerank.depth} reranked by {pipeline.reranker}"
        again = pipeline.cascade
        return f"{found}, then {again.rerank.depth} by {again.reranker}." if again else f"{found}."
    return f"{found}, not reranked."


def _spell_type(kind: pa.DataType) -> str:
    return _TYPES.get(str(kind), "list of text" if str(kind).startswith("list") else str(kind))


def _show(facts: dict[str, Any]) -> None:
    from searchkit.cli.screen import Screen

    screen = Screen()
    for name, value in _lines(facts):
        screen.write((f"{name:<12}", "bold"), value)


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    from searchkit.cli.ann_options import spell_ann
    from searchkit.evaluate.sizes import count, spell_bytes

    lines = [
        ("index", f"{facts['index']}, generation {facts['generation']}, {facts['written']}"),
        *(("snapshot", _spell_snapshot(one)) for one in facts["snapshots"]),
        ("documents", f"{facts['documents']:,} in {count(facts['segments'], 'segment')}"),
        *([("deleted", _spell_deleted(facts["deleted"]))] if facts["deleted"] else []),
        ("metadata", ", ".join(f"{name} ({kind})" for name, kind in facts["metadata"].items())),
        ("analyzer", facts["analyzer"]),
        *(("encoder", _spell_encoder(record)) for record in facts["encoders"]),
        *(("ann", spell_ann(one)) for one in facts["anns"]),
        *(
            ("truncated", _spell_truncated(name, cut, facts["documents"]))
            for name, cut in facts["truncated"].items()
        ),
        ("pipeline", facts["pipeline"]["sentence"]),
        ("why", facts["pipeline"]["why"]),
    ]
    read = spell_reading(facts["read"].get("read", {}))
    lines += [("when built", sentence) for sentence in read]
    if changes := facts["read"].get("changes"):
        lines.append(("changes", _spell_changes(changes)))
    sizes = ", ".join(f"{part} {spell_bytes(n)}" for part, n in facts["bytes"].items())
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return [*lines, ("disk", sizes), ("versions", f"format {facts['format']}, {versions}")]


def _spell_deleted(n_docs: int) -> str:
    from searchkit.evaluate.sizes import count

    return f"{count(n_docs, 'document')} still on disk; `searchkit compact --all` takes them off"


def _spell_changes(changes: dict[str, int]) -> str:
    """What came after the build."""
    from searchkit.evaluate.sizes import count

    kinds = ("added", "replaced", "deleted")
    done = ", ".join(f"{changes[kind]:,} {kind}" for kind in kinds if changes.get(kind))
    return f"{done} in {count(changes['commits'], 'commit')} since"


def _spell_snapshot(one: dict[str, Any]) -> str:
    from searchkit.evaluate.sizes import count

    docs = count(one["documents"], "document")
    return f"generation {one['generation']}, {one['written']}, {docs}"


def _spell_encoder(record: dict[str, Any]) -> str:
    short = record["fingerprint"][:12]
    precision = record["options"].get("precision")
    rounded = f", documents in {precision}" if precision else ""
    read = f"{record['max_tokens']} tokens{rounded}"
    return f"{record['name']}, {record['dim']} numbers, {read}, {short}"


def _spell_truncated(encoder: str, cut: dict[str, int], n_docs: int) -> str:
    if not cut["documents"]:
        return f"nothing: {encoder} reads every document to its end"
    return (
        f"{cut['documents']:,} of {n_docs:,} documents lie beyond the limit of {encoder}, "
        f"with {cut['tokens']:,} tokens"
    )


def spell_reading(counts: dict[str, Any]) -> list[str]:
    """What was read, in sentences. counts: of the reader's ledger; nothing where there are none."""
    from searchkit.corpus.ledger import ReadLedger
    from searchkit.evaluate.sizes import count, spell_bytes

    if not counts:
        return []
    ledger = ReadLedger.from_counts(counts)
    read = f"{count(ledger.n_docs, 'document')} read ({spell_bytes(ledger.bytes_read)})."
    return [read, *ledger.sentences()[1:]]  # whose first knows no unit but MB
