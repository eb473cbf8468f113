"""`searchkit models`: every model that has a short name, and whether it is here."""

from __future__ import annotations

from typing import Any

import typer

from searchkit.cli.options import Json


def models(as_json: Json = False) -> None:
    """List models, and whether they are here.

    Any other model is named by its folder or its hub name (owner/model).

    \b
    Example:
      searchkit models
    """
    from searchkit.cli.lines import as_json as spell
    from searchkit.cli.screen import Screen
    from searchkit.models.names import aliases, available

    rows: list[dict[str, Any]] = [
        {
            "name": spec.alias,
            "family": spec.family,
            "where": available(spec),
            "tokens": spec.max_tokens,
            "languages": list(spec.languages),
            "licence": spec.license,
            "from": spec.hub or spec.package,
            "note": spec.note,
        }
        for spec in aliases()
    ]
    if as_json:
        for row in rows:
            typer.echo(spell(row))
        return
    screen = Screen()
    short = ["name", "family", "where", "tokens", "licence"]
    screen.table([short, *([str(row[name]) for name in short] for row in rows)])
    for row in rows:
        screen.write((f"{row['name']}: ", "bold"), f"{row['note']} ({row['from']})")
