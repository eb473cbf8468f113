"""Vector parts of one index -> their ANN parts: one memory, one set of lists and codebook."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from searchkit.index.ann import write_ann
from searchkit.index.ann_choice import AnnConfig, AnnForm, choose
from searchkit.index.drafts import Drafts
from searchkit.index.generation import Part, Segment
from searchkit.index.vectors import open_vectors
from searchkit.protocols import Progress


class Anns:
    """The ANN parts of an index, as they come about one after another."""

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        """segments: with the parts that are there and stay."""
        self._parts: list[Part] = []
        for one in segments:
            for part in one.parts:
                self.learn(part)

    def learn(self, part: Part) -> None:
        """Count in a part that stays, if it is an ANN."""
        if part.kind == "ann":
            self._parts.append(part)

    def choose(self, config: AnnConfig, vectors: Part, dim: int) -> AnnForm | None:
        """What these vectors get, beside all that is there; None is an exact scan."""
        held = sum(stamp.n_bytes for part in self._parts for stamp in part.files.values())
        return choose(config, vectors.stats["n_vectors"], dim, held_bytes=held)

    def build(self, drafts: Drafts, vectors: Part, form: AnnForm, progress: Progress) -> Part:
        """An index of this form over the vectors, built and kept.

        An ivfpq takes the lists and the codebook of the first of its encoder, which were trained
        once, where they fit.
        """
        folder, encoder = drafts.folder("ann"), vectors.config["encoder"]
        like = next(
            (
                p
                for p in self._parts
                if (p.config["ann"], p.config["encoder"]) == ("ivfpq", encoder)
            ),
            None,
        )
        measured = write_ann(
            folder,
            open_vectors(drafts.index / vectors.folder),
            form=form,
            progress=progress,
            like=drafts.index / like.folder if like else None,
        )
        config = {**form.to_config(), "vectors": vectors.hash, "encoder": encoder}
        stats = asdict(measured) if measured else {}
        built = drafts.part("ann", folder, config, inputs=vectors.hash, stats=stats)
        self.learn(built)
        return built
