"""Stored documents of a segment -> its vectors and, where it is large, its ANN index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from searchkit.index.ann_choice import DEFAULT, FLAT, AnnConfig, choose
from searchkit.index.ann_parts import Anns
from searchkit.index.docs import DocStore
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Generation, Part, Segment
from searchkit.index.known import Known
from searchkit.index.vector_writer import write_vectors
from searchkit.index.vectors import VectorConfig
from searchkit.protocols import Encoder, Progress

_SAMPLED_DOCS = 256  # read to see whether an encoder knows the words of a corpus


@dataclass(frozen=True, slots=True)
class DenseChoice:
    """A loaded encoder and how its vectors are to be made and stored."""

    encoder: Encoder
    vectors: VectorConfig
    options: Mapping[str, Any] = field(default_factory=dict)  # what opens the encoder again

    def record(self, sample: Sequence[str]) -> dict[str, Any]:
        """What a generation remembers: to open the same encoder, refuse another, and trust it.

        sample: some texts of the corpus, to see whether the encoder can read them.
        """
        return {
            "name": self.encoder.name,
            "fingerprint": self.encoder.fingerprint,
            "dim": self.encoder.dim,
            "max_tokens": self.encoder.max_tokens,
            "languages": list(self.encoder.languages),
            "shattered": round(self.encoder.shattered(sample), 4),
            "options": dict(self.options),
            **asdict(self.vectors),
        }


def records(
    index: Path, first: Segment, choices: Sequence[DenseChoice], *, ann: AnnConfig
) -> tuple[dict[str, Any], ...]:
    """What a generation remembers of each encoder; the first segment shows what they read."""
    docs = islice(DocStore(index / first.folder), _SAMPLED_DOCS)
    sample = [f"{doc.title} {doc.text}"[:2000] for doc in docs]
    return tuple({**choice.record(sample), **ann.to_record()} for choice in choices)


def ann_config(live: Generation, encoder: str) -> AnnConfig:
    """By what the vectors of an encoder are to be searched, in segments to come as well.

    Generations that do not say so (format 1) show it by what they have.
    """
    [record] = [record for record in live.encoders if record["name"] == encoder]
    if "ann" in record:
        return AnnConfig.from_record(record)
    parts = [part for segment in live.segments for part in segment.parts]
    of_encoder = [part for part in parts if part.config.get("encoder") == encoder]
    for part in of_encoder:
        if part.kind == "ann":
            return AnnConfig(kind=part.config["ann"])
    sizes = [part.stats["n_vectors"] for part in of_encoder if part.kind == "vectors"]
    is_missed = any(choose(DEFAULT, n, record["dim"]) for n in sizes)
    return FLAT if is_missed else DEFAULT


def with_kinds(live: Generation) -> tuple[dict[str, Any], ...]:
    """What is remembered of the encoders, and how segments to come are to be searched."""
    return tuple({**one, **ann_config(live, one["name"]).to_record()} for one in live.encoders)


def dense_parts(
    drafts: Drafts,
    segment: Segment,
    *,
    number: int,
    choices: Sequence[DenseChoice],
    ann: AnnConfig,
    anns: Anns,
    known: Known,
    watch: Callable[[str], Progress],
) -> tuple[Part, ...]:
    """The vector part of every encoder and the ANN parts that the segment's size asks for.

    anns: of the other segments; it learns the new ones. known: what is not encoded again; it
    learns the new parts, for the segments that follow.
    """
    parts: list[Part] = []
    for choice in choices:
        name = choice.encoder.name
        phase = f"encode with {name}" + (f", segment {number + 1}" if number else "")
        vectors = _vectors(drafts, segment, choice, known=known, progress=watch(phase))
        known.learn(vectors)
        parts.append(vectors)
        form = anns.choose(ann, vectors, choice.encoder.dim)
        if form is not None:
            parts.append(anns.build(drafts, vectors, form, watch(f"{form.kind} over {name}")))
    return tuple(parts)


def _vectors(
    drafts: Drafts, segment: Segment, choice: DenseChoice, *, known: Known, progress: Progress
) -> Part:
    folder = drafts.folder("vectors")
    stats = write_vectors(
        folder,
        DocStore(drafts.index / segment.folder),
        encoder=choice.encoder,
        config=choice.vectors,
        shards_dir=drafts.shards,
        known=known,
        n_docs=segment.n_docs,
        progress=progress,
    )
    config = {
        "encoder": choice.encoder.name,
        "fingerprint": choice.encoder.fingerprint,
        **asdict(choice.vectors),
    }
    return drafts.part("vectors", folder, config, inputs=segment.hash, stats=asdict(stats))
