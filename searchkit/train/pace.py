"""A recipe and examples -> how long a step takes on this machine, by a few of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from searchkit.models.device import Device, pick_device
from searchkit.models.quiet import quiet
from searchkit.protocols import Progress
from searchkit.train.arguments import arguments
from searchkit.train.plan import Plan, plan
from searchkit.train.recipe import Recipe

if TYPE_CHECKING:
    from searchkit.train.examples import Examples

_STEPS = 4  # the first one pays for what it sets up and does not count


class Pace(NamedTuple):
    """What a run will do, and how fast."""

    plan: Plan
    step_s: float  # seconds

    @property
    def time_s(self) -> float:
        return self.plan.total_steps * self.step_s


def pace(
    recipe: Recipe,
    train: Examples,
    *,
    device: Device = "auto",
    progress: Progress = lambda done, total: None,
) -> Pace:
    """The plan of a run over these examples, and the seconds of a step: those of a few real ones.

    Loads the base, which costs seconds, and trains it for four steps in a folder that goes again.
    """
    from searchkit.train.assembly import assemble, feed_of
    from searchkit.train.base import open_base
    from searchkit.train.log import Log
    from searchkit.train.watch import Watch

    picked, times = pick_device(device), list[float]()
    with quiet(), TemporaryDirectory(prefix="searchkit-") as folder:
        feed = feed_of(recipe, train, None, Path(folder))
        model = open_base(recipe, device=picked)
        planned = plan(recipe, len(feed.train), model)
        brief = replace(recipe, max_steps=_STEPS, evaluator="", keep_best=False, patience=0)
        args = arguments(
            brief,
            plan(brief, len(feed.train)),
            Path(folder) / "steps",
            device=picked,
            evaluates=False,
        )

        def told(done: int, total: int) -> None:
            times.append(perf_counter())
            progress(done, total)

        watch = Watch(Log(Path(folder) / "log.jsonl"), told, lambda words: None)
        assemble(brief, model, feed, args=args, watch=watch).train()
    return Pace(planned, (times[-1] - times[1]) / max(len(times) - 2, 1))
