"""How fast vectors on a GPU are searched, and how long one whole search takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gpu_models import BERT_BASE, MINILM, SMALL, save_cross_encoder, save_encoder
from gpu_parts import Bench, Ceilings, turns

from searchkit.index.vectors import VectorPart
from searchkit.models.packed import shape_of
from searchkit.models.packed_model import pack_cross_encoder, pack_encoder
from searchkit.models.pair_tokens import PairFrame, whole_tokens
from searchkit.models.quiet import quiet
from searchkit.retrieve.cuda import BLOCK, Piece, scan
from searchkit.retrieve.exact import exact_scores
from searchkit.retrieve.faiss_gpu import FaissScan, gpu_faiss, in_shards, on_gpu
from searchkit.types import Ranking

K = 100
BATCHES = (1, 64)


def vectors_on(device: str, n: int, dim: int) -> list[Piece]:
    """Unit vectors, random and float16, made on the device."""
    torch.manual_seed(0)
    pieces = []
    for start in range(0, n, BLOCK):
        rows = torch.randn(min(BLOCK, n - start), dim, device=device)
        held = torch.nn.functional.normalize(rows).half()
        pieces.append(Piece(held, start, None, len(held)))
    return pieces


def searching(bench: Bench, top: Ceilings, *, n: int, dim: int) -> dict[str, Any]:
    """Candidates for the 100 best of each query, beside sentence_transformers' semantic_search."""
    from sentence_transformers.util import semantic_search

    held = vectors_on(bench.device, n, dim)
    corpus = torch.cat([piece.vectors for piece in held])
    # parts of one tensor, so that both searches read the same bytes and they lie there once
    pieces = [
        Piece(corpus[one.start : one.start + one.n_docs], one.start, None, one.n_docs)
        for one in held
    ]
    del held
    queries = _unit(64, dim)
    told: dict[str, Any] = {"n": n, "dim": dim, "misses": _misses(corpus, pieces, queries[:8])}
    for batch in BATCHES:
        some = queries[:batch]
        on_device = torch.tensor(some, device=bench.device).to(corpus.dtype)
        taken = turns(
            bench,
            {
                "plain": lambda asked=on_device: semantic_search(
                    asked, corpus, top_k=K, score_function=_dot
                ),
                "searchkit": lambda asked=some: scan(pieces, asked, K),
            },
            seconds=bench.seconds / 8,
        )
        told[f"batch={batch}"] = {
            "ms": {name: round(1000 * each, 3) for name, each in taken.items()},
            "ratio": round(taken["plain"] / taken["searchkit"], 2),
            "share_of_bandwidth": round(corpus.nbytes / taken["searchkit"] / top.bytes, 4),
        }
    return told


def faiss_searching(bench: Bench, *, n: int, dim: int) -> dict[str, Any]:
    """The same search by FAISS on the GPU where it is built for one; on a CPU where asked for."""
    is_cpu = bench.device == "cpu"
    if not is_cpu and gpu_faiss() is None:
        return {"skipped": "no FAISS built for CUDA is installed here"}
    corpus = np.concatenate(
        [piece.vectors.cpu().numpy() for piece in vectors_on(bench.device, n, dim)]
    )
    part = VectorPart(corpus, None, np.zeros(n, np.uint32))
    found: FaissScan | None
    if is_cpu:
        try:
            import faiss
        except ImportError:
            return {"skipped": "no FAISS is installed here"}
        found = FaissScan(part, in_shards(part, lambda: faiss.IndexFlatIP(dim)), lambda: found)  # type: ignore[arg-type,return-value]
    else:
        found = on_gpu(part, None, device=bench.device, rest=_no_rest)
    if found is None:
        return {"skipped": "FAISS has no room for the vectors on this GPU"}
    queries, told = _unit(64, dim), {"n": n, "dim": dim}
    for batch in BATCHES:
        some = queries[:batch]
        taken = turns(
            bench, {"faiss": lambda asked=some: found.propose(asked, K)}, seconds=bench.seconds / 8
        )
        told[f"batch={batch}"] = {"ms": {"faiss": round(1000 * taken["faiss"], 3)}}
    return told


