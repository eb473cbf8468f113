"""Vectors of real sentences, and of titles that ask for them: what the ANN curves are read off.

Documents of arxiv_daily in a seeded random order; the first 1,000 are held out: their titles are
the queries, and none of their sentences is encoded. The abstracts of the others, sentence by
sentence in that order, so that every prefix is a random sample of documents. Titles are not among
the sentences. Shards of float16, written whole: an interrupted run goes on behind the last.

    python benchmarks/ann_vectors.py --out vectors --n 300000
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.sentences import split_sentences
from searchkit.types import Doc

COLLECTION = Path(__file__).parents[1] / ".." / "shared" / "data" / "arxiv_daily"
HELD_OUT = 1_000  # documents whose titles are queries
SHARD = 4_096  # sentences
SEED = 20_240_229
QUERIES = "queries.npy"


def drawn(collection: Path) -> tuple[list[Doc], list[Doc]]:
    """The held-out documents and the others, both in the seeded order."""
    docs = list(read_docs([str(collection)], ReadOptions(), ledger=ReadLedger()))
    order = np.random.default_rng(SEED).permutation(len(docs)).tolist()
    titled = [row for row in order if docs[row].title.strip()][:HELD_OUT]
    held_out = set(titled)
    return [docs[row] for row in titled], [docs[row] for row in order if row not in held_out]


def sentences(docs: Sequence[Doc]) -> Iterator[str]:
    return (sentence for doc in docs for sentence in split_sentences(doc.text))


def shards(folder: Path) -> list[Path]:
    """The shards without a gap, in order."""
    found = sorted(folder.glob("sentences-*.npy"))
    return [path for n, path in enumerate(found) if path.name == f"sentences-{n:04}.npy"]


def prefix(folder: Path, n: int) -> np.ndarray:
    """(n, dim) float16: the first n sentences; fewer where fewer are encoded."""
    parts = [np.load(path) for path in shards(folder)[: -(-n // SHARD)]]
    return np.concatenate(parts)[:n]


def save(path: Path, vectors: np.ndarray) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        np.save(file, vectors.astype(np.float16))
    draft.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n", type=int, default=300_000)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    held_out, others = drawn(COLLECTION)
    encoder = open_encoder(given.encoder, options=EncoderOptions(device=given.device))
    if not (given.out / QUERIES).exists():
        save(given.out / QUERIES, encoder.encode_queries([doc.title.strip() for doc in held_out]))
    done = len(shards(given.out))
    texts = islice(sentences(others), done * SHARD, given.n)
    while shard := list(islice(texts, SHARD)):
        start = time.perf_counter()
        save(given.out / f"sentences-{done:04}.npy", encoder.encode_docs(shard))
        done += 1
        rate = len(shard) / (time.perf_counter() - start)
        print(f"{done * SHARD:,} sentences, {rate:.0f} a second", file=sys.stderr)


if __name__ == "__main__":
    main()
