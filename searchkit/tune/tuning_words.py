"""A tuning -> what a person reads of it: tables, sentences, and a report as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from searchkit.corpus.atomic import check_place, replaced
from searchkit.errors import ConfigError
from searchkit.search.pipeline import Pipeline
from searchkit.tune.bench.words import count_queries
from searchkit.tune.tuning import FLAT, Latency, Tuning, settings_by_name

Rows = list[list[str]]
SUFFIXES = (".json", ".md")


def verdict_line(found: Tuning) -> tuple[str, str]:
    """What was decided, in two words, and why."""
    if found.written:
        return "Tuned", found.why
    if found.verdict.passed and not found.is_current and not found.is_apart:
        return "Would be tuned", found.why
    return "Not tuned", found.why


def value_lines(found: Tuning) -> list[str]:
    """What the pipelines are worth, and how far the fitted value is to be believed."""
    bare = " without its reranker" if found.is_apart else ""
    return [
        f"{found.measure} {found.baseline:.4f} by the pipeline in force{bare}, {found.quality:.4f} "
        f"tuned, cross-validated over {len(found.folds)} folds.",
        f"On the queries that chose it the tuned one shows {found.fitted:.4f} (fitted), "
        f"{found.optimism:+.4f} of which is optimism.",
    ]


def settings_rows(found: Tuning) -> Rows:
    """Both pipelines, setting by setting."""
    before, after = settings_by_name(found.current), settings_by_name(found.tuned)
    names = dict.fromkeys([*before, *after])
    rows = [[name, before.get(name, "-"), after.get(name, "-")] for name in names]
    return [["setting", "current", "tuned"], *rows]


def fold_rows(found: Tuning) -> Rows:
    """What was chosen without each fold, where the folds disagree."""
    names, settings = _varying([one.pipeline for one in found.folds])
    rows = [["fold", "queries", *names, found.measure]]
    for n, (fold, shown) in enumerate(zip(found.folds, settings, strict=True), 1):
        rows.append([str(n), f"{len(fold.queries):,}", *shown, f"{fold.quality:.4f}"])
    return rows


def near_rows(found: Tuning) -> Rows:
    """The best by all queries, where they differ."""
    names, settings = _varying([one.pipeline for one in found.near])
    rows = [["rank", *names, "fitted"]]
    for n, (near, shown) in enumerate(zip(found.near, settings, strict=True), 1):
        rows.append([str(n), *shown, f"{near.fitted:.4f}"])
    return rows


def fold_line(found: Tuning) -> str:
    n_alike = sum(one.pipeline == found.folds[0].pipeline for one in found.folds)
    if n_alike == len(found.folds):
        return f"All {n_alike} folds chose the same settings."
    return "Chosen without each fold, and what it is worth on it:"


def near_line(found: Tuning) -> str:
    settings = "1 setting lies" if found.n_near == 1 else f"{found.n_near:,} settings lie"
    return (
        f"Near the top by all queries (fitted, so too good), {settings} within {FLAT:g} of the "
        f"best:"
    )


def latency_lines(found: Tuning) -> list[str]:
    limit = found.latency
    if limit is None:
        return []
    lines = [
        f"Within {limit.max_ms:g} ms (p95 of warm answers on this machine): the tuned pipeline "
        f"takes {limit.measured_ms:.1f} ms, {limit.predicted_ms:.1f} by the sum of its parts."
    ]
    if limit.current_ms > limit.max_ms:
        lines.append(f"The pipeline in force takes {limit.current_ms:.1f} ms, above the limit.")
    if limit.n_dropped or limit.n_refused:
        lines.append(_dropped(limit))
    parts = sorted(limit.parts_ms.items())
    listed = "; ".join(f"{part} {took:.1f}" for part, took in parts)
    return [*lines, f"Measured, in ms: {listed}."]


def time_line(found: Tuning) -> str:
    stages = {name: took for name, took in found.times_s.items() if name != "settings"}
    listed = ", ".join(f"{name} {took:.1f} s" for name, took in stages.items())
    reranks = f" and {found.n_reranks:,} ways to rerank" if found.n_reranks > 1 else ""
    return (
        f"{found.n_firsts:,} first stages{reranks} on {count_queries(len(found.per_query))}: the "
        f"stages took {listed}, the settings {found.times_s.get('settings', 0.0):.1f} s."
    )


def left_out_lines(found: Tuning) -> list[str]:
    """What did not take part."""
    lines = list(found.notes)
    if found.n_unjudged:
        lines.append(f"{count_queries(found.n_unjudged)} without a judgement did not take part.")
    if found.n_missing:
        lines.append(f"{count_queries(found.n_missing)} of the judgements have no text.")
    return lines


def check_report(path: Path) -> None:
    """Refuse what could not be written, before the long work and what it changes.

    ConfigError for a report of another kind than there is, StorageError for a place.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: a report is written as {' or '.join(SUFFIXES)}. Name it so.")
    check_place(path)


def write_report(found: Tuning, path: Path) -> None:
    """Write a report, whole or not at all: .json has everything, .md is for people."""
    check_report(path)
    is_json = path.suffix.lower() == ".json"
    with replaced(path) as file:
        file.write(_json(found) if is_json else _markdown(found))


def _json(found: Tuning) -> str:
    import orjson

    return orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2).decode() + "\n"


def _markdown(found: Tuning) -> str:
    start, why = verdict_line(found)
    parts = ["# Tuning", f"**{start}**: {why}", *value_lines(found), _table(settings_rows(found))]
    parts += ["## Folds", fold_line(found), _table(fold_rows(found))]
    parts += ["## Near the top", near_line(found), _table(near_rows(found))]
    if lines := latency_lines(found):
        parts += ["## Time of an answer", *lines]
    parts += ["## Work", time_line(found), *left_out_lines(found)]
    parts.append(f"Judgements sha256 {found.qrels}.")
    return "\n\n".join(parts) + "\n"


def _table(rows: Rows) -> str:
    under = ["---"] * len(rows[0])
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], under, *rows[1:]])


def _varying(pipelines: Sequence[Pipeline]) -> tuple[list[str], Rows]:
    """Names of the settings in which the pipelines differ, and these of each."""
    shown = [settings_by_name(one) for one in pipelines]
    names = [
        name
        for name in dict.fromkeys(name for one in shown for name in one)
        if len({one.get(name, "-") for one in shown}) > 1
    ]
    return names, [[one.get(name, "-") for name in names] for one in shown]


def _dropped(limit: Latency) -> str:
    said = f"{limit.n_dropped:,} first stages should take longer and were left out"
    if limit.n_refused:
        said += f"; {limit.n_refused:,} of the settings that were chosen took longer when run"
    return said + "."
