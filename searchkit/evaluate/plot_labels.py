"""Points and words -> places for the words where they cover nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

Place: TypeAlias = tuple[float, float]  # in the units of the axes
_GAP = 9  # points between a mark and its words
_SIDES = (  # where words may stand: direction, and how they are aligned
    (1, 0, "left", "center"),
    (-1, 0, "right", "center"),
    (0, 1, "center", "bottom"),
    (0, -1, "center", "top"),
    (0.7, 0.7, "left", "bottom"),
    (0.7, -0.7, "left", "top"),
    (-0.7, 0.7, "right", "bottom"),
    (-0.7, -0.7, "right", "top"),
)
_REACH = (1, 2.2, 3.6)  # further away, where it is crowded near


def place_labels(
    axes: Axes, points: Sequence[Place], texts: Sequence[str], *, avoid: Sequence[Place] = ()
) -> None:
    """Write each text beside its point, where it covers no point, no other text and no border.

    avoid: a line that is better not covered either. Greedy, in the order given; where nothing is
    free, what covers least. Deterministic.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("the axes belong to no figure")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # so that the layout stands, and extents are known
    renderer: Any = canvas.get_renderer()  # type: ignore[no-untyped-call]
    inside = axes.get_window_extent()
    marks = [_around(_in_pixels(axes, point), 7 * figure.dpi / 72) for point in points]
    bends = [_in_pixels(axes, place) for place in avoid]
    line = [_around(place, 3 * figure.dpi / 72) for place in _along(bends)]
    taken: list[Bbox] = []
    for n, (point, text) in enumerate(zip(points, texts, strict=True)):
        others = [*marks[:n], *marks[n + 1 :], *taken]
        best: tuple[float, int] | None = None
        tries = [(reach, side) for reach in _REACH for side in _SIDES]
        for place, (reach, side) in enumerate(tries):
            written = _write(axes, point, text, reach=reach, side=side)
            box = written.get_window_extent(renderer)
            written.remove()
            cost = sum(_overlap(box, other) for other in others) + _outside(box, inside)
            cost += sum(_overlap(box, other) for other in line) / 4
            if best is None or cost < best[0] - 1e-6:
                best = (cost, place)
        reach, side = tries[best[1] if best else 0]
        kept = _write(axes, point, text, reach=reach, side=side)
        taken.append(kept.get_window_extent(renderer))


def spread(heights: Sequence[float], *, gap: float, most: float = inf) -> list[float]:
    """The heights, moved apart to lie `gap` from each other, in their order, none above `most`."""
    order = sorted(range(len(heights)), key=lambda n: (heights[n], n))
    groups: list[list[int]] = []
    for n in order:
        groups.append([n])
        while len(groups) > 1 and _bounds(groups[-2], heights, gap)[1] + gap > (
            _bounds(groups[-1], heights, gap)[0] + 1e-12
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = list(heights)
    for group in groups:
        low, _ = _bounds(group, heights, gap)
        for place, n in enumerate(group):
            moved[n] = low + place * gap
    for place, n in enumerate(reversed(order)):
        moved[n] = min(moved[n], most - place * gap)
    return moved


def _bounds(group: Sequence[int], heights: Sequence[float], gap: float) -> tuple[float, float]:
    """Where the lowest and the highest of a group stand, around the mean of their heights."""
    centre, half = float(np.mean([heights[n] for n in group])), gap * (len(group) - 1) / 2
    return centre - half, centre + half


def _write(
    axes: Axes,
    point: tuple[float, float],
    text: str,
    *,
    reach: float,
    side: tuple[float, float, str, str],
) -> Annotation:
    dx, dy, across, up = side
    return axes.annotate(
        text,
        point,
        xytext=(dx * _GAP * reach, dy * _GAP * reach),
        textcoords="offset points",
        ha=across,
        va=up,
        fontsize=9.5,
        linespacing=1.25,
        zorder=4,
    )


def _in_pixels(axes: Axes, place: Place) -> Place:
    x, y = axes.transData.transform(place).tolist()
    return x, y


def _around(centre: Place, half: float) -> Bbox:
    from matplotlib.transforms import Bbox

    x, y = centre
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


def _along(bends: Sequence[Place]) -> list[Place]:
    """Places on a line through the bends, close enough that no words fit between two."""
    found: list[Place] = []
    for (x0, y0), (x1, y1) in pairwise(bends):
        n = max(2, int(abs(x1 - x0) + abs(y1 - y0)) // 8)
        found += zip(np.linspace(x0, x1, n).tolist(), np.linspace(y0, y1, n).tolist(), strict=True)
    return found


def _overlap(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(max(0.0, width) * max(0.0, height))


def _outside(box: Bbox, inside: Bbox) -> float:
    """Area beyond the axes, which weighs more: what is cut off cannot be read."""
    return float(3 * (box.width * box.height - _overlap(box, inside)))
