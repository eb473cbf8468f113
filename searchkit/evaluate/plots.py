"""Measured stages -> figures as a journal prints them: direct labels, colours that all can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from searchkit.evaluate.plot_labels import place_labels, spread
from searchkit.evaluate.plot_style import (
    FAINT,
    GAIN,
    INK,
    LOSS,
    RULE,
    new_figure,
    short,
    signed,
    spell_ms,
    styled,
    time_ticks,
    value_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Point:
    """A stage in the plane of cost and quality."""

    name: str
    ms: float
    quality: float


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other is both faster and better than, fastest first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda one: (one.ms, -one.quality)):
        if not kept or point.quality > kept[-1].quality:
            kept.append(point)
    return kept


def pareto(points: Sequence[Point], colours: Mapping[str, str], *, measure: str) -> Figure:
    """Quality against milliseconds, both of a stage, with the frontier drawn."""
    with styled():
        figure, [axes] = new_figure(6.4, 3.9)
        axes.set_xscale("log")
        best = frontier(points)
        if len(best) > 1:
            xs, ys = [one.ms for one in best], [one.quality for one in best]
            axes.plot(xs, ys, color=RULE, linewidth=6, solid_joinstyle="round", zorder=1)
        for one in points:
            axes.plot(one.ms, one.quality, "o", ms=8, color=colours[one.name], zorder=3)
        axes.set_xlabel("median time of a search (logarithmic)")
        axes.set_ylabel(measure)
        _room(axes, [one.quality for one in points])
        low, high = min(one.ms for one in points), max(one.ms for one in points)
        axes.set_xlim(low / 3, high * 4)
        time_ticks(axes)
        texts = [f"{one.name}\n{short(one.quality)}, {spell_ms(one.ms)}" for one in points]
        places = [(one.ms, one.quality) for one in points]
        place_labels(axes, places, texts, avoid=[(one.ms, one.quality) for one in best])
        return figure


def by_depth(
    curves: Mapping[str, Mapping[int, float]],
    recall: Mapping[str, Mapping[int, float]],
    colours: Mapping[str, str],
    *,
    baseline: tuple[str, float],
    measure: str,
) -> Figure:
    """Quality by documents that a reranker reads, and recall by candidates of a retriever.

    baseline: name and quality of what is reranked. Without curves the recall stands alone.
    """
    with styled():
        figure, panels = new_figure(8.2 if curves else 5.4, 3.6, n=2 if curves else 1)
        if curves:
            lines = {name: curves[name] for name in curves}
            _curves(panels[0], lines, colours, beside={f"{baseline[0]}, not reranked": baseline[1]})
            panels[0].set_title(f"{measure}")
            panels[0].set_xlabel("documents that the reranker reads")
        _curves(panels[-1], recall, colours, beside={})
        panels[-1].set_title("Recall")
        panels[-1].set_xlabel("candidates")
        return figure


def before_and_after(
    values: NDArray[np.float64], *, before: str, after: str, measure: str
) -> Figure:
    """A dot a query, values (n, 2) before and after; those above the line were helped."""
    with styled():
        figure, [axes] = new_figure(4.4, 4.5)
        change = values[:, 1] - values[:, 0]
        low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
        axes.plot([low, high], [low, high], color=RULE, linewidth=1.5, zorder=1)
        for chosen, colour in ((change == 0, FAINT), (change > 0, GAIN), (change < 0, LOSS)):
            x, y = values[chosen].T
            axes.scatter(x, y, s=46, color=colour, alpha=0.65, lw=0, clip_on=False, zorder=2)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel=before, ylabel=after)
        axes.set_title(f"{measure} of each query", pad=22)
        _count_signs(axes, change)
        return figure


def differences(
    values: NDArray[np.float64], *, label: str, mean: tuple[float, float, float]
) -> Figure:
    """One bar a query, best first. mean: difference and its 95% interval, drawn as a band."""
    with styled():
        figure, [axes] = new_figure(6.4, 3.3)
        found = np.sort(values)[::-1]
        places = np.arange(len(found))
        for sign, colour in ((1, GAIN), (-1, LOSS)):
            chosen = found * sign > 0
            axes.bar(
                places[chosen],
                found[chosen],
                width=1.0 if len(found) > 200 else 0.85,
                color=colour,
                linewidth=0,
            )
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.axhspan(mean[1], mean[2], color=RULE, alpha=0.6, linewidth=0, zorder=0)
        axes.axhline(mean[0], color=INK, linewidth=1, linestyle=(0, (4, 2)))
        low, high = min(0.0, mean[1], found[-1]), max(0.0, mean[2], found[0])
        pad = max(0.02, 0.08 * (high - low))
        axes.set_ylim(low - pad, high + pad)
        axes.set_xlim(-0.8, max(1, len(found)) - 0.2)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:+g}" if round(value, 9) else "0")
        axes.set_ylabel(label)
        axes.set_xlabel(
            f"{len(found):,} {'query' if len(found) == 1 else 'queries'}, most helped first"
        )
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        _count_signs(axes, found)
        axes.annotate(
            f"mean {signed(mean[0])}\n[{signed(mean[1])}, {signed(mean[2])}]",
            (1, mean[0]),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            va="center",
            textcoords="offset points",
            fontsize=9,
            annotation_clip=False,
        )
        return figure


def latencies(times_ms: Mapping[str, Sequence[float]], colours: Mapping[str, str]) -> Figure:
    """A histogram of each stage on one scale, with its median and its 95th percentile."""
    with styled():
        n = len(times_ms)
        figure, strips = new_figure(6.4, 0.7 + 0.72 * n, n=n, stacked=True)
        everything = np.concatenate([np.asarray(times) for times in times_ms.values()])
        low, high = float(everything.min()) / 1.3, float(everything.max()) * 1.3
        bins = np.geomspace(low, high, 61)
        for axes, (name, times) in zip(strips, times_ms.items(), strict=True):
            _strip(axes, np.asarray(times), bins, name=name, colour=colours[name])
        time_ticks(strips[-1])
        strips[-1].spines["bottom"].set_visible(True)
        strips[-1].tick_params(bottom=True, labelbottom=True)
        strips[-1].set_xlabel("time of a search (logarithmic)")
        return figure


def _curves(
    axes: Axes,
    curves: Mapping[str, Mapping[int, float]],
    colours: Mapping[str, str],
    *,
    beside: Mapping[str, float],
) -> None:
    """Lines over a logarithmic depth, each with its name at its end."""
    axes.set_xscale("log")
    ends: dict[str, tuple[float, str]] = {}
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), "o-", ms=4, color=colours[name])
        ends[name] = (list(curve.values())[-1], colours[name])
    for name, value in beside.items():
        axes.axhline(value, color=FAINT, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        ends[name] = (value, FAINT)
    depths = sorted({depth for curve in curves.values() for depth in curve})
    _room(axes, [v for curve in curves.values() for v in curve.values()] + list(beside.values()))
    _depth_ticks(axes, depths)
    low, high = axes.get_ylim()
    heights = spread([value for value, _ in ends.values()], gap=(high - low) * 0.085, most=high)
    for (name, (_, colour)), height in zip(ends.items(), heights, strict=True):
        axes.annotate(
            name,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=9.5,
            annotation_clip=False,
        )


def _depth_ticks(axes: Axes, depths: Sequence[int]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    shown = [n for n in depths if str(n).rstrip("0") in ("1", "2", "5")] or list(depths)
    if len(shown) > 5:
        shown = [n for n in shown if str(n).startswith("1")]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _room(axes: Axes, values: Sequence[float]) -> None:
    """Limits a little beyond the values, no narrower than what could be read into noise."""
    low, high = min(values), max(values)
    pad = max(0.02, 0.18 * (high - low))
    axes.set_ylim(max(0.0, low - pad), min(1.0, high + pad) + 0.004)
    value_ticks(axes)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def _count_signs(axes: Axes, values: NDArray[np.float64]) -> None:
    n_better, n_worse = int((values > 0).sum()), int((values < 0).sum())
    words = (
        (0.0, "left", f"{n_better:,} better", GAIN),
        (0.5, "center", f"{len(values) - n_better - n_worse:,} the same", FAINT),
        (1.0, "right", f"{n_worse:,} worse", LOSS),
    )
    for x, side, said, colour in words:
        axes.text(x, 1.02, said, transform=axes.transAxes, ha=side, va="bottom", color=colour)


def _strip(
    axes: Axes, times: NDArray[np.float64], bins: NDArray[np.float64], *, name: str, colour: str
) -> None:
    axes.set_xscale("log")
    axes.set_xlim(bins[0], bins[-1])
    counts, _ = np.histogram(times, bins)
    axes.stairs(counts, bins, fill=True, color=colour, alpha=0.75, linewidth=0)
    top = max(1, int(counts.max())) * 1.15
    axes.set_ylim(0, top)
    median, p95 = np.percentile(times, [50, 95]).tolist()
    axes.plot([median, median], [0, top], color=INK, linewidth=1.4)
    axes.plot([p95, p95], [0, 0.45 * top], color=INK, linewidth=1.4)
    axes.text(0, 0.5, name, transform=axes.transAxes, ha="right", va="center")
    right = median < np.sqrt(bins[0] * bins[-1])
    said = f"median {spell_ms(median)}, 95% below {spell_ms(p95)}"
    axes.annotate(
        said,
        (float(times.max() if right else times.min()), 0.6 * top),
        xytext=(9 if right else -9, 0),
        textcoords="offset points",
        fontsize=9.5,
        ha="left" if right else "right",
        va="center",
    )
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False, which="both")