def whole_search(bench: Bench, *, n: int, depth: int) -> dict[str, Any]:
    """One query at a time: its vector, its candidates, their scores, the best ten."""
    small, limit = bench.small, bench.max_tokens
    with quiet():
        ours, plain, stored = _searches(bench, SMALL if small else BERT_BASE, n=n, depth=depth)
    queries = bench.words.texts(4 if small else 40, (8, 12))
    for query in queries[:2]:
        ours(query), plain(query)
    taken: dict[str, list[list[float]]] = {"searchkit": [], "plain": []}
    for query in queries:
        taken["searchkit"].append(ours(query))
        taken["plain"].append(plain(query))
    return {
        "n": n,
        "depth": depth,
        "max_tokens": limit,
        "tokens_per_passage": stored,
        "ms": {
            name: dict(
                zip(
                    ("encode", "retrieve", "rerank"),
                    (
                        round(1000 * statistics.median(stage), 3)
                        for stage in zip(*rows, strict=True)
                    ),
                    strict=True,
                )
            )
            for name, rows in taken.items()
        },
        "p50_ms": {name: _share(rows, 50) for name, rows in taken.items()},
        "p95_ms": {name: _share(rows, 95) for name, rows in taken.items()},
    }


Search = Callable[[str], list[float]]  # a query -> seconds of each stage


def _searches(bench: Bench, size: Any, *, n: int, depth: int) -> tuple[Search, Search, int]:  # noqa: ANN401
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from sentence_transformers.util import semantic_search

    limit, words = bench.max_tokens, bench.words
    of_pairs = SMALL if bench.small else MINILM
    folders = (
        save_encoder(bench.folder / "of-search", size, words, max_tokens=limit, pooling="cls"),
        save_cross_encoder(bench.folder / "of-pairs", of_pairs, words, max_tokens=limit),
    )
    encoder = SentenceTransformer(str(folders[0]), device=bench.device).eval()
    scorer = CrossEncoder(str(folders[1]), device=bench.device, max_length=limit).eval()
    asking = 64 if bench.small else 512  # tokens of a frame that holds one query
    of_query = pack_encoder(encoder, precision="float16", shape=shape_of(asking, min(64, asking)))
    of_pair = pack_cross_encoder(
        scorer.transformers_model, precision="float16", shape=shape_of(bench.frames[0], limit)
    )
    pieces = vectors_on(bench.device, n, size.width)
    corpus = torch.cat([piece.vectors for piece in pieces])
    stored = corpus.cpu().numpy()
    texts = words.texts(depth, (limit // 2, limit))
    core, frame = scorer.tokenizer.backend_tokenizer, PairFrame.of(scorer.tokenizer, "made up")
    tokens = whole_tokens(core, texts)

    def ours(query: str) -> list[float]:
        at = [time.perf_counter()]
        asked = whole_tokens(core, [query])[0]
        ids = [*frame.head, *asked, *frame.middle][: of_query.shape.longest]
        vector = of_query.outputs([(ids, None)])
        vector /= np.linalg.norm(vector)
        at.append(time.perf_counter())
        [near] = scan(pieces, vector, depth)
        Ranking.top(near, exact_scores(stored, vector[0], near), depth)
        at.append(time.perf_counter())
        pairs = [frame.join(asked, each, limit) for each in tokens]
        np.argsort(-of_pair.outputs(pairs)[:, 0])[:10]
        at.append(time.perf_counter())
        return np.diff(at).tolist()

    def plain(query: str) -> list[float]:
        at = [time.perf_counter()]
        vector = encoder.encode([query], convert_to_tensor=True, show_progress_bar=False)
        bench.wait()
        at.append(time.perf_counter())
        semantic_search(vector.to(corpus.dtype), corpus, top_k=depth, score_function=_dot)
        at.append(time.perf_counter())
        np.argsort(-scorer.predict([(query, text) for text in texts], show_progress_bar=False))
        at.append(time.perf_counter())
        return np.diff(at).tolist()

    return ours, plain, int(np.mean([len(each) for each in tokens]))


def _misses(corpus: torch.Tensor, pieces: Sequence[Piece], queries: Any) -> int:  # noqa: ANN401
    """Of the 100 best of each query, summed exactly, those that are not among the candidates."""
    n = min(len(corpus), 1 << 18)  # float64 of more would take long
    exact = torch.tensor(queries, device=corpus.device).double() @ corpus[:n].double().T
    best = exact.topk(min(K, n)).indices.cpu().numpy()
    first = [Piece(corpus[:n], 0, None, n)]
    found = scan(first, queries, min(K, n))
    return sum(len(set(want) - set(ids)) for want, ids in zip(best.tolist(), found, strict=True))


def _unit(n: int, dim: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.random.default_rng(1).standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _dot(some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return some @ others.T


def _no_rest() -> Any:  # noqa: ANN401
    raise RuntimeError("FAISS found too few")


def _share(rows: Sequence[Sequence[float]], percent: int) -> float:
    return round(1000 * float(np.percentile([sum(row) for row in rows], percent)), 3)
