"""An open index and rerankers -> every stage that can be measured, ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from searchkit.errors import ConfigError
from searchkit.index.generation import Generation
from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder
from searchkit.models.folder import locate
from searchkit.models.names import resolve
from searchkit.search.choose import reranked_by
from searchkit.search.lazy import Lazy
from searchkit.search.searcher import Searcher
from searchkit.search.stages import Stages

NONE = "none"  # among the rerankers: the pipeline's own is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchStage:
    """One row of the table: a stage, or the stages up to one reranker."""

    name: str
    stage: str  # what `Stages.run` is asked for
    stages: Stages

    @property
    def is_reranked(self) -> bool:
        return self.stage == "reranked"

    def searcher(self, searcher: Searcher) -> Searcher:
        """One that searches with this stage's pipeline, over what is loaded already."""
        return Searcher(searcher.index, self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """The stages in the order in which they run."""

    stages: tuple[BenchStage, ...]
    baseline: str  # label of the pipeline's first stage: what a reranker reads

    @property
    def retrieved(self) -> list[BenchStage]:
        return [one for one in self.stages if not one.is_reranked]

    @property
    def reranked(self) -> list[BenchStage]:
        return [one for one in self.stages if one.is_reranked]


def line_up(searcher: Searcher, rerankers: Sequence[str], options: CrossEncoderOptions) -> Lineup:
    """BM25, each encoder alone, all together, fused, and reranked by each reranker.

    rerankers: beside the pipeline's own, which "none" leaves out. They are loaded here, so that
    one that cannot be had is refused before the work. ConfigError for one that adds nothing.
    """
    own, pipeline = searcher.stages, searcher.pipeline
    _refuse_idle(pipeline.reranker, rerankers)
    names = ["bm25", *own.dense]
    names += ["dense"] if len(own.dense) > 1 else []
    names += ["fused"] if own.dense else []
    bare = replace(own, pipeline=reranked_by(pipeline, None), scorer=None)
    found = [
        BenchStage(name=label, stage=name, stages=bare)
        for label, name in zip(_labels(names), names, strict=True)
    ]
    rerank = [own] if own.scorer is not None and NONE not in rerankers else []
    for name in rerankers:
        if name != NONE:
            scorer = open_cross_encoder(name, options=options)
            changed = reranked_by(pipeline, name)
            rerank.append(replace(own, pipeline=changed, scorer=Lazy.of(scorer)))
    labels = _labels([stages.pipeline.reranker or "" for stages in rerank])
    found += [
        BenchStage(name=f"reranked ({label})", stage="reranked", stages=stages)
        for label, stages in zip(labels, rerank, strict=True)
    ]
    first = "fused" if pipeline.encoders else "bm25"
    baseline = next(one.name for one in found if one.stage == first)
    return Lineup(stages=tuple(found), baseline=baseline)


def disk_bytes(generation: Generation, stage: BenchStage) -> int:
    """Bytes of the index that a search up to this stage reads: documents, postings, vectors.

    Models lie elsewhere and are not counted.
    """
    needed = set(stage.stages.retrievers_of(stage.stage))
    total = 0
    for segment in generation.segments:
        total += sum(stamp.n_bytes for stamp in segment.files.values())
        vectors = {
            part.hash
            for part in segment.parts
            if part.kind == "vectors" and part.config["encoder"] in needed
        }
        for part in segment.parts:
            is_needed = (
                part.hash in vectors
                or part.config.get("vectors") in vectors
                or (part.kind == "postings" and "bm25" in needed)
            )
            if is_needed:
                total += sum(stamp.n_bytes for stamp in part.files.values())
    return total


def model_bytes(stage: BenchStage) -> int:
    """Bytes of the weights that a search up to this stage loads; 0 where none is."""
    names = [
        resolve(name, "bi-encoder")
        for name in stage.stages.retrievers_of(stage.stage)
        if name != "bm25"
    ]
    if stage.is_reranked and stage.stages.pipeline.reranker:
        names.append(resolve(stage.stages.pipeline.reranker, "cross-encoder"))
    return sum(
        path.stat().st_size for spec in names for path in locate(spec).rglob("*.safetensors")
    )


def _refuse_idle(own: str | None, rerankers: Sequence[str]) -> None:
    if NONE in rerankers and own is None:
        raise ConfigError("--reranker none has no effect: the pipeline has no reranker. Drop it.")
    named = [own or "", *rerankers] if NONE not in rerankers else list(rerankers)
    for name in rerankers:
        if named.count(name) > 1:
            said = "is the pipeline's own" if name == own else "is named twice"
            raise ConfigError(f"--reranker {name} has no effect: it {said}. Drop it.")


def _labels(names: Sequence[str]) -> list[str]:
    """Short and different: the last component of a folder, numbered where two have one."""
    short = [Path(name).name for name in names]
    return [
        one if short.count(one) == 1 else f"{one} {short[:n].count(one) + 1}"
        for n, one in enumerate(short)
    ]
