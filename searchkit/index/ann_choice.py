"""Number and width of vectors, memory and a wished recall -> the kind of ANN that searches them.

The rules are read off curves over real sentences (benchmarks/ann_curves.py, benchmarks/NOTES.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from searchkit.errors import ConfigError

AnnKind: TypeAlias = Literal["auto", "flat", "hnsw", "ivfpq"]
StoredKind: TypeAlias = Literal["hnsw", "ivfpq"]

RECALL = 0.98
MEMORY_BYTES = 4_000_000_000
SCANNED_NUMBERS = 100_000 * 384  # of a segment; below, an exact scan takes milliseconds
IVFPQ_LEAST = 1_024  # vectors; fewer do not fill 256 centroids
LINKS = (32, 16)  # a node of a graph; fewer take less memory and more visits for the same recall
_RECORDED = ("ann", "ann_recall", "ann_memory")
_LOWEST_RECALL, _HIGHEST_RECALL = 0.5, 0.999  # of a sample of 200 x 100, no more can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnConfig:
    """How the vectors of an index are to be searched, in segments to come as well."""

    kind: AnnKind = "auto"
    recall: float = RECALL  # of the 100 best of an exact scan, after exact rescoring
    memory_bytes: int = MEMORY_BYTES  # what `auto` lets the ANN of all segments take together

    def __post_init__(self) -> None:
        """ConfigError out of range."""
        if not _LOWEST_RECALL <= self.recall <= _HIGHEST_RECALL:
            raise ConfigError(
                f"The recall of an ANN is from {_LOWEST_RECALL} to {_HIGHEST_RECALL}, not "
                f"{self.recall:g}. An exact scan is the kind flat."
            )
        if self.memory_bytes < 0:
            raise ConfigError(f"An ANN cannot take {self.memory_bytes / 1e9:g} GB. Name 0 or more.")

    def to_record(self) -> dict[str, Any]:
        """JSON that `from_record` reads back; a default is not in it, as in former versions."""
        record: dict[str, Any] = {"ann": self.kind}
        if self.recall != RECALL:
            record["ann_recall"] = self.recall
        if self.memory_bytes != MEMORY_BYTES:
            record["ann_memory"] = self.memory_bytes
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> AnnConfig:
        return cls(
            kind=record["ann"],
            recall=record.get("ann_recall", RECALL),
            memory_bytes=record.get("ann_memory", MEMORY_BYTES),
        )


DEFAULT = AnnConfig()
FLAT = AnnConfig(kind="flat")


def forgotten(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an encoder without the way in which its vectors were searched."""
    return {name: value for name, value in record.items() if name not in _RECORDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnForm:
    """What is built over the vectors of a segment."""

    kind: StoredKind
    recall: float = RECALL
    links: int = LINKS[0]  # of a node of hnsw

    def to_config(self) -> dict[str, Any]:
        """Of a part; what is as in former versions is not in it."""
        config: dict[str, Any] = {"ann": self.kind}
        if self.recall != RECALL:
            config["recall"] = self.recall
        if self.links != LINKS[0]:
            config["links"] = self.links
        return config

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> AnnForm:
        """The form of a part with this configuration."""
        return cls(
            kind=config["ann"],
            recall=config.get("recall", RECALL),
            links=config.get("links", LINKS[0]),
        )

    def n_bytes(self, n_vectors: int, dim: int) -> int:
        """What it takes, about: a byte a number and 4 for each link, or a code and an id."""
        of_one = dim + 8 * self.links + 16 if self.kind == "hnsw" else dim // 8 + 8
        return n_vectors * of_one


def choose(config: AnnConfig, n_vectors: int, dim: int, *, held_bytes: int = 0) -> AnnForm | None:
    """What a segment of this size gets; None is an exact scan. The same input, the same choice.

    held_bytes: what the ANN of the other segments take of the memory. auto takes the graph with
    the most links that fits into the rest, where none fits ivfpq.
    """
    if config.kind == "flat" or n_vectors < least_of(config.kind, dim):
        return None
    if config.kind != "auto":
        return AnnForm(kind=config.kind, recall=config.recall)
    graph = AnnForm(kind="hnsw", recall=config.recall)
    for links in LINKS:
        slimmer = replace(graph, links=links)
        if held_bytes + slimmer.n_bytes(n_vectors, dim) <= config.memory_bytes:
            return slimmer
    return AnnForm(kind="ivfpq", recall=config.recall)


def least_of(kind: AnnKind, dim: int) -> int:
    """Vectors that a segment needs to get an ANN of the kind; fewer are scanned, and exactly."""
    return {"auto": max(SCANNED_NUMBERS // dim, IVFPQ_LEAST), "ivfpq": IVFPQ_LEAST}.get(kind, 1)
