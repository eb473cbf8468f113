"""Ranks of documents in every stage of a search -> a figure of their ways through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

from searchkit.evaluate.plot_style import FAINT, INK, RULE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GRADED = (
    "#b9bec6",
    "#e9a24b",
    "#d2622a",
    "#9c1c1c",
)  # nobody judged it or 0, then 1, 2, 3 and more
_TITLE = 64  # characters of a title that are written
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_BELOW = 4.5  # lines that all ranks beyond the shown ones share
_NOWHERE = 1.2  # lines from the deepest of them to what was not found


@dataclass(frozen=True, slots=True)
class Way:
    """A document's rank in each stage, None where a stage did not find it."""

    title: str
    ranks: tuple[int | None, ...]  # from 1; the last is never None
    grade: int = 0


def draw_ways(stages: Sequence[str], ways: Sequence[Way], *, title: str) -> Figure:
    """A line for each document from stage to stage, best on top; the judged ones are coloured.

    Ranks as deep as documents are shown stand evenly, those beyond by their logarithm. A line that
    begins at the bottom belongs to a document that the stage did not find.
    """
    deepest = max((rank for way in ways for rank in way.ranks if rank is not None), default=0)
    height = _heights(len(ways), deepest)
    with styled():
        figure, [axes] = new_figure(8.2, 1.0 + 0.27 * (height(None) + 1))
        for way in sorted(ways, key=lambda one: one.grade):
            _line(axes, way, height)
        for way in ways:
            _name(axes, way, height, last=len(stages) - 1)
        _scale(axes, stages, ways, height=height, deepest=deepest)
        _explain(axes, ways)
        axes.set_title(title, pad=28)
        return figure


def _heights(n_shown: int, deepest: int) -> Callable[[int | None], float]:
    """Where a rank stands, from the top; None is not found."""
    bottom = n_shown + (_BELOW if deepest > n_shown else 0.0)

    def height(rank: int | None) -> float:
        if rank is None:
            return bottom + _NOWHERE
        if rank <= n_shown:
            return float(rank)
        return n_shown + _BELOW * log(rank / n_shown) / log(deepest / n_shown)

    return height


def _colour(grade: int) -> str:
    return _GRADED[max(0, min(grade, len(_GRADED) - 1))]


def _line(axes: Axes, way: Way, height: Callable[[int | None], float]) -> None:
    judged = way.grade > 0
    axes.plot(
        range(len(way.ranks)),
        [height(rank) for rank in way.ranks],
        "o-",
        color=_colour(way.grade),
        lw=2.8 if judged else 1.5,
        ms=8 if judged else 4.5,
        solid_capstyle="round",
        clip_on=False,
        zorder=3 if judged else 2,
    )


def _name(axes: Axes, way: Way, height: Callable[[int | None], float], *, last: int) -> None:
    axes.annotate(
        way.title if len(way.title) <= _TITLE else f"{way.title[: _TITLE - 1]}…",
        (last, height(way.ranks[-1])),
        xytext=(13, 0),
        textcoords="offset points",
        va="center",
        fontsize=9.5,
        color=INK if way.grade > 0 else FAINT,
        weight="bold" if way.grade > 1 else "normal",
        annotation_clip=False,
    )


def _scale(
    axes: Axes,
    stages: Sequence[str],
    ways: Sequence[Way],
    *,
    height: Callable[[int | None], float],
    deepest: int,
) -> None:
    shown = [tick for tick in _TICKS if tick <= deepest]
    if shown and height(deepest) - height(shown[-1]) > 0.8:
        shown.append(deepest)
    ticks, labels = [height(tick) for tick in shown], [f"{tick:,}" for tick in shown]
    if any(None in way.ranks for way in ways):
        ticks, labels = [*ticks, height(None)], [*labels, "not found"]
    axes.set_yticks(ticks, labels)
    axes.set_ylim(max([*ticks, height(deepest), 1]) + 0.5, 0.5)
    axes.tick_params(length=0)
    axes.set_xlim(-0.12, 1.9 * max(1, len(stages) - 1) + 0.4)  # titles stand at the right
    axes.set_xticks(range(len(stages)), stages)
    axes.xaxis.tick_top()
    for n in range(len(stages)):
        axes.axvline(n, color=RULE, lw=0.8, zorder=1)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _explain(axes: Axes, ways: Sequence[Way]) -> None:
    """Which colour is which grade, beside the names of the stages."""
    grades = sorted({min(way.grade, len(_GRADED) - 1) for way in ways if way.grade > 0})
    for grade in reversed(grades):
        more = "+" if grade == len(_GRADED) - 1 and any(way.grade > grade for way in ways) else ""
        axes.plot([], [], "o-", color=_colour(grade), lw=2.8, ms=8, label=f"grade {grade}{more}")
    if grades:
        axes.legend(
            frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0
        )
