"""Results of the benchmarks of measuring and tuning itself -> tables."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_tables import Line, gain, table, titled


def significance(lines: Sequence[Line]) -> str:
    """How often the test rejects, where nothing is different and where something is."""
    last = lines[-1]
    cells = [["differences drawn", "queries", "true difference", "significant at .05"]]
    for row in last["measured"]:
        true = f"{row['true']:.4f}" if "true" in row else "0"
        cells.append([row["drawn"], str(row["n_queries"]), true, f"{row['share']:.1%}"])
    return titled("The randomisation test of `eval`", "significance", last, table(cells))


def eval_speed(lines: Sequence[Line]) -> str:
    last = lines[-1]
    cells = [["seconds", "searchkit", "ir-measures", "ours to theirs"]]
    for name, label in (("whole", "from files to means"), ("measures", "measures alone")):
        times = [f"{last[name][f'{peer}_s']:.1f}" for peer in ("searchkit", "ir-measures")]
        cells.append([label, *times, f"{last[name]['ratio']:.2f}"])
    return titled("Judging a run", "eval_speed", last, table(cells))


def tune(lines: Sequence[Line]) -> str:
    """With and without a reranker: cross-validated, and on queries that tuning has not seen."""
    head = ["reranker", "training queries", "settings", "stages s", "search s", "cross-validated"]
    cells = [[*head, "test before", "test tuned", "gain on test"]]
    for line in {line["reranker"]: line for line in lines}.values():
        train, test = line["train"], line["test"]
        n_settings = f"{train['first_stages']:,} x {train['ways_to_rerank']:,}"
        times = [f"{sum(train['stages_s'].values()):.0f}", f"{train['search_s']:.0f}"]
        found = (train["cross_validated"], test["current"], test["tuned"])
        values = [f"{value:.4f}" for value in found]
        row = [line["reranker"], f"{train['n_queries']:,}", n_settings, *times, *values]
        cells.append([*row, gain(test)])
    return titled("Tuning on SciFact, nDCG@10", "tune", lines[-1], table(cells))
