"""Flags that name examples -> the examples, read and checked aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from searchkit.cli.screen import say
from searchkit.models.names import PLAIN

if TYPE_CHECKING:
    from searchkit.train.examples import Examples
    from searchkit.train.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Sources:
    """Where examples come from, and how they are read."""

    data: Sequence[str]
    dev: Sequence[str]
    columns: Mapping[str, str]
    on_error: Literal["stop", "skip"]
    fix_text: bool
    template: str = PLAIN  # of a document of a BEIR folder

    def read(self, recipe: Recipe, cache: Path) -> tuple[Examples, Examples | None]:
        """Both sets, checked for overlap, with what reading met said on stderr."""
        from searchkit.cli.progress import Bars
        from searchkit.train.examples import read_examples
        from searchkit.train.overlap import refuse_overlap

        with Bars("rows") as bars:
            found = [
                read_examples(
                    sources,
                    recipe.shape,
                    columns=self.columns,
                    on_error=self.on_error,
                    fix_text=self.fix_text,
                    template=self.template,
                    cache=cache,
                    progress=bars("reading"),
                )
                for sources in (self.data, self.dev)
                if sources
            ]
        for examples in found:
            say(*examples.sentences())
        if len(found) == 2:
            refuse_overlap(*found)
        return found[0], found[1] if self.dev else None
