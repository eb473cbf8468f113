import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from searchkit.evaluate.plot_labels import spread
from searchkit.evaluate.plot_style import colours_of, drawn, short, signed, spell_ms
from searchkit.evaluate.plots import (
    Point,
    before_and_after,
    by_depth,
    differences,
    frontier,
    latencies,
    pareto,
)

heights = st.lists(st.floats(0, 1, allow_nan=False), max_size=8)
CROWD = [Point(f"stage {n}", 10.0 * (1 + n / 50), 0.7 + n / 500) for n in range(7)]


def figures():
    names = ["bm25", "fused", "reranked"]
    colours = colours_of(names)
    recall = {name: {1: 0.2, 10: 0.5, 100: 0.7 + n / 10} for n, name in enumerate(names[:2])}
    times = {name: [1.0 + n, 2.0 + n, 40.0 + n] for n, name in enumerate(names)}
    points = [Point("bm25", 1, 0.5), Point("fused", 60, 0.6), Point("reranked", 900, 0.61)]
    curves = {"reranked": {10: 0.6, 20: 0.61}}
    baseline = ("fused", 0.6)
    return {
        "pareto": pareto(points, colours, measure="nDCG@10"),
        "differences": differences(
            np.array([0.0, 0.3, -0.1]), label="gain", mean=(0.07, -0.1, 0.2)
        ),
        "depth": by_depth(curves, recall, colours, baseline=baseline, measure="nDCG@10"),
        "latency": latencies(times, colours),
    }


def test_the_same_figure_is_the_same_bytes_and_names_no_date():
    first, second = figures(), figures()
    for name in first:
        for kind in ("png", "svg"):
            one = drawn(first[name], kind, salt=name)
            assert one == drawn(second[name], kind, salt=name)
        assert b"<dc:date>" not in one
        assert b"Matplotlib v" not in one


def boxes(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [text.get_window_extent(canvas.get_renderer()) for text in figure.axes[0].texts]


def test_labels_in_a_crowd_cover_neither_each_other_nor_the_border():
    figure = pareto(CROWD, colours_of([one.name for one in CROWD]), measure="nDCG@10")
    found, inside = boxes(figure), figure.axes[0].get_window_extent()
    assert len(found) == len(CROWD)
    for n, one in enumerate(found):
        assert inside.x0 <= one.x0 and one.x1 <= inside.x1 and inside.y0 <= one.y0  # noqa: PT018
        assert not any(one.overlaps(other) for other in found[:n])


def test_the_frontier_is_what_nothing_is_both_faster_and_better_than():
    points = [Point("slow", 9, 0.6), Point("best", 5, 0.9), Point("quick", 1, 0.5)]
    points += [Point("quick and worse", 1, 0.4), Point("no better", 7, 0.9)]
    assert [one.name for one in frontier(points)] == ["quick", "best"]


@given(heights, st.floats(0.01, 0.2))
def test_spread_heights_keep_their_order_and_their_distance(found, gap):
    moved = spread(found, gap=gap, most=2.0)
    order = sorted(range(len(found)), key=lambda n: (found[n], n))
    rising = [moved[n] for n in order]
    assert all(high - low >= gap - 1e-9 for low, high in pairwise(rising))
    assert all(height <= 2.0 for height in moved)
    if len(found) == 1:
        assert moved == found


def test_one_stage_alone_and_no_difference_at_all_can_be_drawn():
    colours = colours_of(["bm25"])
    drawn(pareto([Point("bm25", 1, 0.0)], colours, measure="nDCG@10"), "svg", salt="a")
    drawn(differences(np.zeros(1), label="gain", mean=(0.0, 0.0, 0.0)), "svg", salt="b")
    drawn(latencies({"bm25": [1.0]}, colours), "svg", salt="c")
    recall = {"bm25": {1: 1.0}}
    drawn(by_depth({}, recall, colours, baseline=("bm25", 0), measure="nDCG@10"), "svg", salt="d")


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0.123, "0.12 ms"), (1.84, "1.8 ms"), (66.4, "66 ms"), (999, "999 ms"), (1234, "1.2 s")],
)
def test_times_have_two_digits(ms, said):
    assert spell_ms(ms) == said


def test_numbers_stand_without_the_nought_that_all_have():
    assert (short(0.7671), short(1.0), signed(-0.0321), signed(0.5)) == (
        ".767",
        "1.000",
        "−.032",
        "+.500",
    )


@pytest.mark.parametrize("step", [0.2, 0.01, 0.003, 0.0004])
def test_no_two_ticks_of_a_value_axis_have_one_label(step):
    points = [Point("a", 1, 0.6), Point("b", 5, 0.6 + 4 * step)]
    figure = pareto(points, colours_of(["a", "b"]), measure="nDCG@10")
    FigureCanvasAgg(figure).draw()
    [axes] = figure.axes
    found = axes.yaxis.get_ticklabels()
    said = [label.get_text() for label in found]
    assert len(set(said)) == len(said) > 2
    for label, text in zip(found, said, strict=True):
        assert float(text) == pytest.approx(label.get_position()[1])
    assert len(max(said, key=len)) <= 5


def test_every_label_of_a_figure_is_drawn_as_glyphs():
    svg = drawn(figures()["pareto"], "svg", salt="x").decode()
    assert not re.search("<text", svg)


def test_queries_before_and_after_stand_on_their_side_of_the_line():
    values = np.array([[0.2, 0.5], [0.4, 0.4], [1.0, 0.0], [0.0, 0.1]])
    [axes] = before_and_after(values, before="x", after="y", measure="AP").axes
    same, helped, hurt = (np.asarray(dots.get_offsets()) for dots in axes.collections)
    assert same.tolist() == [[0.4, 0.4]]
    assert helped.tolist() == [[0.2, 0.5], [0.0, 0.1]]
    assert hurt.tolist() == [[1.0, 0.0]]
    assert [text.get_text() for text in axes.texts] == ["2 better", "1 the same", "1 worse"]
