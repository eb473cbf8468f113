"""The look of every figure: colours that all can tell apart, sizes, numbers, files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, RULE, PAPER = "#1a1a1a", "#6a6a6a", "#d9d9d9", "#ffffff"
GAIN, LOSS = "#0072b3", "#c24a00"
# Okabe and Ito's colours, darkened where white text-size marks would fade: jfly.uni-koeln.de/color
COLOURS = ("#a87300", "#0072b2", "#00795a", "#c04a00", "#a8447f", "#6a3d9a", "#3285b8", "#6f6f00")
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "svg.fonttype": "path",  # the same glyphs everywhere
}


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each stage, the same in every figure."""
    return {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}


def spell_ms(ms: float) -> str:
    """Two digits, which is what a timing is worth: 0.41 ms, 66 ms, 1.2 s."""
    if ms >= 1000:
        return f"{ms / 1000:,.1f} s" if ms < 10_000 else f"{ms / 1000:,.0f} s"
    return f"{ms:.0f} ms" if ms >= 9.95 else f"{ms:.1f} ms" if ms >= 0.95 else f"{ms:.2f} ms"


def drawn(figure: Figure, kind: Literal["png", "svg"], *, salt: str) -> bytes:
    """The figure as a file: the same bytes for the same figure, without a date.

    salt: a name that no other figure of one page has, for the ids in an SVG.
    """
    import matplotlib as mpl

    content = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}):
        figure.savefig(content, format=kind, dpi=160, metadata=metadata)
    return content.getvalue()


def styled() -> Any:  # noqa: ANN401 - a context of matplotlib's
    """Figures that are made inside have the look."""
    import matplotlib as mpl

    return mpl.rc_context(_STYLE)


def new_figure(
    width: float, height: float, *, n: int = 1, stacked: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure and its n axes, beside each other or stacked on one scale. Width in inches."""
    from searchkit.evaluate.shown_figure import ShownFigure

    figure = ShownFigure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    grid = figure.subplots(*((n, 1) if stacked else (1, n)), squeeze=False, sharex=stacked)
    return figure, grid.ravel().tolist()


def time_ticks(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 100 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{value:g} ms" if value < 999 else f"{value / 1000:g} s"
    )
    axes.set_xlim(low, high)


def value_ticks(axes: Axes) -> None:
    """Values upwards, with as many digits as it takes to tell the ticks apart."""
    axes.yaxis.set_major_formatter(
        lambda value, _: short(value, _digits(axes.yaxis.get_majorticklocs().tolist()))
    )


def _digits(values: Sequence[float]) -> int:
    """The fewest, 1 to 6, that round none of the values by what a tick could mean."""
    exact = (n for n in range(1, 6) if all(abs(round(v, n) - v) < 1e-7 for v in values))
    return next(exact, 6)


def short(value: float, digits: int = 3) -> str:
    """Without the 0 before the point, which every value has."""
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def signed(value: float) -> str:
    """A difference, always with its sign."""
    return ("+" if value >= 0 else "−") + short(abs(value))
