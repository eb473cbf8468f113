"""A recipe -> the TOML that `recipe.named` reads back to the same value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields

from searchkit.train.recipe import Recipe

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(recipe: Recipe) -> str:
    """Every setting on its line, defaults too, so that the file means the same in any version."""
    settings = [(one.name, getattr(recipe, one.name)) for one in fields(recipe)]
    lines = [f"{name} = {_spell(value)}" for name, value in settings if name != "card"]
    published = _table("card", recipe.card) if recipe.card else []
    return "\n".join([*lines, *published]) + "\n"


def _table(name: str, values: Mapping[str, object]) -> list[str]:
    inner = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lines = ["", f"[{name}]"]
    lines += [f"{_key(key)} = {_spell(v)}" for key, v in values.items() if key not in inner]
    for key, value in inner.items():
        lines += _table(f"{name}.{_key(key)}", value)
    return lines


def _spell(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_spell(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_spell, value))}]"
    return repr(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    """As JSON does, save for DELETE, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
