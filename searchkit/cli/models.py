"""`searchkit models`: every model that has a short name; all about one; one as a plain folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli.options import Json
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.models.names import ModelSpec


def models(
    action: Annotated[
        Literal["show", "export"] | None,
        typer.Argument(metavar="show|export", help="What to do with one.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Alias, folder or hub name.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="Folder that export writes.", show_default=False),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """List models, tell all about one, or export it.

    Any other model than those listed is named by its folder or its hub name (owner/model). What
    `export` writes is a plain sentence-transformers folder.

    \b
    Example:
      searchkit models
      searchkit models show minilm
      searchkit models export minilm models/minilm
    """
    _check(action, name, out)
    if action == "export" and name and out:
        _export(name, out)
    elif name:
        from searchkit.cli.model_facts import show
        from searchkit.models.names import find

        show(find(name), as_json=as_json)
    else:
        _list(as_json=as_json)


def _check(action: str | None, name: str | None, out: Path | None) -> None:
    if action and not name:
        raise typer.BadParameter(f"name the model: searchkit models {action} NAME.")
    if action == "export" and not out:
        raise typer.BadParameter("name the folder: searchkit models export NAME OUT.")
    if action == "show" and out:
        raise typer.BadParameter(f"show takes one name, and {str(out)!r} is one too many.")


def _list(*, as_json: bool) -> None:
    from searchkit.cli.lines import as_json as spell
    from searchkit.cli.screen import Screen
    from searchkit.models.names import aliases

    rows = [_row(spec) for spec in aliases()]
    if as_json:
        for row in rows:
            typer.echo(spell(row))
        return
    screen = Screen()
    short = ["name", "family", "where", "tokens", "licence"]
    screen.table([short, *([str(row[name]) for name in short] for row in rows)])
    for row in rows:
        screen.write((f"{row['name']}: ", "bold"), f"{row['note']} ({row['from']})")


def _row(spec: ModelSpec) -> dict[str, Any]:
    from searchkit.models.names import available

    return {
        "name": spec.alias,
        "family": spec.family,
        "where": available(spec),
        "tokens": spec.max_tokens,
        "languages": list(spec.languages),
        "licence": spec.license,
        "from": spec.hub or spec.package or "searchkit",
        "note": spec.note,
    }


def _export(name: str, out: Path) -> None:
    from searchkit.cli.screen import say
    from searchkit.evaluate.sizes import spell_bytes
    from searchkit.index.disk import move, remove, storage_errors, sync_tree
    from searchkit.models.export import write_plain

    if out.exists():
        raise ConfigError(f"{out} exists already. Name a folder that does not.")
    draft = out.with_name(f".{out.name}.draft")
    remove(draft)
    try:
        with storage_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            write_plain(name, draft)
            n_bytes = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
            sync_tree(draft)
            move(draft, out)
    finally:
        remove(draft)
    say(f"{out}: {name} as a plain sentence-transformers folder, {spell_bytes(n_bytes)}.")
