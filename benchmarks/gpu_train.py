"""How fast do the recipes train on a GPU, and how much of its bf16 matrix rate do they use?

Random weights of the real sizes (TinyBERT 2 x 128, MiniLM 6 x 384, SPECTER2 12 x 768), texts that
fill the recipe's length, batches of the recipe and multiples of it, by `searchkit.train` and by
the bare trainer of sentence-transformers. The share is the model's own operations (forward, and
twice that backward; attention counted, recomputation not) over the rate of a large bf16 product
measured on the same device. `--device cpu --small` shows that the script works, and no more.

    python benchmarks/gpu_train.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from bases import BERT_BASE, MINILM, TINYBERT, Size, save_base
from made_examples import made, read_made
from report import record
from trainers import PEERS, Speed, run

from searchkit.models.device import Device
from searchkit.train.base import open_base
from searchkit.train.plan import flops
from searchkit.train.recipe import Recipe, Shape, named, with_settings


@dataclass(frozen=True, slots=True)
class Case:
    """A recipe, the size of its base, and how its rows become sequences."""

    size: Size
    shape: Shape
    sequences: int  # that the model reads for a row
    texts: int  # that fill a sequence
    changes: tuple[str, ...] = ()


CASES = {
    "tinybert-scirepeval": Case(TINYBERT, "triplets", 5, 2, ("warmup_steps=2",)),
    "minilm-scidocs": Case(MINILM, "labelled", 1, 2, ("shape=labelled", "keep_best=false")),
    "specter2-astro": Case(BERT_BASE, "pairs", 2, 1),
}


def matrix_rate(device: str, size: int) -> float:
    """Operations a second of one bf16 product of two square matrices; the best of ten."""
    left, right = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    best = 0.0
    for _ in range(12):  # the first ones warm
        start = time.perf_counter()
        for _ in range(4):
            left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 4 * 2 * size**3 / (time.perf_counter() - start))
    return best


def measure(
    recipe: Recipe, case: Case, folder: Path, *, rounds: int, warm: int, device: Device
) -> dict[str, list[Speed]]:
    n_words = recipe.max_tokens // case.texts  # a word is a token at least, so all are cut
    n_rows = recipe.batch_size * (recipe.max_steps + 1)
    place = folder / str(recipe.batch_size)
    data = read_made(made(place, case.shape, n_rows, n_words=(n_words, n_words)), case.shape)
    found: dict[str, list[Speed]] = {peer: [] for peer in PEERS}
    for turn in range(rounds):
        for peer in PEERS[:: 1 if turn % 2 else -1]:
            out = place / f"{peer}-{turn}"
            found[peer].append(run(peer, recipe, data, out, warm=warm, device=device))
    return found


def attempt(
    name: str, folder: Path, given: argparse.Namespace, *, rate: float
) -> list[dict[str, Any]]:
    case = CASES[name]
    size = Size(layers=1, width=64) if given.small else case.size
    base = save_base(folder / "base", size)
    settings = [*case.changes, f'base="{base}"', "precision=bf16", "evaluator=''", "workers=0"]
    recipe = with_settings(named(name), [*settings, f"max_steps={given.steps}"])
    if given.small:
        recipe = with_settings(recipe, ["max_tokens=16", "batch_size=2"])
    of_one = 3 * flops(open_base(recipe), recipe.max_tokens)
    rows = []
    for multiple in given.batches:
        wide = with_settings(recipe, [f"batch_size={multiple * recipe.batch_size}"])
        speeds = measure(
            wide, case, folder, rounds=given.rounds, warm=given.warm, device=given.device
        )
        per_step = case.sequences * wide.batch_size
        rates = {
            peer: statistics.median(per_step * speed.steps_per_s for speed in held)
            for peer, held in speeds.items()
        }
        rows.append(
            {
                "recipe": name,
                "base": str(size),
                "batch": wide.batch_size,
                "tokens": wide.max_tokens,
                "sequences_per_s": {peer: round(found, 1) for peer, found in rates.items()},
                "ratio": round(rates[PEERS[0]] / rates[PEERS[1]], 3),
                "tflops": round(rates[PEERS[0]] * of_one / 1e12, 2),
                "share_of_bf16_rate": round(rates[PEERS[0]] * of_one / rate, 4),
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--small", action="store_true", help="tiny sizes, nothing recorded")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warm", type=int, default=10, help="steps that are not timed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="x the recipe's")
    given = parser.parse_args(arguments)
    if given.small:
        given.steps, given.warm, given.rounds, given.batches = 3, 1, 1, [1]
    return given


def main() -> None:
    given = parse()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device. Try --device cpu --small")
    rate = matrix_rate(given.device, 256 if given.small else 8192)
    rows: list[dict[str, Any]] = []
    for name in CASES:
        with TemporaryDirectory(prefix="searchkit-") as folder:
            rows += attempt(name, Path(folder), given, rate=rate)
    name = torch.cuda.get_device_name() if given.device == "cuda" else "cpu"
    measured = {"device": name, "bf16_tflops": round(rate / 1e12, 3), "rows": rows}
    if given.small:
        print(json.dumps(measured))
    else:
        record("gpu_train", measured)


if __name__ == "__main__":
    main()
