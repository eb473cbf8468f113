"""A model folder and its settings -> one hash of all that shapes its output."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

SHAPING = {
    ".safetensors",
    ".json",
    ".txt",
    ".model",
    ".py",
    ".jinja",
}  # weights, tokenizer, modules
# Of searchkit.json, what shapes a score is among the settings.
TALK = ("readme", "license", "notice", "requirements", "searchkit.json")


def fingerprint(folder: Path, settings: Mapping[str, object]) -> str:
    """sha256 over the content of the files that shape the output, and the settings.

    `settings`: pooling, prompts, template, limit, backend, precision; JSON. Files are
    taken by relative path, so a copied or renamed folder keeps its fingerprint; hidden files,
    cards and licences do not count.
    """
    digest = hashlib.sha256()
    for path in shaping_files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    digest.update(json.dumps(dict(settings), sort_keys=True).encode())
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any) -> str:  # noqa: ANN401 - a fast tokenizer
    """sha256 over all that shapes the tokens of a text: normaliser, vocabulary, separator, library.

    Of the library, because ids that it made before are used beside those that it makes now.
    """
    core = tokenizer.backend_tokenizer
    core.no_truncation()  # else it tells how it was last called
    core.no_padding()
    said = [core.to_str(), tokenizer.sep_token, version("tokenizers")]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def shaping_files(folder: Path) -> list[Path]:
    """Weights, tokenizer and module configurations of a model, by relative path."""
    return sorted(
        (
            path
            for path in folder.rglob("*")
            if _shapes(path.relative_to(folder)) and path.is_file()
        ),
        key=lambda path: path.relative_to(folder).as_posix(),
    )


def _shapes(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    talk = path.name.lower().startswith(TALK)
    return path.suffix in SHAPING and not hidden and not talk


def file_sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as file:  # file_digest reads in chunks: weights need not fit in memory
        return hashlib.file_digest(file, "sha256").hexdigest()
