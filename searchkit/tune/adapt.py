"""An index -> both model families trained on its own documents, in force only where they help."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from searchkit.errors import ConfigError
from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.index import disk
from searchkit.index import generation as generations
from searchkit.index.extend import add_encoder
from searchkit.index.index import Index
from searchkit.index.lock import writing
from searchkit.index.switch import switch_pipeline, unchanged
from searchkit.models.device import Device
from searchkit.models.names import Family
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.choose import choose
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher
from searchkit.search.stored import stored_choice
from searchkit.train.citations import Citation
from searchkit.tune import attempts
from searchkit.tune.adapt_folder import AdaptFolder
from searchkit.tune.adapt_model import Plan, Trained, Voice, learn, plan_of
from searchkit.tune.adapt_report import Adapted, AdaptReport
from searchkit.tune.known_items import KnownItems, build_known_items
from searchkit.tune.material import GatherOptions, Material, gather
from searchkit.tune.promote import PromoteOptions, promote

_RECALL = "R@100"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptOptions:
    """What is trained, from what, and on how much."""

    only: Family | None = None  # None: both, where the index has an encoder or one is named
    encoder: str | None = None  # base of the bi-encoder; None: the first encoder of the index
    base: str | None = None  # of the cross-encoder; None: the recipe's
    settings: tuple[str, ...] = ()  # key=value, over those of each recipe
    gather: GatherOptions = field(default_factory=GatherOptions)
    device: Device = "auto"


def adapt(
    path: Path,
    out: Path,
    options: AdaptOptions,
    *,
    citations: Sequence[Citation] = (),
    resume: bool = False,
    voice: Voice | None = None,
) -> AdaptReport:
    """Train on queries made from the index's documents, measure on held-out ones, report.

    `out` gets a folder for each model, `data/` with what they learned from, and adapt.json. The
    bi-encoder comes first, so that the cross-encoder is measured on what it will rerank. The
    index gets the models that pass the gate, in one commit at the end; otherwise not a byte of
    it changes but its record of attempts. `resume` goes on where the same call was stopped; a
    finished one is reported again.

    ConfigError where `out` is taken, or a resumed run is another one. TrainingStopped after
    Ctrl-C while a model learns, with a checkpoint.
    """
    voice, folder = voice or Voice(), AdaptFolder(out.resolve())
    with open_searcher(path, options=OpenOptions(reranker=None, device=options.device)) as searcher:
        families = families_of(searcher.index, options)
        plans = [_plan(searcher, family, options) for family in families]
        segments = [segment.hash for segment in searcher.index.generation.segments]
        said = {**asdict(replace(options, device="auto")), "segments": segments}
        folder.claim({**said, "citations": _hash(citations)}, resume=resume)
        if (done := folder.report()) is not None:
            return done
        material = gather(
            searcher.index,
            citations,
            options.gather,
            progress=voice.watch("make queries of the documents"),
        )
        trained = [learn(searcher, material, plan, out=folder.path, voice=voice) for plan in plans]
        return _Verdict(searcher, material, folder, options.device, voice).of(trained)


def families_of(index: Index, options: AdaptOptions) -> tuple[Family, ...]:
    """What can be adapted: a bi-encoder where the index has an encoder, or one is named."""
    has_encoder = bool(options.encoder or index.generation.encoders)
    if options.only == "bi-encoder" and not has_encoder:
        raise ConfigError(
            f"{index.path} holds no vectors, so no encoder is known. Name one: --encoder minilm."
        )
    if options.only is not None:
        return (options.only,)
    return ("bi-encoder", "cross-encoder") if has_encoder else ("cross-encoder",)


def _plan(searcher: Searcher, family: Family, options: AdaptOptions) -> Plan:
    base = options.encoder if family == "bi-encoder" else options.base
    settings = [f"seed={options.gather.clozes.seed}", *options.settings]
    return plan_of(searcher, family, base=base, settings=settings, device=options.device)


def _hash(citations: Sequence[Citation]) -> str:
    return disk.sha256_of(*(id_ for pair in citations for id_ in pair))


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Trained models -> what they are worth on the held-out queries, and those in force."""

    searcher: Searcher
    material: Material
    folder: AdaptFolder
    device: Device
    voice: Voice

    def of(self, trained: Sequence[Trained]) -> AdaptReport:
        index = self.searcher.index
        items = self._known_items(trained)
        if (index.path / attempts.FILE).is_file():
            shutil.copyfile(index.path / attempts.FILE, items.path / attempts.FILE)
        models = [self._judged(items, one) for one in trained]
        pipeline = generations.read(items.path).pipeline or {}
        self._record(items.path)
        if any(one.switched_on for one in models):
            self._switch_on(pipeline, trained, models)
        report = AdaptReport(
            index=index.path.name,
            generation=index.generation.number,
            material=self.material.to_dict(),
            measured_documents=items.n_docs,
            models=tuple(models),
            pipeline=str(pipeline.get("why", "")),
        )
        self.folder.finish(report)
        return report

    def _known_items(self, trained: Sequence[Trained]) -> KnownItems:
        index, pipeline = self.searcher.index, choose(self.searcher.index)
        ours = {str(one.model) for one in trained}  # in force already where a report was lost
        dense = [
            stored_choice(index.path, record, device=self.device)
            for record in index.generation.encoders
            if record["name"] in pipeline.encoders and record["name"] not in ours
        ]
        dense += [one.choice() for one in trained if one.family == "bi-encoder"]
        return build_known_items(
            self.folder.held_out,
            index,
            self.material,
            dense=dense,
            pipeline=pipeline,
            watch=self.voice.watch,
        )

    def _judged(self, items: KnownItems, one: Trained) -> Adapted:
        before = Pipeline.from_dict(generations.read(items.path).pipeline or {})
        promotion = promote(
            str(one.model),
            items.path,
            items.queries,
            items.qrels,
            subsets=items.kinds,
            options=PromoteOptions(device=self.device),
            watch=self.voice.watch,
        )
        return Adapted(
            family=one.family,
            model=str(one.model),
            base=one.plan.recipe.base,
            n_triplets=one.n_triplets,
            mining=one.mining,
            n_steps=one.n_steps,
            loss_first=one.loss_first,
            loss_last=one.loss_last,
            weight=promotion.weight,
            ndcg=(promotion.baseline, promotion.quality),
            recall=(self._recall(items, before), self._recall(items, promotion.pipeline)),
            verdict=promotion.verdict.to_dict(),
            why=promotion.verdict.why,
            switched_on=promotion.written,
        )

    def _recall(self, items: KnownItems, pipeline: Pipeline) -> float:
        """Share of the known items among the first 100 of the first stage."""
        opening = OpenOptions(reranker=None, device=self.device, pipeline=pipeline)
        with open_searcher(items.path, options=opening) as searcher:
            found = searcher.rank([query.text for query in items.queries], k=100)
        run = {query.id: hits for query, hits in zip(items.queries, found, strict=True)}
        return evaluate(run, items.qrels, parse_measures([_RECALL])).mean[_RECALL]

    def _record(self, measured: Path) -> None:
        """The attempts count against later ones with the same held-out queries."""
        path = self.searcher.index.path
        with disk.storage_errors(path), writing(path):
            for attempt in attempts.read_attempts(measured):
                attempts.record(path, attempt)

    def _switch_on(
        self, pipeline: dict[str, object], trained: Sequence[Trained], models: Sequence[Adapted]
    ) -> None:
        """One commit: the pipeline that passed, and the vectors that it needs."""
        path, number = self.searcher.index.path, self.searcher.index.generation.number
        new = [
            one.choice()
            for one, found in zip(trained, models, strict=True)
            if found.switched_on and one.family == "bi-encoder"
        ]
        with unchanged(path, number) as live:
            held = {record["fingerprint"] for record in live.encoders}
            new = [choice for choice in new if choice.encoder.fingerprint not in held]
            if not new:
                switch_pipeline(path, live, pipeline)
        for choice in new:
            add_encoder(path, choice, pipeline=pipeline, watch=self.voice.watch)
