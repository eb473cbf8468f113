"""Results of the benchmarks of training -> tables."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_tables import Line, table, titled


def train_recipes(lines: Sequence[Line]) -> str:
    """Of each recipe the base it was tried with, the fall of its loss, and what was measured."""
    last = lines[-1]
    head = ["recipe", "base", "examples", "steps", "loss, first to last fifth", "held out"]
    cells = [[*head, "in a search"]]
    for name, found in last["recipes"].items():
        fall = f"{found['loss_first_fifth']:.4f} to {found['loss_last_fifth']:.4f}"
        base, numbers = found["architecture"], [f"{found[key]:,}" for key in ("rows", "steps")]
        cells.append([name, base, *numbers, fall, headline(found["metrics"]), use(found["search"])])
        if full := found.get("bert_base"):
            cells.append(["", full["architecture"], "", str(full["steps"]), *[""] * 3])
    return titled("Five recipes, trained", "train_recipes", last, table(cells))


def headline(metrics: Line) -> str:
    wanted = ("average_precision", "f1", "ndcg@10")
    found = ((name, metrics[key]) for name in wanted for key in metrics if key.endswith(name))
    name, value = next(found)
    return f"{name.replace('_', ' ')} {value:.4f}"


def use(search: Line) -> str:
    """What a reranker reordered, or what an encoder found."""
    if "reordered" in search:
        return f"reorders {search['reordered']} of {search['n_queries']} ({search['collection']})"
    [(what, share)] = [pair for pair in search.items() if pair[0] != "collection"]
    return f"{what}: {share:.0%} ({search['collection']})"


def train_throughput(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["sequences a second", "batch", *TRAINERS, "ours to theirs"]]
    for name, found in last["recipes"].items():
        cells.append([name, str(found["batch"]), *rates(found), f"{found['ratio']:.3f}"])
    title = "Training beside the bare trainer, a random base of TinyBERT's size"
    return titled(title, "train_throughput", last, table(cells))


def train_kill(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["killed (-9) and resumed", "at step", "of", "largest difference of a weight"]]
    for name, found in last["runs"].items():
        places = [str(found["killed_at"]), str(found["steps"])]
        cells.append([name, *places, f"{found['gap']:.1g}"])
    return titled("Training that was killed", "train_kill", last, table(cells))


def gpu_train(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["sequences a second", "base", "batch", *TRAINERS, "TFLOP/s", "of the bf16 rate"]]
    for row in last["rows"]:
        place = [row["recipe"], row["base"], str(row["batch"]), *rates(row)]
        cells.append([*place, f"{row['tflops']:.1f}", f"{row['share_of_bf16_rate']:.1%}"])
    title = f"Training on {last['device']}, {last['bf16_tflops']:.0f} TFLOP/s in bf16"
    return titled(title, "gpu_train", last, table(cells))


TRAINERS = ("searchkit", "sentence-transformers")


def rates(found: Line) -> list[str]:
    return [f"{found['sequences_per_s'][peer]:,.1f}" for peer in TRAINERS]
