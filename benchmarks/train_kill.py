"""Does a training run that is killed (-9) at a random step end with the same weights?

Each of the five recipes runs once whole; again until it is killed from outside, at a step drawn
by the seed, and on with --resume. All are processes of the command line, over a small random base
with dropout. The weights must be equal to 1e-6.

    python benchmarks/train_kill.py
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bases import Size, save_base
from made_examples import made
from report import record
from safetensors.numpy import load_file

from searchkit.train.recipe import Recipe, named

TOLERANCE = 1e-6
EVERY = 5  # steps between two checkpoints
ROWS = 400
BATCH = 8


def command(recipe: Recipe, base: Path, data: Path, out: Path, *, steps: int) -> list[str]:
    settings = [f"max_steps={steps}", f"evaluate_every={EVERY}", "log_every=1", "max_tokens=32"]
    settings += [f"batch_size={BATCH}", "evaluator=''", "keep_best=false", "workers=0"]
    if recipe.warmup_steps:
        settings.append("warmup_steps=4")
    program = [sys.executable, "-m", "searchkit", "train", recipe.family, recipe.name]
    changes = [part for setting in settings for part in ("--set", setting)]
    places = ["--base", str(base), "--data", str(data), "--out", str(out), "--device", "cpu"]
    return [*program, *places, *changes]


def kill_at(call: list[str], out: Path, step: int) -> int:
    """Run until the log shows the step, then kill; the last step that was logged."""
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and logged(out) < step:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if process.returncode != -signal.SIGKILL:
        raise SystemExit(f"the run ended by itself ({process.returncode}) before step {step}")
    return logged(out)


def logged(out: Path) -> int:
    try:
        lines = (out / "training/log.jsonl").read_text("utf-8").splitlines()
        return int(json.loads(lines[-1])["step"])
    except (OSError, IndexError, ValueError):
        return 0


def gap(one: Path, other: Path) -> float:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    if first.keys() != second.keys():
        raise SystemExit("the models have other weights")
    return max(float(abs(first[name] - second[name]).max()) for name in first)


def attempt(recipe: Recipe, folder: Path, *, steps: int, draw: random.Random) -> dict[str, Any]:
    base = save_base(folder / "base", Size(layers=2, width=64))
    data = made(folder, recipe.shape, ROWS, n_words=(4, 12))
    whole, cut = (
        command(recipe, base, data, folder / name, steps=steps) for name in ("whole", "cut")
    )
    subprocess.run(whole, check=True, capture_output=True)
    wanted = draw.randrange(2, steps - 2)
    killed = kill_at(cut, folder / "cut", wanted)
    subprocess.run([*cut, "--resume"], check=True, capture_output=True)
    return {"steps": steps, "killed_at": killed, "gap": gap(folder / "whole", folder / "cut")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="this recipe alone, and nothing is recorded")
    given = parser.parse_args()
    draw, found = random.Random(given.seed), {}
    names = ["tinybert-scirepeval", "specter2-astro", "minilm-scidocs", "astrobert-astro"]
    for name in [given.only] if given.only else [*names, "araelectra-qa"]:
        with TemporaryDirectory(prefix="searchkit-") as folder:
            found[name] = attempt(named(name), Path(folder), steps=given.steps, draw=draw)
        print(name, json.dumps(found[name]), file=sys.stderr)
    same = sum(one["gap"] <= TOLERANCE for one in found.values())
    if not given.only:
        bars = {"same weights": same == len(found)}
        record("train_kill", {"seed": given.seed, "same": same, "runs": found, "bars": bars})


if __name__ == "__main__":
    main()
