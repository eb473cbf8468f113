"""A training run -> what is seen of it: a log as JSON lines, progress, a plot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from searchkit.corpus.atomic import replaced
from searchkit.index.disk import replace, storage_errors

Record: TypeAlias = dict[str, float]  # step, epoch, then what was measured
Note: TypeAlias = Callable[[str], None]  # a few words beside the progress


class Log:
    """One JSON object a line: `step`, `epoch`, and the loss of a stretch or an evaluation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: Mapping[str, float]) -> None:
        with storage_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[Record]:
        """All lines, oldest first; a line that a kill cut short is left out."""
        if not self.path.is_file():
            return []
        found: list[Record] = []
        for line in self.path.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def cut(self, step: int) -> None:
        """Drop what was logged after this step: a resumed run will log it again."""
        kept = [record for record in self.records() if record["step"] <= step]
        with replaced(self.path) as file:
            file.writelines(json.dumps(record) + "\n" for record in kept)

    def table(self) -> list[Record]:
        """One record a step, with all that was logged at it."""
        by_step: dict[float, Record] = {}
        for record in self.records():
            by_step.setdefault(record["step"], {}).update(record)
        return [by_step[step] for step in sorted(by_step)]


def plot(records: Sequence[Record], path: Path, *, metric: str = "") -> None:
    """Draw loss, loss on the development data and the deciding metric over the steps, as PNG."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    for key, label, style in (("loss", "training loss", "-"), ("eval_loss", "dev loss", "o--")):
        if points := _points(records, key):
            axes.plot(*zip(*points, strict=True), style, label=label, color=f"C{style != '-':d}")
    if metric and metric != "eval_loss" and (points := _points(records, metric)):
        beside = axes.twinx()
        beside.set_ylabel(metric.removeprefix("eval_"))
        beside.plot(*zip(*points, strict=True), "s-", color="C2", label=metric)
    if axes.get_lines():
        axes.legend(loc="upper left")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    with storage_errors(path):
        replace(path, content.getvalue())


def _points(records: Sequence[Record], key: str) -> list[tuple[float, float]]:
    return [(record["step"], record[key]) for record in records if key in record]
