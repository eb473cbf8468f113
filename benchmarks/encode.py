"""How many abstracts a second are encoded, beside sentence-transformers' own encode?

The first abstracts of SciFact, whole, through `SentenceEncoder.encode_docs` and through
`SentenceTransformer.encode` (batch 32) of the same model; rounds take turns, medians. The vectors
must be the same but for rounding: the largest difference stands beside the speed. With one
thread, what a busy machine takes is left out by counting the processor's time.

    python benchmarks/encode.py
"""

from __future__ import annotations

import argparse
import statistics
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

COLLECTION = Path(__file__).parents[1] / ".." / "shared" / "data" / "scifact"
MOST_APART = 1e-5  # of a number of a vector of unit length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--n-docs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    import torch
    from sentence_transformers import SentenceTransformer

    ours = open_encoder(given.encoder, options=EncoderOptions(device=given.device))
    folder = locate(resolve(given.encoder, "bi-encoder"))
    with quiet():
        peer = SentenceTransformer(str(folder), device=given.device)
    peer.max_seq_length = ours.max_tokens
    docs = read_docs([str(COLLECTION)], ReadOptions(), ledger=ReadLedger())
    texts = [ours.passage(doc) for doc in islice(docs, given.n_docs)]
    work: dict[str, Callable[[list[str]], np.ndarray]] = {
        "searchkit": ours.encode_docs,
        "sentence-transformers": lambda texts: peer.encode(
            texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in work}
    busy: dict[str, list[float]] = {name: [] for name in work}
    vectors = {name: encode(texts[:32]) for name, encode in work.items()}  # warms
    for _ in range(given.rounds):
        for name, encode in work.items():
            start, processor = time.perf_counter(), time.process_time()
            vectors[name] = encode(texts)
            seconds[name].append(time.perf_counter() - start)
            busy[name].append(time.process_time() - processor)
    rates, of_processor = (
        {name: round(len(texts) / statistics.median(s), 2) for name, s in taken.items()}
        for taken in (seconds, busy)
    )
    apart = float(np.abs(vectors["searchkit"] - vectors["sentence-transformers"]).max())
    lengths = np.array(ours.n_tokens(texts))
    record(
        "encode",
        {
            "encoder": ours.name,
            "device": given.device,
            "threads": torch.get_num_threads(),
            "collection": "scifact",
            "n_docs": len(texts),
            "tokens_per_doc": round(float(np.minimum(lengths, ours.max_tokens).mean()), 1),
            "truncated_docs": int((lengths > ours.max_tokens).sum()),
            "docs_per_s": rates,
            "docs_per_processor_s": of_processor,
            "ratio": round(of_processor["searchkit"] / of_processor["sentence-transformers"], 3),
            "largest_difference": apart,
            "bars": {f"vectors within {MOST_APART}": apart <= MOST_APART},
        },
    )


if __name__ == "__main__":
    main()
