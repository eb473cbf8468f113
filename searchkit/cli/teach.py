"""`searchkit teach`: examples and a stronger model -> examples with its scores to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, Literal

import typer

from searchkit.cli import index_options as reading
from searchkit.cli import options as flags
from searchkit.cli import teach_options as own
from searchkit.cli import train_options as training
from searchkit.cli.idle import Given, given, refuse_idle
from searchkit.cli.index import columns_of
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.screen import say
from searchkit.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from searchkit.search.assembly import OpenOptions
    from searchkit.search.searcher import Searcher
    from searchkit.train.examples import Examples
    from searchkit.train.teach import Loss
    from searchkit.train.teachers import Teacher

_IDS: Mapping[str, tuple[str, ...]] = {
    "triplets": ("positive_id", "negative_id"),
    "labelled": ("document_id",),
}

_OF_MODELS = ("device", "trust_remote_code")


def teach(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    examples: own.Examples,
    *,
    teacher: own.Teacher,
    out: own.Out,
    shape: own.Shape = "triplets",
    loss: own.Loss = None,
    index: own.Index = None,
    column: training.Columns = None,
    on_error: reading.OnError = "stop",
    fix_text: reading.FixText = False,
    template: training.Template = "{title} {text}",
    device: flags.Device = "auto",
    trust_remote_code: flags.TrustRemoteCode = False,
) -> None:
    """Label training examples with a stronger model's scores.

    A smaller model learns them by the loss margin-mse or listwise. FILE.json beside the examples
    says who taught. Interrupted, the same command goes on.

    \b
    Example:
      searchkit teach triplets.jsonl --teacher minilm-ce --out taught.jsonl
    """
    from searchkit.search.assembly import OpenOptions
    from searchkit.train.triplet_file import check_place

    check_place(out)
    goal: Loss = loss or ("margin-mse" if shape == "triplets" else "listwise")
    if "template" in given(ctx):
        training.check_template(template, shape)
    _refuse(teacher, shape=shape, loss=goal, index=index)
    opening = OpenOptions(reranker=None, device=device, trust_remote_code=trust_remote_code)
    reading_ = _Reading(examples, shape, columns_of(column or []), on_error, fix_text, template)
    with ended_by_sigterm(), stays_for_a_run_that_can_go_on(out) as folder:
        held = reading_.read(folder, with_ids=index is not None)
        with _teacher(teacher, index, held, opening=opening, written=given(ctx)) as chosen:
            _Job(held, chosen, goal, examples).write(out, folder)


@dataclass(frozen=True, slots=True)
class _Reading:
    sources: list[str]
    shape: own.ShapeName
    columns: Mapping[str, str]
    on_error: Literal["stop", "skip"]
    fix_text: bool
    template: str

    def read(self, cache: Path, *, with_ids: bool) -> Examples:
        from searchkit.cli.progress import Bars
        from searchkit.train.examples import read_examples

        with Bars("rows") as bars:
            found = read_examples(
                self.sources,
                self.shape,
                columns=self.columns,
                on_error=self.on_error,
                fix_text=self.fix_text,
                template=self.template,
                ids=_IDS[self.shape] if with_ids else (),
                cache=cache,
                progress=bars("reading"),
            )
        say(*found.sentences())
        return found


@dataclass(frozen=True, slots=True)
class _Job:
    """What is taught, by whom, for which loss."""

    examples: Examples
    teacher: Teacher
    loss: Loss
    sources: list[str]

    def write(self, out: Path, folder: Path) -> None:
        from searchkit.cli.progress import Bars
        from searchkit.train.teach import TaughtPair, TaughtTriplet, TeachCounts, teach
        from searchkit.train.triplet_file import note_path, write_rows

        counts = TeachCounts()
        kind = TaughtTriplet if self.loss == "margin-mse" else TaughtPair
        kept = folder / "scores"
        with Bars("rows") as bars:
            rows = teach(
                self.examples,
                self.teacher,
                self.loss,
                kept=kept,
                counts=counts,
                progress=bars("teaching"),
            )
            write_rows(
                out,
                rows,
                kind,
                provenance=lambda: self._note(asdict(counts)),
                why_none="no query has two documents, so nothing was written. Choose other data",
            )
        say(*counts.sentences(), *self._remarks())
        say(_how_to_train(self.loss, counts.span), f"{out} is written; {note_path(out)} says how.")

    def _remarks(self) -> list[str]:
        return [f"{n:,} {what}." for what, n in self.teacher.remarks.items()]

    def _note(self, counts: dict[str, Any]) -> dict[str, Any]:
        from searchkit import __version__

        return {
            "searchkit": __version__,
            "teacher": dict(self.teacher.identity),
            "loss": self.loss,
            "examples": {
                "files": [Path(name).name for name in self.sources],
                "shape": self.examples.shape,
                "sha256": self.examples.sha256,
                "rows": self.examples.n_rows,
            },
            "counts": counts,
            "remarks": dict(self.teacher.remarks),
        }


def _how_to_train(loss: Loss, span: float) -> str:
    if loss == "margin-mse":
        return "Train with --set loss=margin-mse --set shape=triplets --column label=margin."
    return (
        "Train with --set loss=listwise --set shape=labelled; a temperature of "
        f"{1 / span:.3g} (--set loss_args.temperature) is 1 in the teacher's own scores."
    )


def _refuse(teacher: str, *, shape: str, loss: Loss, index: Path | None) -> None:
    """ConfigError for what cannot go together."""
    from searchkit.search.stages import STAGES

    if index is None and teacher in STAGES:
        raise ConfigError(f"--teacher {teacher} is a stage of an index. Name it with --index.")
    if teacher == "reranked":
        raise ConfigError("--teacher: bm25, dense and fused can teach; name a cross-encoder alone.")
    if index is not None and shape not in _IDS:
        raise ConfigError(
            f"--index looks documents up by id, and shape {shape} has none. Give triplets or "
            "labelled rows with ids, as `searchkit mine` writes them."
        )
    if loss == "margin-mse" and shape != "triplets":
        raise ConfigError(f"--loss margin-mse learns from triplets, not {shape}. Drop it.")


@contextmanager
def _teacher(
    name: str, index: Path | None, examples: Examples, *, opening: OpenOptions, written: Given
) -> Iterator[Teacher]:
    if index is None:
        from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
        from searchkit.train.teachers import ModelTeacher

        wanted = CrossEncoderOptions(
            device=opening.device, trust_remote_code=opening.trust_remote_code
        )
        yield ModelTeacher(open_cross_encoder(name, options=wanted))
        return
    from searchkit.cli.opening import searching

    with searching(index, opening) as searcher:
        stage = searcher.stages.check(name)
        models = {name: flag for name, flag in written.items() if name in _OF_MODELS}
        refuse_idle(models, searcher.stages, stage=stage)
        yield _stage(searcher, stage, examples)


def _stage(searcher: Searcher, name: str, examples: Examples) -> Teacher:
    from searchkit.retrieve.bm25 import BM25Retriever
    from searchkit.retrieve.dense import DenseRetriever
    from searchkit.search.searcher import clean
    from searchkit.train.teachers import StageTeacher
    from searchkit.train.triplet_file import fingerprint

    stages, generation = searcher.stages, searcher.index.generation
    names = stages.retrievers_of(name)
    identity = {
        "kind": "stage",
        "name": name,
        "index": searcher.index.path.name,
        "generation": generation.number,
        "fingerprint": fingerprint(generation),
        "pipeline": searcher.pipeline.to_dict(),
    }
    make = partial(StageTeacher, searcher.index, examples.source, identity)
    retriever = stages.retrievers[names[0]].get()
    if len(names) == 1 and isinstance(retriever, BM25Retriever | DenseRetriever):
        return make(score_rows=lambda query, rows: retriever.score_rows(clean(query), rows))

    def rank(queries: Any) -> Any:  # noqa: ANN401
        asked = [clean(query) for query in queries]
        staged = stages.run(asked, stage=name, k=len(searcher.index), allowed=None)
        return staged.rankings[staged.last]

    return make(rank=rank)


@contextmanager
def stays_for_a_run_that_can_go_on(out: Path) -> Iterator[Path]:
    """A folder beside the file for what is done; it stays only for a run that can go on."""
    path = out.resolve()
    folder = path.with_name(f".{path.name}.teach")
    scores = folder / "scores"
    stays = scores.is_file()  # of a run that was stopped: an error does not cost it
    try:
        yield folder
        stays = False
    except (KeyboardInterrupt, StorageError) as error:
        stays = scores.is_file()
        if stays and isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt("stopped; the same command goes on from there.") from None
        raise
    finally:
        if not stays:
            rmtree(folder, ignore_errors=True)
