"""A bench -> a folder: one HTML page that needs nothing else, JSON, Parquet and figures."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.errors import ConfigError, StorageError
from searchkit.evaluate.plot_style import (
    COLOURS,
    FAINT,
    GAIN,
    INK,
    LOSS,
    PAPER,
    RULE,
    colours_of,
    drawn,
    short,
    signed,
    spell_ms,
)
from searchkit.evaluate.sizes import count
from searchkit.evaluate.tables import write_table
from searchkit.index import disk
from searchkit.tune.bench.captions import captions
from searchkit.tune.bench.result import Bench
from searchkit.tune.bench.words import caveats, count_queries, rough_bytes, significance, verdict

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE, NUMBERS, VALUES = "report.html", "bench.json", "per_query.parquet"
_FIGURES = ("pareto", "differences", "depth", "latency")
_OURS = {PAGE, NUMBERS, VALUES, *(f"{name}.{kind}" for name in _FIGURES for kind in ("png", "svg"))}
_TOKENS = {  # a colour of the figures -> the variable of the page, which knows light and dark
    INK: "--ink",
    FAINT: "--faint",
    RULE: "--rule",
    PAPER: "--paper",
    GAIN: "--gain",
    LOSS: "--loss",
    **{colour: f"--stage-{n}" for n, colour in enumerate(COLOURS)},
}
_DECLARATIONS = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)
_NAMESPACE = re.compile(r'\sxmlns(?::\w+)?="[^"]*"')
_SIZE = re.compile(r'(<svg\b[^>]*?)\s(?:width|height)="[^"]*"([^>]*?)\s(?:width|height)="[^"]*"')


def write_report(bench: Bench, out: Path) -> None:
    """Write everything into a draft beside `out`, which takes its place when it is whole."""
    check_place(out)
    out = out.resolve()  # "." has no name of its own, and a link stays one
    draft = _beside(out, "draft")
    old = _beside(out, "old")
    with _refusals(out):
        try:
            draft.mkdir(parents=True)
            _fill(bench, draft)
            disk.sync_tree(draft)
            if out.exists():
                out.replace(old)
            disk.move(draft, out)
        finally:
            if old.exists() and not out.exists():
                old.replace(out)
            disk.remove(old)
            disk.remove(draft)


def check_place(out: Path) -> None:
    """ConfigError unless `out` is free, an empty folder, or an earlier report and nothing else.

    StorageError where a report could not be written there. Nothing stays of what is tried.
    """
    with _refusals(out):
        if out.is_dir():
            strange = sorted(path.name for path in out.iterdir() if path.name not in _OURS)
            if strange:
                raise ConfigError(
                    f"--out: {out} holds {strange[0]}, which no report is. Name another folder."
                )
        elif out.exists():
            raise ConfigError(f"--out: {out} is a file. Name a folder.")
        if os.path.ismount(out):
            raise ConfigError(f"--out: {out} is a disk of its own. Name a folder in it.")
        _try_place(out.resolve())


def _try_place(out: Path) -> None:
    """Make what a report needs beside it, write a byte, and take all of it away again."""
    draft = _beside(out, "draft")
    missing = [folder for folder in out.parents if not folder.exists()]
    try:
        draft.mkdir(parents=True)
        (draft / PAGE).write_bytes(b"\n")
    finally:
        disk.remove(draft)
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def _beside(out: Path, kind: str) -> Path:
    return out.with_name(f".{out.name}.{os.getpid()}.{kind}")


@contextmanager
def _refusals(out: Path) -> Iterator[None]:
    """What the disk refuses, as a sentence about the report."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageError(
            f"--out: no report can be written to {out} ({why}). Name another folder."
        ) from error


def page(bench: Bench) -> str:
    """The report as one HTML page, with its figures in it."""
    figures = {
        name: inline(drawn(figure, "svg", salt=name).decode(), name=name)
        for name, figure in bench.figures().items()
    }
    return _page(bench, figures)


def inline(svg: str, *, name: str) -> str:
    """An SVG as part of a page: ids of its own, the page's colours, no address in it."""
    found = _DECLARATIONS.sub("", svg)
    found = _SIZE.sub(r"\1\2", _NAMESPACE.sub("", found), count=1)
    found = re.sub(r'\bid="', f'id="{name}-', found)
    found = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', found)
    found = found.replace("url(#", f"url(#{name}-")
    for colour, token in _TOKENS.items():
        found = found.replace(colour, f"var({token})")
    return found.strip()


def _fill(bench: Bench, folder: Path) -> None:
    figures = {}
    for name, figure in bench.figures().items():
        svg = drawn(figure, "svg", salt=name)
        (folder / f"{name}.svg").write_bytes(svg)
        (folder / f"{name}.png").write_bytes(drawn(figure, "png", salt=name))
        figures[name] = inline(svg.decode(), name=name)
    (folder / PAGE).write_text(_page(bench, figures), "utf-8")
    numbers = json.dumps(bench.to_dict(), indent=1, ensure_ascii=False)
    (folder / NUMBERS).write_text(numbers + "\n", "utf-8")
    write_table(bench.per_query(), folder / VALUES)


def _page(bench: Bench, figures: dict[str, str]) -> str:
    text = (files(__package__) / "report.html.jinja").read_text("utf-8")
    names = [one.name for one in bench.stages]
    tokens = {name: _TOKENS[colour] for name, colour in colours_of(names).items()}
    return (
        _environment()
        .from_string(text)
        .render(
            bench=bench,
            title=Path(str(bench.index["path"])).resolve().name,
            verdict=verdict(bench),
            caveats=caveats(bench),
            figures=figures,
            captions=captions(bench),
            tokens=tokens,
        )
    )


def _environment() -> Environment:
    """Whatever a corpus holds is text here, never markup."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "short": short,
        "ms": spell_ms,
        "bytes": rough_bytes,
        "signed": signed,
        "p": significance,
        "queries": count_queries,
        "count": count,
        "rate": lambda value: f"{value:,.0f}" if value >= 10 else f"{value:.1f}",
    }
    return made
