"""Which exact search is fastest on a device: numpy's, torch's or FAISS's?

Seeded unit vectors, float16, one a document; queries one at a time and in batches. Each candidate
list is rescored from the stored vectors, as a search does, and must rank like numpy's. With
`--device cpu` torch and FAISS stay on the CPU, which shows that the script works, and no more.

    python benchmarks/gpu_search.py --device cuda --n 1000000
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import faiss
import numpy as np
import torch
from report import record

from searchkit.index.vectors import VectorPart
from searchkit.retrieve.cuda import TorchScan
from searchkit.retrieve.exact import exact_scores
from searchkit.retrieve.faiss_gpu import FaissScan, in_shards, on_gpu
from searchkit.retrieve.flat import FlatScan, Proposer
from searchkit.types import Ranking, Vectors


def unit(n: int, dim: int, seed: int) -> Vectors:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def peers(part: VectorPart, device: str) -> dict[str, Proposer]:
    numpy = FlatScan(part)
    found: dict[str, Proposer] = {"numpy": numpy, "torch": TorchScan(part, device=device)}
    if device == "cpu":
        search = in_shards(part, lambda: faiss.IndexFlatIP(part.dim))
        return {**found, "faiss": FaissScan(part, search, lambda: numpy)}
    on_device = on_gpu(part, None, device=device, rest=lambda: found["torch"])
    return {**found, "faiss": on_device} if on_device else found


def rank(
    part: VectorPart, scan: Proposer, queries: Vectors, *, k: int, batch: int
) -> list[Ranking]:
    rankings = []
    for start in range(0, len(queries), batch):
        some = queries[start : start + batch]
        for query, ids in zip(some, scan.propose(some, k), strict=True):
            rankings.append(Ranking.top(ids, exact_scores(part.vectors, query, ids), k))
    return rankings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cpu, cuda or cuda:1")
    parser.add_argument("--n", type=int, default=1_000_000, help="vectors")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--n-queries", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    vectors = unit(given.n, given.dim, 0).astype(np.float16)
    part = VectorPart(vectors, None, np.zeros(given.n, np.uint32))
    queries = unit(given.n_queries, given.dim, 1)
    scans = peers(part, given.device)
    at: dict[str, Any] = {}
    for batch in given.batch:
        taken: dict[str, list[float]] = {name: [] for name in scans}
        ranked = {}
        for _ in range(given.rounds + 1):  # the first warms
            for name, scan in scans.items():
                start = time.perf_counter()
                ranked[name] = rank(part, scan, queries, k=given.k, batch=batch)
                taken[name].append(time.perf_counter() - start)
        at[f"batch={batch}"] = {
            name: {
                "queries_per_s": round(len(queries) / statistics.median(seconds[1:]), 1),
                "ranks_like_numpy": ranked[name] == ranked["numpy"],
            }
            for name, seconds in taken.items()
        }
    is_gpu = given.device != "cpu"
    name = torch.cuda.get_device_name(given.device) if is_gpu else "cpu"
    record("gpu_search", {"device": name, "n": given.n, "dim": given.dim, "k": given.k, **at})


if __name__ == "__main__":
    main()
