"""`searchkit recipes`: the training recipes that come with searchkit, and every value of one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from searchkit.cli.options import Json


def recipes(
    action: Annotated[
        Literal["show"] | None,
        typer.Argument(metavar="show", help="Print one recipe whole.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Recipe, or a .toml file.", show_default=False),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """List recipes for training, or show one.

    What `show` prints is a recipe file: edit it, and train with it.

    \b
    Example:
      searchkit recipes show minilm-scidocs
    """
    from searchkit.train.recipe import named, names

    if action and not name:
        raise typer.BadParameter("name the recipe: searchkit recipes show NAME.")
    found = [named(name)] if name else [named(each) for each in names()]
    if as_json:
        from searchkit.cli.lines import as_json as spell

        for recipe in found:
            typer.echo(spell(asdict(recipe)))
        return
    if name:
        from searchkit.train.recipe_toml import to_toml

        typer.echo(to_toml(found[0]), nl=False)
        return
    from searchkit.cli.screen import Screen

    screen = Screen()
    head = ["name", "family", "base", "shape", "loss"]
    screen.table([head, *([str(getattr(recipe, key)) for key in head] for recipe in found)])
    for recipe in found:
        published = recipe.card.get("headline")
        screen.write(
            (f"{recipe.name}: ", "bold"),
            recipe.about + (f" Published: {published}." if published else ""),
        )
