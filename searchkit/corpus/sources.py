"""What a user names as a corpus -> sources whose format is known, checked before any is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from searchkit.corpus.delimited import DELIMITERS, open_delimited
from searchkit.corpus.hub import PREFIX, open_hub
from searchkit.corpus.jsonl import open_jsonl
from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.lines import STDIN, STDIN_NAME, is_zipped, refused
from searchkit.corpus.parquet import open_parquet
from searchkit.corpus.rows import Rows
from searchkit.errors import CorpusError

HUB = "hub"
_STREAMED = ("jsonl", "csv", "tsv", "bibtex", "ris", "openalex", "arxiv")
FORMATS = (*_STREAMED, "parquet", *(f"{name}.gz" for name in _STREAMED))
_OF_JSON = ("jsonl", "openalex", "arxiv")  # what a name that ends in .json leaves open
SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".bib": "bibtex",
    ".bibtex": "bibtex",
    ".ris": "ris",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_IN_FOLDER = ("corpus.jsonl", "corpus.jsonl.gz")  # BEIR's names; the first one found is read


@dataclass(frozen=True, slots=True)
class Source:
    """One input: `where` is a path, `-` or `hf:NAME[:CONFIG]`."""

    where: str
    kind: str  # hub, one of `FORMATS` without .gz, or "" for whatever the JSON in it is
    zipped: bool = False
    split: str = "train"  # of a hub data set
    revision: str | None = None

    def rows(self, ledger: ReadLedger) -> Rows:
        if self.kind == HUB:
            return open_hub(self.where, split=self.split, revision=self.revision, ledger=ledger)
        if self.kind == "parquet":
            return open_parquet(self.where, ledger=ledger)
        if self.kind == "jsonl":
            return open_jsonl(self.where, zipped=self.zipped, ledger=ledger)
        if self.kind not in DELIMITERS:
            return self._scholarly(ledger)
        return open_delimited(self.where, self.kind, zipped=self.zipped, ledger=ledger)

    def _scholarly(self, ledger: ReadLedger) -> Rows:
        """What needs libraries that no other format does."""
        if self.kind == "bibtex":
            from searchkit.corpus.scholar.bibtex import open_bibtex

            return open_bibtex(self.where, zipped=self.zipped, ledger=ledger)
        if self.kind == "ris":
            from searchkit.corpus.scholar.ris import open_ris

            return open_ris(self.where, zipped=self.zipped, ledger=ledger)
        from searchkit.corpus.scholar.json_works import open_json

        return open_json(self.where, self.kind or None, zipped=self.zipped, ledger=ledger)


def resolve(
    names: Sequence[str],
    *,
    fallback: str | None,
    split: str,
    revision: str | None,
    plain: bool = False,
) -> list[Source]:
    """The sources behind the names, or the first fault that can be seen without reading.

    fallback: one of `FORMATS`, of standard input and of names that do not tell theirs; a .json name
    leaves open whether it is one of OpenAlex or arXiv. plain: JSON is JSONL, whatever it holds.
    """
    if isinstance(names, str):
        raise TypeError(f"need a list of sources, got the string {names!r}")
    if not names:
        raise CorpusError("corpus", None, "no source is named. Name a file, a folder, - or hf:NAME")
    return [
        Source(name, HUB, split=split, revision=revision)
        if name.startswith(PREFIX)
        else _local(name, fallback, plain=plain)
        for name in names
    ]


def _local(name: str, fallback: str | None, *, plain: bool) -> Source:
    if name == STDIN:
        return _from_stdin(fallback)
    path = Path(name)
    try:
        if path.is_dir():
            return _in_folder(path)
        path.stat()
    except (OSError, ValueError) as error:
        raise refused(name, error) from error
    zipped = is_zipped(name)
    kind = SUFFIXES.get((path.with_suffix("") if zipped else path).suffix.lower())
    if kind == "jsonl":
        given = (fallback or "").removesuffix(".gz")
        return Source(name, given if given in _OF_JSON else kind if plain else "", zipped)
    if kind is not None:
        return _checked(Source(name, kind, zipped))
    if fallback is not None:
        return _of_format(name, fallback)
    known = ", ".join(SUFFIXES)
    why = f"the name does not tell the format. Let it end in {known}, or give --format"
    raise CorpusError(name, None, why)


def _from_stdin(fallback: str | None) -> Source:
    if fallback is None:
        known = f"{', '.join(_STREAMED[:-1])} or {_STREAMED[-1]}"
        why = f"the format is not known. Say --format {known}, with .gz where compressed"
        raise CorpusError(STDIN_NAME, None, why)
    source = _of_format(STDIN, fallback)
    if source.kind == "parquet":
        raise CorpusError(STDIN_NAME, None, "Parquet cannot be streamed. Save it as a file first")
    return source


def _of_format(name: str, given: str) -> Source:
    return Source(name, given.removesuffix(".gz"), is_zipped(given) or is_zipped(name))


def _in_folder(folder: Path) -> Source:
    for name in _IN_FOLDER:
        if (folder / name).is_file():
            return Source(str(folder / name), "jsonl", is_zipped(name))
    why = f"the folder holds no {' or '.join(_IN_FOLDER)}. Name the files in it instead"
    raise CorpusError(folder, None, why)


def _checked(source: Source) -> Source:
    if source.kind == "parquet" and source.zipped:
        why = "Parquet is compressed inside and cannot be read through gzip. Run gunzip on it"
        raise CorpusError(source.where, None, why)
    return source
