"""Queries made from an index's documents -> a model of one family that learned from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.index.build import Watch
from searchkit.index.dense_parts import DenseChoice
from searchkit.index.vectors import VectorConfig
from searchkit.models.device import Device
from searchkit.models.encoder import EncoderOptions, open_encoder
from searchkit.models.names import PLAIN, Family, resolve
from searchkit.protocols import Progress
from searchkit.search.searcher import Searcher, clean
from searchkit.train.cloze_triplets import Writing, cloze_triplets
from searchkit.train.examples import Examples, read_examples
from searchkit.train.log import Log, Note
from searchkit.train.mining import MineCounts, MineOptions
from searchkit.train.negatives import Rank
from searchkit.train.recipe import Recipe, named, with_settings
from searchkit.train.triplet_file import note_path, write_triplets
from searchkit.tune.material import Material
from searchkit.types import Ranking

# The first unjudged documents are often right; a reranker has to tell apart what follows.
_RANKS = (5, 100)
_NEGATIVES: Mapping[Family, int] = {"bi-encoder": 1, "cross-encoder": 4}  # beside those in a batch


@dataclass(frozen=True, slots=True)
class Voice:
    """Who hears how far the work is: phases, words beside a phase, sentences of their own."""

    watch: Watch = lambda phase: lambda done, total: None
    note: Note = lambda words: None
    tell: Note = lambda sentence: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one family is trained."""

    recipe: Recipe
    template: str = PLAIN  # of a document's text
    vectors: VectorConfig = field(default_factory=VectorConfig)
    device: Device = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model folder and how it came to be."""

    model: Path
    plan: Plan
    n_triplets: int
    mining: Mapping[str, Any]
    n_steps: int
    loss_first: float
    loss_last: float

    @property
    def family(self) -> Family:
        return self.plan.recipe.family

    def choice(self) -> DenseChoice:
        """The bi-encoder, loaded, as an index takes it; it writes documents as it learned them."""
        plan = self.plan
        template = None if plan.template == PLAIN else plan.template
        options = EncoderOptions(device=plan.device, template=template)
        encoder = open_encoder(str(self.model), options=options)
        return DenseChoice(encoder, plan.vectors, replace(options, device="auto").to_dict())


def plan_of(
    searcher: Searcher, family: Family, *, base: str | None, settings: Sequence[str], device: Device
) -> Plan:
    """The recipe of a family for this index.

    base: None takes the index's encoder, or the recipe's base. settings: `key=value`, over the
    recipe's.
    """
    recipe = named(f"adapt-{family}")
    if family == "cross-encoder":
        own = [f"base={json.dumps(base)}", "layers=[]"] if base else []
        return Plan(recipe=with_settings(recipe, [*own, *settings]), device=device)
    records = {record["name"]: record for record in searcher.index.generation.encoders}
    name = base or next(iter((*searcher.pipeline.encoders, *records)))
    spec = resolve(name, family)
    record = records.get(spec.name, {})
    vectors = VectorConfig()
    if record:
        vectors = VectorConfig(passages=record["passages"], dtype=record["dtype"])
    own = [f"base={json.dumps(name)}", *([f"pooling={spec.pooling}"] if spec.pooling else [])]
    return Plan(
        recipe=with_settings(recipe, [*own, *settings]),
        template=record.get("options", {}).get("template") or spec.template,
        vectors=vectors,
        device=device,
    )


def learn(
    searcher: Searcher, material: Material, plan: Plan, *, out: Path, voice: Voice
) -> Trained:
    """Mine negatives and train into `out`/FAMILY; what a stopped run left there is taken up.

    `out`/data/FAMILY.jsonl keeps the triplets, with a note beside it. Held-out documents are no
    negatives either. TrainingStopped after Ctrl-C, with a checkpoint.
    """
    from searchkit.train.base import find_base
    from searchkit.train.run import train

    recipe = plan.recipe
    find_base(recipe)  # or all is mined for nothing
    path, model = out / "data" / f"{recipe.family}.jsonl", out / recipe.family
    if not note_path(path).is_file():
        _mine(searcher, material, plan, path=path, progress=voice.watch("mine negatives"))
    mining = json.loads(note_path(path).read_text("utf-8"))["counts"]
    examples = read_examples([str(path)], "triplets", cache=path.parent)
    begun = (model / "training" / "data.json").is_file()
    if not begun:
        voice.tell(_forecast(plan, examples, voice.watch("time a few steps")))
    result = train(
        recipe,
        examples,
        None,
        model,
        resume=begun,
        device=plan.device,
        progress=voice.watch(f"train the {recipe.family}"),
        note=voice.note,
    )
    losses = [row["loss"] for row in Log(model / "training" / "log.jsonl").table() if "loss" in row]
    return Trained(
        model=model,
        plan=plan,
        n_triplets=examples.n_rows,
        mining=mining,
        n_steps=result.n_steps,
        loss_first=losses[0],
        loss_last=losses[-1],
    )


def _mine(
    searcher: Searcher, material: Material, plan: Plan, *, path: Path, progress: Progress
) -> None:
    counts, seed = MineCounts(), material.clozes.seed
    first, last = _RANKS
    options = MineOptions(
        n=_NEGATIVES[plan.recipe.family], first=first, last=last, seed=seed, template=plan.template
    )
    triplets = cloze_triplets(
        searcher.index,
        material.train,
        rank=_rank_of(searcher, material),
        options=options,
        writing=Writing(template=plan.template, clozes=material.clozes),
        counts=counts,
        progress=progress,
    )
    stage = searcher.stages.default
    write_triplets(
        path,
        triplets,
        lambda: {"stage": stage, "options": asdict(options), "counts": asdict(counts)},
    )


def _rank_of(searcher: Searcher, material: Material) -> Rank:
    """The first stage of the index over what is not held out."""
    allowed = np.ones(searcher.index.n_rows, bool)
    allowed[list(searcher.index.rows_of(material.split.held_out).values())] = False

    def rank(queries: Sequence[str], k: int) -> list[Ranking]:
        asked = [clean(query) for query in queries]
        staged = searcher.stages.run(asked, stage=searcher.stages.default, k=k, allowed=allowed)
        return staged.rankings[staged.last]

    return rank


def _forecast(plan: Plan, examples: Examples, progress: Progress) -> str:
    from searchkit.train.pace import pace

    found = pace(plan.recipe, examples, device=plan.device, progress=progress)
    minutes = found.time_s / 60
    took = f"{found.time_s:.0f} s" if minutes < 2 else f"{minutes:.0f} min"
    return (
        f"{plan.recipe.family}: {examples.n_rows:,} triplets, {found.plan.total_steps:,} steps of "
        f"{found.step_s:.2f} s here: about {took} of training."
    )
