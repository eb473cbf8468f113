"""A model's README.md -> what its front matter claims."""

from __future__ import annotations

import re
from pathlib import Path


def card_languages(folder: Path) -> tuple[str, ...]:
    """The languages a model card claims, ISO 639-1; empty where there is no card or no claim."""
    return tuple(re.findall(r"\b[a-z]{2,3}\b", _claim(folder, "languages?")))


def card_license(folder: Path) -> str | None:
    """The licence that a model card states, as it spells it; None where it states none."""
    return _claim(folder, "license").strip().strip("\"'") or None


def card_datasets(folder: Path) -> tuple[str, ...]:
    """The data that a model card says the model was trained on; empty where it says nothing."""
    claim = _claim(folder, "datasets")
    return tuple(name.strip(" \"'-[]") for name in re.split(r"[,\n]", claim) if name.strip(" -[]"))


def _claim(folder: Path, key: str) -> str:
    """The lines of one key; a list may follow it on the same line or below."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    head = re.match(r"---\n(.*?)\n---", card.read_text("utf-8", "replace"), re.DOTALL)
    claim = head and re.search(rf"^{key}:(.*(?:\n *- .*)*)", head[1], re.MULTILINE)
    return claim[1] if claim else ""
