"""What runs are worth, and how they differ -> tables on a screen, or lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import typer

from searchkit.cli.lines import as_json as spell_json
from searchkit.cli.options import as_text
from searchkit.cli.screen import FAINT, STRONG, Screen, aligned

if TYPE_CHECKING:
    from searchkit.cli.eval_runs import Worth
    from searchkit.evaluate.against import Against, Moved
    from searchkit.evaluate.tables import TableRow


def show(
    worth: Worth,
    compared: Sequence[Against],
    *,
    baseline: str | None,
    n_moved: int,
    as_json: bool,
) -> None:
    """Everything on stdout: runs side by side, comparisons, moved queries."""
    if as_json:
        for record in _records(worth, compared, baseline or "", n_moved):
            sound = {key: as_text(v) if isinstance(v, str) else v for key, v in record.items()}
            typer.echo(spell_json(sound))
        return
    screen = Screen()
    _show_runs(screen, worth)
    if compared and baseline is not None:
        _show_compared(screen, compared, baseline)
        _show_moved(screen, worth, baseline, n_moved)


def _records(
    worth: Worth, compared: Sequence[Against], baseline: str, n_moved: int
) -> Iterator[TableRow]:
    from searchkit.evaluate import tables
    from searchkit.evaluate.against import means

    for name, found in worth.evaluations.items():
        for row in tables.side_by_side(found, ties=worth.ties[name]):
            yield {"kind": "run", **({"collection": name} if name else {}), **row}
    for mean, runs in means(worth.evaluations).items():
        for run, values in runs.items():
            yield {"kind": "run", "collection": mean, "run": run, **values}
    for one in compared:
        yield {"kind": "comparison", **tables.compared_row(one, baseline=baseline)}
    for run, measure, helped, hurt in _moves(worth, baseline, n_moved):
        for moved in (*helped, *hurt):
            text = worth.texts[moved.collection].get(moved.query)
            row = tables.moved_row(moved, run=run, baseline=baseline, measure=measure, text=text)
            yield {"kind": "moved", **row}


def _show_runs(screen: Screen, worth: Worth) -> None:
    from searchkit.evaluate import tables
    from searchkit.evaluate.against import means

    for name, found in worth.evaluations.items():
        rows = tables.side_by_side(found, ties=worth.ties[name])
        title = f"{name}: judged queries" if name else "judged queries"
        screen.write((f"{title}: {rows[0]['queries']:,}", STRONG))
        shown = [{k: v for k, v in row.items() if k != "queries"} for row in rows]
        _wide(screen, _side_by_side(shown))
        screen.write()
    for mean, runs in means(worth.evaluations).items():
        screen.write((mean, STRONG))
        _wide(screen, _side_by_side([{"run": run, **values} for run, values in runs.items()]))
        screen.write()


def _side_by_side(rows: Sequence[TableRow]) -> list[list[str]]:
    return [list(rows[0]), *([_spell(value) for value in row.values()] for row in rows)]


def _wide(screen: Screen, cells: Sequence[Sequence[str]]) -> None:
    """A table; where it is wider than the screen, several, each with the first column."""
    start, end = 1, len(cells[0])
    while start < end:
        stop = end
        while (
            stop > start + 1
            and _width([[row[0], *row[start:stop]] for row in cells]) > screen.width
        ):
            stop -= 1
        screen.table([[row[0], *row[start:stop]] for row in cells], numbers=1)
        start = stop


def _width(cells: Sequence[Sequence[str]]) -> int:
    return max(map(len, aligned(cells)))


def _spell(value: str | int | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value}"


_HEAD = ["diff.", "low", "high", "p", "p t", "p Holm", "detect.", "+/=/-"]


def _show_compared(screen: Screen, compared: Sequence[Against], baseline: str) -> None:
    """One table a run, or a run and measure where there are several collections."""
    several = bool(compared[0].collection)
    for (run, measure), group in groupby(
        compared, key=lambda one: (one.run, one.measure if several else "")
    ):
        title = f"{run} against {baseline}" + (f" by {measure}" if several else "")
        screen.write((title, STRONG))
        first = "collection" if several else "measure"
        rows = [[getattr(one, first), *_compared_cells(one)] for one in group]
        _wide(screen, [[first, *_HEAD], *rows])
        screen.write()
    for line in _legend(len(compared)):
        screen.write((line, FAINT))
    screen.write()


def _compared_cells(one: Against) -> list[str]:
    found = one.found
    least = f"{found.detectable:.4f}" if found.detectable < float("inf") else "none"
    if found.n_ties == found.n_queries:
        least = "-"  # without any difference nothing tells how much they spread
    return [
        *(f"{value:+.4f}" for value in (found.difference, found.low, found.high)),
        *(_spell_p(p) for p in (found.p, found.p_t, one.p_holm)),
        least,
        f"{found.n_better}/{found.n_ties}/{found.n_worse}",
    ]


def _spell_p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "<.0001"


def _legend(n: int) -> list[str]:
    corrected = f"corrected for all {n:,} comparisons" if n > 1 else "corrected for 1 comparison"
    return [
        "low, high: 95% bootstrap interval of the difference. +/=/-: queries better, same, worse.",
        f"p: paired randomisation test; p t: paired t-test; p Holm: p {corrected}.",
        "detect.: true difference that so many queries show at p < .05 four times in five.",
    ]


def _moves(
    worth: Worth, baseline: str, n: int
) -> Iterator[tuple[str, str, list[Moved], list[Moved]]]:
    """Run, first measure, and the queries that it helps and hurts most."""
    from searchkit.evaluate.against import most_moved

    runs = next(iter(worth.evaluations.values()))
    for run, found in runs.items():
        if n and run != baseline:
            measure = next(iter(found.mean))
            helped, hurt = most_moved(
                worth.evaluations, run=run, baseline=baseline, measure=measure, n=n
            )
            yield run, measure, helped, hurt


def _show_moved(screen: Screen, worth: Worth, baseline: str, n_moved: int) -> None:
    for run, measure, *both in _moves(worth, baseline, n_moved):
        for word, moved in zip(("helped", "hurt"), both, strict=True):
            screen.write((f"{measure}: most {word} by {run}", STRONG))
            if moved:
                _moved_table(screen, moved, worth.texts)
            else:
                screen.write(f"no query is {word}")
            screen.write()


def _moved_table(
    screen: Screen, moved: Sequence[Moved], texts: Mapping[str, Mapping[str, str]]
) -> None:
    """One line a query, cut at the width of a terminal."""
    from rich.text import Text

    rows = [["difference", "run", "baseline", "query"]]
    for one in moved:
        values = (f"{one.difference:+.4f}", f"{one.value:.4f}", f"{one.baseline:.4f}")
        rows.append([*values, f"{one.collection}: {one.query}" if one.collection else one.query])
    shown = [texts[one.collection].get(one.query, "") for one in moved]
    if any(shown):
        rows = [[*row, text] for row, text in zip(rows, ["text", *shown], strict=True)]
    for n, line in enumerate(aligned(rows)):
        text = Text(line)
        text.truncate(screen.width, overflow="ellipsis")
        screen.write((text.plain, FAINT) if n == 0 else text.plain)
