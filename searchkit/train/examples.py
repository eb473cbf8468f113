"""Training files -> examples of one shape, checked row by row and mapped from one Arrow file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import orjson

from searchkit.corpus.atomic import replaced, replaced_by
from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.rows import BadRow
from searchkit.errors import ConfigError, CorpusError
from searchkit.models.names import PLAIN
from searchkit.protocols import Progress
from searchkit.train.arrow_file import ArrowFile
from searchkit.train.feeds import Feed, FeedOptions, find_feeds
from searchkit.train.recipe import Shape
from searchkit.train.shapes import Example, outputs, own_names

if TYPE_CHECKING:
    import datasets

FORMAT = 1  # of a cached file; another number is read anew
_EVERY = 1000  # rows between two words of progress
_NO_COLUMNS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What reading met; kept beside the cached file."""

    sha256: str  # of the examples and their columns, whatever file or format they came from
    n_rows: int  # examples
    n_read: int  # rows of the files, or judgements; a row of lists gives several examples
    n_positive: int | None = None  # examples with a label above 0; None where there is no label
    n_skipped: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)  # why rows were skipped
    n_broken: int = 0  # texts that were decoded with a wrong code page
    n_fixed: int = 0  # those of them that were repaired


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of one shape, in the order of the files.

    data: mapped from the disk, never loaded whole. Its columns: triplets have query, positive,
    negative (and label, the margin to learn, where one is mapped); pairs sentence_0, sentence_1;
    all others query, document, label (0..1), and first, the first stage's score, where mapped.
    """

    data: datasets.Dataset
    shape: Shape
    source: str  # as the user named it
    counts: Counts

    @property
    def n_rows(self) -> int:
        return self.counts.n_rows

    @property
    def n_positive(self) -> int | None:
        return self.counts.n_positive

    @property
    def sha256(self) -> str:
        return self.counts.sha256

    def sentences(self) -> list[str]:
        """What was read, flattened, skipped and repaired, one fact a sentence."""
        counts, noun = self.counts, "pairs" if self.counts.n_positive is not None else self.shape
        found = [f"{self.source}: {counts.n_rows:,} {noun}."]
        if self.shape == "lists":
            n_lists = counts.n_read - counts.n_skipped
            found = [f"{self.source}: {n_lists:,} lists flattened to {counts.n_rows:,} pairs."]
        if counts.n_positive is not None:
            share = counts.n_positive / counts.n_rows
            found.append(f"{counts.n_positive:,} of them ({share:.1%}) have a label above 0.")
        if counts.n_skipped:
            why = ", ".join(f"{n:,} {reason}" for reason, n in counts.reasons.items())
            found.append(f"{counts.n_skipped:,} of {counts.n_read:,} rows skipped: {why}.")
        if counts.n_fixed:
            found.append(f"{_texts(counts.n_fixed)} with a broken encoding repaired.")
        if left := counts.n_broken - counts.n_fixed:
            found.append(f"{_texts(left)} with a broken encoding left as read.")
        return found


def read_examples(  # noqa: PLR0913 - each says one thing about how files are read
    sources: Sequence[str],
    shape: Shape,
    *,
    columns: Mapping[str, str] = _NO_COLUMNS,
    on_error: Literal["stop", "skip"] = "stop",
    cache: Path,
    fix_text: bool = False,
    template: str = PLAIN,
    ids: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Examples:
    """The examples of all sources, one after another, written once into the cache folder.

    A source is a file (`.jsonl`, `.csv`, `.tsv`, each also `.gz`, or `.parquet`), for shape beir
    a folder `FOLDER[@SPLIT]`, or `hf:NAME[:CONFIG][@SPLIT]`; the split is train where none is
    named. columns: our name (see `shapes.ACCEPTED`) -> the column of the files. template: how a
    document of a BEIR folder is written. ids: columns of triplets or labelled pairs that are kept
    after ours, such as positive_id. Files that did not change, and hub data sets, are taken
    from the cache the next time. Memory holds a batch of rows, for beir the judged documents.

    CorpusError, with file, row and reason: what cannot be read, a missing column, a label outside
    0..1, an empty text, a list that is none, no example at all. StorageError: a full disk.
    """
    if on_error not in ("stop", "skip"):
        raise ConfigError(f"on_error is stop or skip, not {on_error!r}")
    mapped, ledger = own_names(shape, columns), ReadLedger()
    options = FeedOptions(
        shape=shape, columns=mapped, fix_text=fix_text, template=template, ids=ids
    )
    feeds = find_feeds(sources, options, ledger=ledger)
    key = [FORMAT, asdict(options), on_error, [feed.identity for feed in feeds]]
    name = hashlib.sha256(orjson.dumps(key, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    path = cache / f"{name}.arrow"
    counts = _cached(path)
    if counts is None:
        reading = _Reading(feeds, ledger, skips=on_error == "skip", progress=progress)
        counts = reading.write(path, (*outputs(shape, mapped), *ids))
    return Examples(_mapped(path), shape, ", ".join(sources), counts)


@dataclass(slots=True)
class _Reading:
    """Feeds -> the cached file and its counts."""

    feeds: Sequence[Feed]
    ledger: ReadLedger
    skips: bool
    progress: Progress | None
    n_read: int = 0

    def write(self, path: Path, columns: Sequence[str]) -> Counts:
        """The file is there whole or not at all; its counts follow it and make it valid."""
        n_rows, n_positive, labelled = 0, 0, "document" in columns
        with replaced_by(path) as draft:
            with ArrowFile(draft, columns) as file:
                for found in self._examples():
                    file.add(found)
                    n_rows += len(found)
                    n_positive += sum(example[2] > 0 for example in found) if labelled else 0  # type: ignore[operator]
                sha256 = file.finish()
            if not n_rows:
                raise self._nothing()
        counts = Counts(
            sha256=sha256,
            n_rows=n_rows,
            n_read=self.n_read,
            n_positive=n_positive if labelled else None,
            n_skipped=self.ledger.n_skipped,
            reasons=dict(self.ledger.reasons.most_common()),
            n_broken=self.ledger.n_broken,
            n_fixed=self.ledger.n_fixed,
        )
        with replaced(_beside(path)) as note:
            json.dump({"n_bytes": path.stat().st_size, "counts": asdict(counts)}, note, indent=1)
        return counts

    def _examples(self) -> Iterator[list[Example]]:
        for feed in self.feeds:
            with closing(feed.numbered()) as numbered:
                for line, found in numbered:
                    self._told()
                    if not isinstance(found, BadRow):
                        yield found
                    elif self.skips:
                        self.ledger.n_skipped += 1
                        self.ledger.reasons[found.reason] += 1
                    else:
                        raise CorpusError(feed.where, line, found.why) from None
        if self.progress:
            self.progress(self.n_read, self.n_read)

    def _told(self) -> None:
        self.n_read += 1
        if self.progress and self.n_read % _EVERY == 0:
            self.progress(self.n_read, 0)

    def _nothing(self) -> CorpusError:
        where = ", ".join(feed.where for feed in self.feeds)
        if self.ledger.n_skipped:
            why = ", ".join(f"{n} {reason}" for reason, n in self.ledger.reasons.most_common())
            return CorpusError(where, None, f"no example is left, all rows were skipped: {why}")
        return CorpusError(where, None, "there is no example in it. Check the file or the split")


def _texts(n: int) -> str:
    return f"{n:,} text" if n == 1 else f"{n:,} texts"


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def _cached(path: Path) -> Counts | None:
    """The counts of a file that is whole; None where it has to be written."""
    try:
        note = json.loads(_beside(path).read_text("utf-8"))
        if path.stat().st_size != note["n_bytes"]:
            return None
        known = {one.name for one in fields(Counts)}
        return Counts(**{name: v for name, v in note["counts"].items() if name in known})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _mapped(path: Path) -> Any:  # noqa: ANN401 - datasets has no types
    import datasets

    return datasets.Dataset.from_file(str(path))
