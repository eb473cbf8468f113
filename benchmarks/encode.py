"""How many abstracts a second are encoded, beside sentence-transformers' own encode?

The first abstracts of a collection, whole, through `SentenceEncoder.encode_docs`, in float32 and
in int8, and through `SentenceTransformer.encode` of the same model at every batch size named, of
which the fastest counts. The texts go through in slices, everybody taking turns at each. In float32
the vectors must be the same but for rounding: the largest difference stands beside the speed. What
int8 costs, `int8_quality.py` says. With one thread, what a busy machine takes is left out by
counting the processor's time.

    python benchmarks/encode.py --collection arxiv_daily --n-docs 5000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from report import record

from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.folder import locate
from searchkit.models.names import resolve
from searchkit.models.quiet import quiet

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
OURS, ROUNDED, PEER = "searchkit", "searchkit, int8", "sentence-transformers"
FASTER = 1.4  # the bar
Encode = Callable[[list[str]], np.ndarray]
MOST_APART = 1e-5  # of a number of a vector of unit length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--collection", default="scifact", help="a folder of ../shared/data")
    parser.add_argument("--n-docs", type=int, default=500)
    parser.add_argument("--slice", type=int, default=500, help="documents of a turn")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32], help="of the peer")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    import torch

    names, texts, lengths, most = prepare(given)
    seconds, busy, vectors = take_turns(names, texts, given.slice)
    rates, of_processor = (
        {name: round(len(texts) / sum(taken), 2) for name, taken in found.items()}
        for found in (seconds, busy)
    )
    best = max((name for name in names if name.startswith(PEER)), key=lambda n: of_processor[n])
    apart = float(np.abs(vectors[OURS] - vectors[best]).max())
    ratios = {name: round(of_processor[name] / of_processor[best], 3) for name in (OURS, ROUNDED)}
    record(
        "encode",
        {
            "encoder": given.encoder,
            "device": given.device,
            "threads": torch.get_num_threads(),
            "collection": given.collection,
            "n_docs": len(texts),
            "tokens_per_doc": round(float(np.minimum(lengths, most).mean()), 1),
            "truncated_docs": int((lengths > most).sum()),
            "docs_per_s": rates,
            "docs_per_processor_s": of_processor,
            "best_peer": best,
            "ratio": ratios[OURS],
            "ratio_int8": ratios[ROUNDED],
            "largest_difference": apart,
            "bars": {
                f"vectors within {MOST_APART}": apart <= MOST_APART,
                f"int8 >= {FASTER} x the best peer": ratios[ROUNDED] >= FASTER,
            },
        },
    )


def prepare(given: argparse.Namespace) -> tuple[dict[str, Encode], list[str], np.ndarray, int]:
    """Everybody's encode, the texts, their lengths in tokens and how many of them are read."""
    from sentence_transformers import SentenceTransformer

    ours = open_encoder(given.encoder, options=EncoderOptions(device=given.device))
    rounded = open_encoder(given.encoder, options=EncoderOptions(precision="int8"))
    with quiet():
        folder = locate(resolve(given.encoder, "bi-encoder"))
        peer = SentenceTransformer(str(folder), device=given.device)
    peer.max_seq_length = ours.max_tokens
    work: dict[str, Encode] = {OURS: ours.encode_docs, ROUNDED: rounded.encode_docs}
    for size in given.batches:
        work[f"{PEER}, batches of {size}"] = lambda texts, size=size: peer.encode(
            texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False
        )
    docs = read_docs([str(DATA / given.collection)], ReadOptions(), ledger=ReadLedger())
    texts = [ours.passage(doc) for doc in islice(docs, given.n_docs)]
    return work, texts, np.array(ours.n_tokens(texts)), ours.max_tokens


def take_turns(
    work: dict[str, Encode], texts: list[str], size: int
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, np.ndarray]]:
    """Wall and processor seconds of each slice, and all vectors."""
    names = list(work)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    busy: dict[str, list[float]] = {name: [] for name in names}
    vectors: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for name in names:
        work[name](texts[:32])  # warms
    for turn, first in enumerate(range(0, len(texts), size)):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            start, processor = time.perf_counter(), time.process_time()
            vectors[name].append(work[name](texts[first : first + size]))
            seconds[name].append(time.perf_counter() - start)
            busy[name].append(time.process_time() - processor)
    return seconds, busy, {name: np.concatenate(found) for name, found in vectors.items()}


if __name__ == "__main__":
    main()
