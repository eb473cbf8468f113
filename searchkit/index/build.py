"""Documents -> a new generation of an index: segments, their parts, one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from searchkit.analyze.analyzer import TextAnalyzer
from searchkit.errors import CorpusError, StorageError
from searchkit.index import disk, stamps
from searchkit.index import generation as generations
from searchkit.index.ann import AnnKind
from searchkit.index.collect import PLAIN, CommitOptions, publish
from searchkit.index.dense_parts import DenseChoice, dense_parts, records
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Segment
from searchkit.index.known import Known
from searchkit.index.lexical import SEGMENT_DOCS, Inverted
from searchkit.index.lock import writing
from searchkit.protocols import Progress
from searchkit.types import Doc

Watch: TypeAlias = Callable[[str], Progress]  # name of a phase -> who is told how far it is

PACKAGES = ("searchkit", "numpy", "pyarrow", "PyStemmer", "stop-words", "torch", "faiss-cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What shapes an index beside its corpus."""

    analyzer: str = "english"
    dense: Sequence[DenseChoice] = ()
    ann: AnnKind = "auto"
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
            chunks = _chunks(docs, config.segment_docs, watch("read and invert"), n_docs)
            segments = _segments(chunks, drafts, analyzer)
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
    """An index is replaced only on request, and a folder of other things never becomes one."""
    if generations.exists(out):
        if not replace_index:
            message = f"there is an index at {out} already. Add --replace to build it anew."
            raise StorageError(message)
        return
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out} is a file, and an index is a folder. Choose another name.")
    ours = {"lock", "drafts", "shards", "segments", "parts", "generations", ".CURRENT.draft"}
    if out.is_dir() and any(path.name not in ours for path in out.iterdir()):
        raise StorageError(f"{out} holds other files. Choose a folder that is empty or not there.")


def _chunks(
    docs: Iterable[Doc], size: int, progress: Progress, total: int
) -> Iterator[tuple[Iterator[Doc], int, Progress]]:
    """The documents by segments: (documents, first seq, progress that counts on)."""
    source, first = iter(docs), 0
    while (head := next(source, None)) is not None:
        chunk = _Counted(head, islice(source, size - 1))
        start = first

        def told(done: int, _: int, start: int = start) -> None:
            progress(start + done, total)

        yield chunk, first, told
        first += chunk.n


class _Counted:
    """An iterator that knows how many documents it gave."""

    def __init__(self, head: Doc, rest: Iterator[Doc]) -> None:
        self._head: Doc | None = head
        self._rest, self.n = rest, 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Doc:
        doc, self._head = self._head or next(self._rest), None
        self.n += 1
        return doc


def _segments(
    chunks: Iterator[tuple[Iterator[Doc], int, Progress]], drafts: Drafts, analyzer: TextAnalyzer
) -> list[Segment]:
    """Each segment is written while the next one is read: never more than two in memory."""
    segments: list[Segment] = []
    with ThreadPoolExecutor(1) as writer:
        written: Future[Segment] | None = None
        for docs, first_seq, told in chunks:
            folders = drafts.folder("segment"), drafts.folder("postings")
            inverted = Inverted(*folders, analyzer=analyzer, first_seq=first_seq)
            inverted.fill(docs, told)
            if written is not None:
                segments.append(written.result())
            written = writer.submit(_write, inverted, drafts)
        if written is not None:
            segments.append(written.result())
    return segments


def _write(inverted: Inverted, drafts: Drafts) -> Segment:
    counted, mixed = inverted.finish()
    bare = drafts.segment(inverted.segment, counted["n_docs"])
    config, stats = {"analyzer": inverted.analyzer.config, "positions": False}, {**counted, **mixed}
    part = drafts.part("postings", inverted.postings, config, inputs=bare.hash, stats=stats)
    return replace(bare, parts=(part,))


def _with_vectors(
    drafts: Drafts, segments: Sequence[Segment], config: BuildConfig, *, known: Known, watch: Watch
) -> Iterator[Segment]:
    for n, segment in enumerate(segments):
        parts = dense_parts(
            drafts,
            segment,
            number=n,
            choices=config.dense,
            ann=config.ann,
            known=known,
            watch=watch,
        )
        yield replace(segment, parts=segment.parts + parts)


def versions() -> dict[str, str]:
    """The packages that shape an index, where they are installed."""
    return {package: version(package) for package in PACKAGES if _is_there(package)}


def _is_there(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
