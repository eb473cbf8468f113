"""What a user names as training data -> feeds of numbered examples, checked before any is read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from searchkit.corpus.delimited import DELIMITERS
from searchkit.corpus.hub import PREFIX
from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import STDIN, shown
from searchkit.corpus.rows import BadRow
from searchkit.corpus.sources import SUFFIXES, Source, resolve
from searchkit.errors import CorpusError
from searchkit.train.beir import BeirSplit
from searchkit.train.recipe import Shape
from searchkit.train.shapes import Example, RowReader

Numbered: TypeAlias = Generator[tuple[int | None, list[Example] | BadRow], None, None]
_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class Feed:
    """One source: `where` for messages, `identity` for a cache, and its examples by row."""

    where: str
    identity: Sequence[Any]  # JSON; the same as long as the files are the same
    numbered: Callable[[], Numbered]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """How rows become examples; the same for all sources."""

    shape: Shape
    columns: Mapping[str, str]  # from `shapes.own_names`
    fix_text: bool
    template: str  # of a BEIR document
    ids: tuple[str, ...] = ()  # columns of ids that are carried along


def find_feeds(sources: Sequence[str], options: FeedOptions, *, ledger: ReadLedger) -> list[Feed]:
    """The feeds behind the names, or the first fault that can be seen without reading.

    A source is a file, a BEIR folder `FOLDER[@SPLIT]`, or `hf:NAME[:CONFIG][@SPLIT]`.
    """
    if isinstance(sources, str):
        raise TypeError(f"need a list of sources, got the string {sources!r}")
    if not sources:
        raise CorpusError("training data", None, "no source is named. Name a file or hf:NAME")
    if options.shape == "beir":
        return [_folder(name, options, ledger) for name in sources]
    return [_file(name, options, ledger) for name in sources]


def _folder(name: str, options: FeedOptions, ledger: ReadLedger) -> Feed:
    path, split = (name, _SPLIT) if Path(name).exists() else _at_split(name)
    found = BeirSplit.find(Path(path), split)
    reader = RowReader(options.shape, {}, ledger, fix_text=options.fix_text)

    def numbered() -> Numbered:
        for pair in found.pairs(reader, template=options.template):
            yield None, pair if isinstance(pair, BadRow) else [pair]

    return Feed(str(found.qrels), [_stamp(path) for path in found.files], numbered)


def _file(name: str, options: FeedOptions, ledger: ReadLedger) -> Feed:
    source = _source(name)
    cells = source.kind in DELIMITERS
    reader = RowReader(
        options.shape,
        options.columns,
        ledger,
        cells=cells,
        fix_text=options.fix_text,
        ids=options.ids,
    )
    return Feed(shown(source.where), _identity(source), lambda: _examples(source, reader, ledger))


def _identity(source: Source) -> Sequence[Any]:
    """Of a hub data set its name, as nothing else is known without a network."""
    path = Path(source.where.removeprefix(PREFIX))
    if path.is_dir():  # which `datasets` reads as if it came from a hub
        return [source.split, *(_stamp(one) for one in sorted(path.rglob("*")) if one.is_file())]
    return _stamp(path) if path.is_file() else [source.where, source.split]


def _examples(source: Source, reader: RowReader, ledger: ReadLedger) -> Numbered:
    with closing(source.rows(ledger)) as rows:
        parse, make = rows.parse, reader.examples
        for line, raw in rows.numbered:
            try:
                found: list[Example] | BadRow = make(parse(raw))
            except BadRow as bad:
                found = bad
            yield line, found


def _source(name: str) -> Source:
    if name.startswith(PREFIX):
        name, split = _at_split(name)
        return resolve([name], fallback=None, split=split, revision=None)[0]
    if name == STDIN:
        why = "training data is read again for every run. Save it as a file first"
        raise CorpusError(shown(name), None, why)
    path = Path(name)
    if path.is_dir():
        why = "this is a folder, which only shape beir reads. Name the files in it instead"
        raise CorpusError(name, None, why)
    known = tuple(SUFFIXES)
    if path.exists() and not name.lower().removesuffix(".gz").endswith(known):
        why = f"the name does not tell the format. Let it end in {', '.join(known)}"
        raise CorpusError(name, None, why)
    return resolve([name], fallback=None, split=_SPLIT, revision=None)[0]


def _at_split(name: str) -> tuple[str, str]:
    before, _, split = name.rpartition("@")
    return (before, split) if before and split else (name.removesuffix("@"), _SPLIT)


def _stamp(path: Path) -> list[Any]:
    """What changes when a file does, without reading it."""
    state = path.stat()
    return [str(path.resolve()), state.st_ino, state.st_size, state.st_mtime_ns]
