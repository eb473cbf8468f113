"""What does training by `searchkit.train` cost beside the bare trainer of sentence-transformers?

Three recipes of different loss and sampler over a random base of TinyBERT's size, where what is
added to a step would show the most. Both peers get the same settings, weights, examples and
order of batches: their losses must agree. They take turns; medians of several short runs.

    python benchmarks/train_throughput.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bases import TINYBERT, save_base
from made_examples import made, read_made
from report import record
from trainers import PEERS, Speed, run

from searchkit.train.recipe import Shape, named, with_settings

BAR = 0.95
RECIPES: dict[str, tuple[Shape, list[str]]] = {  # shape of the made examples, changes
    "tinybert-scirepeval": ("triplets", ["warmup_steps=2", "workers=0", "batch_size=16"]),
    "minilm-scidocs": ("labelled", ["shape=labelled", "keep_best=false"]),
    "specter2-astro": ("pairs", ["batch_size=32"]),
}
SEQUENCES = {"tinybert-scirepeval": 5, "minilm-scidocs": 1, "specter2-astro": 2}  # of a row


def compare(name: str, folder: Path, *, steps: int, rounds: int, warm: int) -> dict[str, Any]:
    shape, changes = RECIPES[name]
    base = save_base(folder / "base", TINYBERT)
    settings = [*changes, f'base="{base}"', f"max_steps={steps}", "max_tokens=64", "evaluator=''"]
    recipe = with_settings(named(name), settings)
    n_rows = recipe.batch_size * (steps + 1)  # so that no epoch ends
    data = read_made(made(folder, shape, n_rows, n_words=(8, 24)), shape)
    found: dict[str, list[Speed]] = {peer: [] for peer in PEERS}
    for turn in range(rounds + 1):  # the first warms
        for peer in PEERS[:: 1 if turn % 2 else -1]:
            out = folder / f"{peer}-{turn}"
            speed = run(peer, recipe, data, out, warm=warm, device="cpu")
            if turn:
                found[peer].append(speed)
        print(f"{name}: round {turn} of {rounds}", file=sys.stderr)
    per_step = SEQUENCES[name] * recipe.batch_size
    rates = {
        peer: statistics.median(per_step * speed.steps_per_s for speed in speeds)
        for peer, speeds in found.items()
    }
    losses = [speeds[0].loss for speeds in found.values()]
    return {
        "batch": recipe.batch_size,
        "sequences_per_s": {peer: round(rate, 1) for peer, rate in rates.items()},
        "ratio": round(rates[PEERS[0]] / rates[PEERS[1]], 3),
        "loss": [round(loss, 6) for loss in losses],
        "same_loss": abs(losses[0] - losses[1]) < 1e-4,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm", type=int, default=5, help="steps that are not timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="two short rounds, nothing recorded")
    given = parser.parse_args()
    steps, rounds, warm = (4, 1, 1) if given.smoke else (given.steps, given.rounds, given.warm)
    found = {}
    for name in RECIPES:
        with TemporaryDirectory(prefix="searchkit-") as folder:
            found[name] = compare(name, Path(folder), steps=steps, rounds=rounds, warm=warm)
    bars = {
        f"ratio >= {BAR}": all(one["ratio"] >= BAR for one in found.values()),
        "same loss": all(one["same_loss"] for one in found.values()),
    }
    measured = {"steps": steps, "rounds": rounds, "recipes": found, "bars": bars}
    if given.smoke:
        print(json.dumps(measured))
    else:
        record("train_throughput", measured)


if __name__ == "__main__":
    main()
