"""What does it save, and what does it cost, not to encode a text again?

The first abstracts of SciFact are indexed twice with the encoder, each time from nothing but the
embedding cache that the first build filled, and once without an encoder: the rest of the work.
Then texts, half of them held, are looked up among the vectors of an index, and put into the cache
and taken out of it grid by grid, as a build does; vectors there are random, of the encoder's size.

    python benchmarks/reuse.py
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from report import record

import searchkit
from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.encode import GRID
from searchkit.index.embedding_cache import EmbeddingCache
from searchkit.index.generation import FileStamp, Part
from searchkit.index.known import Known
from searchkit.index.shards import Shard
from searchkit.index.vectors import digests_of

COLLECTION = Path(__file__).parents[1] / ".." / "shared" / "data" / "scifact"
DIM = 384  # of minilm
SPACE = "benchmark float16"


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def builds(folder: Path, n_docs: int, encoder: str) -> dict[str, Any]:
    """Seconds of the three builds, and how many texts were encoded in each."""
    corpus = folder / "corpus.jsonl"
    docs = read_docs([str(COLLECTION)], ReadOptions(), ledger=ReadLedger())
    with corpus.open("w", encoding="utf-8") as file:
        for doc in islice(docs, n_docs):
            file.write(json.dumps({"_id": doc.id, "title": doc.title, "text": doc.text}) + "\n")
    found: dict[str, Any] = {"n_docs": n_docs, "encoder": encoder}
    for name, encoders in (("lexical", []), ("encoded", [encoder]), ("cached", [encoder])):
        start = time.perf_counter()
        built = searchkit.build(corpus, out=folder / name, encoders=encoders)
        found[f"{name}_s"] = round(time.perf_counter() - start, 2)
        stats = [part.stats for part in built.segments[0].parts if part.kind == "vectors"]
        found[f"{name}_n_encoded"] = sum(of["n_encoded"] for of in stats)
    found["encoded_over_cached"] = round(found["encoded_s"] / found["cached_s"], 1)
    return found


def texts(n: int, start: int = 0) -> list[str]:
    """Strings of the length of an abstract, none twice."""
    return [f"{i} ".ljust(1400, "x") for i in range(start, start + n)]


def lookups(folder: Path, n_vectors: int, sizes: list[int]) -> dict[str, Any]:
    """Seconds to open a part for looking up, and to find texts there with their vectors."""
    place = folder / "parts" / "vectors" / "part"
    place.mkdir(parents=True)
    vectors = np.random.default_rng(0).standard_normal((n_vectors, DIM), np.float32)
    np.save(place / "vectors.npy", vectors.astype(np.float16))
    np.save(place / "beyond.npy", np.zeros(n_vectors, np.uint32))
    np.save(place / "digests.npy", digests_of(texts(n_vectors)))
    np.save(place / "n_tokens.npy", np.ones(n_vectors, np.uint32))
    known = Known(folder)
    config = {"fingerprint": "benchmark", "dtype": "float16"}
    known.learn(Part("vectors", "part", config, {"digests.npy": FileStamp("", 0)}))
    find = partial(known.find, "benchmark", "float16")
    found: dict[str, Any] = {"n_vectors": n_vectors}
    found["open_s"] = round(seconds(lambda: find(digests_of(["none"]))), 4)
    for n in sizes:
        wanted = texts(n, start=n_vectors - n // 2)
        found[f"digest_{n}_s"] = round(seconds(lambda wanted=wanted: digests_of(wanted)), 4)
        digests = digests_of(wanted)
        found[f"find_{n}_s"] = round(seconds(lambda digests=digests: find(digests)), 4)
        assert sum(len(some.at) for some in find(digests)) == n // 2
    return found


def cached(folder: Path, n_vectors: int) -> dict[str, Any]:
    """Microseconds a vector, into the cache and out of it, and bytes a vector on disk."""
    vectors = np.random.default_rng(0).standard_normal((n_vectors, DIM), np.float32)
    whole = Shard(vectors.astype(np.float16), np.ones(n_vectors, np.int64))
    digests = digests_of(texts(n_vectors))
    grids = [slice(start, start + GRID) for start in range(0, n_vectors, GRID)]
    path = folder / "cache.sqlite"

    def put() -> None:
        with EmbeddingCache(path, bound=10**12) as cache:
            for grid in grids:
                some = Shard(whole.vectors[grid], whole.n_tokens[grid])
                cache.put(SPACE, digests[grid], some)

    def get() -> None:
        with EmbeddingCache(path, bound=10**12) as cache:
            for grid in grids:
                found = cache.get(SPACE, digests[grid], dim=DIM, dtype="float16")
                assert np.array_equal(found.shard.vectors, whole.vectors[grid])

    return {
        "n_vectors": n_vectors,
        "put_us": round(seconds(put) / n_vectors * 1e6, 1),
        "get_us": round(seconds(get) / n_vectors * 1e6, 1),
        "bytes_a_vector": round(path.stat().st_size / n_vectors),
        "bytes_a_vector_bare": DIM * 2,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--n-docs", type=int, default=1000, help="abstracts that are indexed")
    parser.add_argument("--n-vectors", type=int, default=100_000, help="held where texts are found")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        os.environ["SEARCHKIT_HOME"] = made  # an empty cache, and not the user's
        os.environ["SEARCHKIT_CACHE_MB"] = "1000"
        folder = Path(made)
        built = builds(folder, given.n_docs, given.encoder)
        found = lookups(folder / "known", given.n_vectors, [1000, given.n_vectors])
        through = cached(folder, given.n_vectors)
    record(
        "reuse",
        {
            "collection": "scifact",
            "build": built,
            "known": found,
            "cache": through,
            "bars": {"a second index encodes nothing": built["cached_n_encoded"] == 0},
        },
    )


if __name__ == "__main__":
    main()
