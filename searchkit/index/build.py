"""Documents -> a new generation of an index: segments, their parts, one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import CorpusError, StorageError
from searchkit.index import disk, stamps
from searchkit.index import generation as generations
from searchkit.index.ann_choice import DEFAULT, AnnConfig
from searchkit.index.ann_parts import Anns
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import DenseChoice, dense_parts, records
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Segment
from searchkit.index.known import Known
from searchkit.index.lexical import SEGMENT_DOCS
from searchkit.index.lock import writing
from searchkit.index.segments import write_segments
from searchkit.protocols import Progress
from searchkit.types import Doc

Watch: TypeAlias = Callable[[str], Progress]  # name of a phase -> who is told how far it is

PACKAGES = ("searchkit", "numpy", "pyarrow", "PyStemmer", "stop-words", "torch", "faiss-cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What shapes an index beside its corpus."""

    analyzer: str = "english"
    dense: Sequence[DenseChoice] = ()
    ann: AnnConfig = DEFAULT
    replace: bool = False  # build anew where an index stands already
    segment_docs: int = SEGMENT_DOCS  # bounds the memory of a build; no score depends on it
    commit: CommitOptions = PLAIN


def build_index(
    out: Path,
    docs: Iterable[Doc],
    config: BuildConfig,
    *,
    n_docs: int = 0,
    ledger: Callable[[], Mapping[str, Any]] = dict,
    watch: Watch = lambda phase: lambda done, total: None,
) -> Generation:
    """Build an index of the documents at `out` in one commit, and return what was committed.

    n_docs is an estimate for progress; `ledger` is asked once all documents were read. Interrupted
    at any instant it leaves the index as it was, or none; vectors encoded so far are kept, and the
    same call takes them up again.
    """
    analyzer, known = TextAnalyzer.named(config.analyzer), Known(out)
    with disk.storage_errors(out):
        refuse_strangers(out, replace_index=config.replace)
        with writing(out, wait=config.commit.wait, told=config.commit.told), Drafts(out) as drafts:
            refuse_strangers(out, replace_index=config.replace)  # another may have built meanwhile
            told = watch("read and invert")
            segments = write_segments(
                drafts, docs, analyzer, size=config.segment_docs, progress=told, n_docs=n_docs
            )
            if not segments:
                raise CorpusError(out, None, "the corpus holds no document to index")
            draft = Generation(
                number=0,  # given when it is published
                segments=tuple(_with_vectors(drafts, segments, config, known=known, watch=watch)),
                encoders=records(out, segments[0], config.dense, ann=config.ann),
                ledger=dict(ledger()),
                next_seq=sum(segment.n_docs for segment in segments),
                versions=versions(),
            )
            fresh = publish(out, draft, keep=config.commit.keep)
            drafts.clear_shards()
    stamps.check(out, fresh)
    return fresh


def refuse_strangers(out: Path, *, replace_index: bool) -> None:
    """An index is replaced only on request, and a folder of other things never becomes one.

    An index without CURRENT is one as well: DamagedIndex.
    """
    if generations.exists(out):
        if not replace_index:
            message = f"there is an index at {out} already. Add --replace to build it anew."
            raise StorageError(message)
        return
    if generations.has_lost_current(out) and not replace_index:
        raise generations.lost_current(out)
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out} is a file, and an index is a folder. Choose another name.")
    ours = {"lock", "drafts", "shards", "segments", "parts", "generations", ".CURRENT.draft"}
    if out.is_dir() and any(path.name not in ours for path in out.iterdir()):
        raise StorageError(f"{out} holds other files. Choose a folder that is empty or not there.")


def _with_vectors(
    drafts: Drafts, segments: Sequence[Segment], config: BuildConfig, *, known: Known, watch: Watch
) -> Iterator[Segment]:
    anns = Anns()
    for n, segment in enumerate(segments):
        parts = dense_parts(
            drafts,
            segment,
            number=n,
            choices=config.dense,
            ann=config.ann,
            anns=anns,
            known=known,
            watch=watch,
        )
        yield replace(segment, parts=segment.parts + parts)


def versions() -> dict[str, str]:
    """The packages that shape an index, where they are installed."""
    found = {package: _version(package) for package in PACKAGES}
    return {package: number for package, number in found.items() if number}


@cache
def _version(package: str) -> str:
    """Its version, "" where it is not installed; a commit is faster than a look for all of them."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
