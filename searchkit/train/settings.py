"""A run's recipe and data -> what its folder remembers, so that no other run goes on there."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.errors import ConfigError
from searchkit.index.disk import replace, storage_errors
from searchkit.train.recipe import Recipe
from searchkit.train.recipe_toml import to_toml

if TYPE_CHECKING:
    from searchkit.train.examples import Examples

_FREE = {"card", "about", "workers"}  # may change between a run and its continuation


def write_settings(home: Path, recipe: Recipe, train: Examples, dev: Examples | None) -> None:
    """Write recipe.toml, which `named` reads back, and data.json with the hashes of the data."""
    with storage_errors(home):
        replace(home / "recipe.toml", to_toml(recipe).encode())
        replace(home / "data.json", json.dumps(_hashes(train, dev), indent=1).encode())


def same_run(home: Path, recipe: Recipe, train: Examples, dev: Examples | None) -> None:
    """ConfigError, with what differs, unless the folder's run has this recipe and this data."""
    try:
        before = tomllib.loads((home / "recipe.toml").read_text("utf-8"))
        hashes = json.loads((home / "data.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{home}: there is no run to go on with ({error}). Leave --resume out."
        ) from error
    now = tomllib.loads(to_toml(recipe))
    differs = [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in sorted({*before, *now} - _FREE)
        if before.get(key) != now.get(key)
    ]
    differs += [
        f"the {part} data changed"
        for part, sha in _hashes(train, dev).items()
        if hashes.get(part) != sha
    ]
    if differs:
        raise ConfigError(
            f"{home.parent}: its run is another one: {'; '.join(differs)}. "
            "Resume with the same settings and data, or start in another folder."
        )


def _hashes(train: Examples, dev: Examples | None) -> dict[str, str | None]:
    return {"training": train.sha256, "development": dev.sha256 if dev else None}
