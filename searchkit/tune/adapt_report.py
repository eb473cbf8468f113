"""What adapting did -> JSON, and the lines that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from searchkit.models.names import Family

MEASURED = (
    "Known-item queries were measured: titles, sentences and citations of held-out documents, "
    "each with the one document that it was taken from, or that is cited."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """One model: how it was trained and what it is worth."""

    family: Family
    model: str  # its folder
    base: str
    n_triplets: int
    mining: Mapping[str, Any]  # what was counted while negatives were mined
    n_steps: int
    loss_first: float  # training loss, mean over the first logged steps
    loss_last: float
    weight: float  # in the pipeline, chosen by cross-validation
    ndcg: tuple[float, float]  # nDCG@10 on the held-out queries, without and with
    recall: tuple[float, float]  # R@100 of the first stage, without and with
    verdict: Mapping[str, Any]
    why: str  # the verdict in a sentence
    switched_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptReport:
    """All that `adapt.json` holds."""

    index: str
    generation: int  # that was adapted to
    material: Mapping[str, Any]
    measured_documents: int
    models: tuple[Adapted, ...]
    pipeline: str  # why the pipeline that runs now runs

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AdaptReport:
        models = tuple(
            Adapted(**{**one, "ndcg": tuple(one["ndcg"]), "recall": tuple(one["recall"])})
            for one in values["models"]
        )
        known = {key: value for key, value in values.items() if key != "measured"}
        return cls(**{**known, "models": models})

    def lines(self) -> list[str]:
        """The report, a fact a line."""
        found = [*self._made(), ""]
        for one in self.models:
            found += [*_of_model(one), ""]
        n_docs = f"{self.measured_documents:,}"
        return [*found, f"{MEASURED} They were searched among {n_docs} documents.", self.pipeline]

    def _made(self) -> list[str]:
        made = self.material
        since = f", from year {made['held_out_since']:g} on" if made["held_out_since"] else ""
        found = [
            f"queries to learn from   {_spell(made['training_queries'])}",
            f"queries held out        {_spell(made['held_out_queries'])}, of "
            f"{made['held_out_documents']:,} documents by {made['split_by']}{since}",
        ]
        if made["leaking_removed"]:
            found.append(f"removed, would leak     {_spell(made['leaking_removed'])}")
        if made["not_made"]:
            found.append(f"not made                {_spell(made['not_made'])}")
        return found


def _of_model(one: Adapted) -> list[str]:
    dropped = one.mining.get("dropped")
    (ndcg, with_ndcg), (recall, with_recall) = one.ndcg, one.recall
    return [
        f"{one.family}: {one.model}, from {one.base}",
        f"  triplets   {one.n_triplets:,}"
        + (f"; candidates dropped: {_spell(dropped)}" if dropped else ""),
        f"  loss       {one.loss_first:.4f} -> {one.loss_last:.4f} in {one.n_steps:,} steps",
        f"  nDCG@10    {ndcg:.4f} -> {with_ndcg:.4f} at weight {one.weight:g}",
        f"  R@100      {recall:.4f} -> {with_recall:.4f} before reranking",
        f"  {one.why}",
    ]


def _spell(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {n:,}" for what, n in counts.items()) or "none"
