import io

from searchkit.evaluate.ways import Way, draw_ways

STAGES = ["bm25", "minilm", "fused"]
WAYS = [
    Way("First", (40, 1, 1), 3),
    Way("A title that is far too long to stand beside a line and so is cut off", (1, 2, 2)),
    Way("Third", (None, 3, 3), 5),
]


def lines(axes):
    """Heights of each line that is drawn from stage to stage, by its colour, judged ones last."""
    return [list(line.get_ydata()) for line in axes.get_lines() if len(line.get_ydata()) == 3]


def test_ranks_that_are_shown_stand_evenly_and_deeper_ones_below():
    figure = draw_ways(STAGES, WAYS, title="a question")
    [axes] = figure.axes
    assert axes.get_title(loc="left") == "a question"
    unjudged, first, third = lines(axes)
    assert unjudged == [1, 2, 2]
    assert first[1:] == [1, 1]
    assert third[1:] == [3, 3]
    assert third[0] > first[0] > 3  # what is not found lies below what is found deep
    top, bottom = axes.get_ylim()[::-1]
    assert top < 1
    assert bottom > third[0]


def test_titles_grades_and_the_bottom_are_named():
    [axes] = draw_ways(STAGES, WAYS, title="?").axes
    titles = [text.get_text() for text in axes.texts]
    assert titles[0] == "First"
    assert len(titles[1]) == 64
    assert titles[1].endswith("…")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["grade 3+"]
    assert axes.get_yticklabels()[-1].get_text() == "not found"


def test_one_stage_and_nothing_judged_is_drawn():
    figure = draw_ways(["bm25"], [Way("Only", (1,))], title="?")
    assert figure.axes[0].get_legend() is None
    draw_ways(["bm25"], [], title="nothing was found").savefig(io.BytesIO())


def test_a_notebook_shows_the_figure():
    assert draw_ways(STAGES, WAYS, title="?")._repr_png_().startswith(b"\x89PNG")
